// The kernel's flow table as the agent sees it: packs flows into the kernel's layout, and keeps
// what the kernel cannot say: which mask slot and which chunks each flow holds.
// test/lab/datapath-conformance.test.ts holds it.

import { less } from '../../core/assert.ts'
import { ACTION_WORDS, ActionList, ActionType, OUT_PEER } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import {
  ACTIONS_INLINE,
  ACTIONS_MAX,
  FLOW_STATEFUL,
  FLOW_WORDS,
  FlowWord,
  MASKS_MAX
} from '../../native/abi.ts'
import { type Addon, check, type HostHandle } from '../../native/addon.ts'
import type { FlowBatch, StatsBatch } from '../datapath.ts'
import { Adopted } from './adopted.ts'
import { ActionChunks } from './chunks.ts'
import { MaskSlots } from './masks.ts'

const NONE = 0xff // in #slots: no flow has this id
const STATS_MAX = 4096
// All that the addon reads at once: of what it kept for later a flow may be another's by then.
const AUDIT_SLICE = 1024

/** What the kernel's flow table is opened with. */
export interface FlowsContext {
  readonly addon: Addon
  /** The datapath's handle. */
  readonly host: HostHandle
  /** Flows at most. */
  readonly flowsMax: number
  /** Chunks at most. */
  readonly chunksMax: number
  /** Clock.now(). */
  readonly now: () => number
  /** Whether the interface is a veth to another namespace. */
  readonly redirectsToPeer: (ifindex: number) => boolean
}

/** The kernel's flow table as the agent sees it. */
export class KernelFlows {
  readonly #at: FlowsContext
  readonly #masks: MaskSlots
  readonly #chunks: ActionChunks
  readonly #adopted: Adopted
  readonly #slots: Uint8Array // by flow id
  readonly #firstChunk: Int32Array // by flow id
  #top = 0 // the largest id ever installed
  #size = 0
  #masksFull = 0
  #chunksFull = 0
  #tableFull = 0
  // staging, as long as the longest batch
  #keys = new Int32Array(0)
  #flows = new Int32Array(0)
  #index = new Uint32Array(0)
  #results = new Uint8Array(0)
  #replaced = new Uint32Array(0)
  readonly #list = new ActionList()
  readonly #auditKeys = new Int32Array(AUDIT_SLICE * WORDS)
  readonly #auditFlows = new Int32Array(AUDIT_SLICE * FLOW_WORDS)

  constructor(at: FlowsContext) {
    this.#at = at
    const { addon, host } = at
    this.#masks = new MaskSlots(() => {
      check('masks', addon.setMasks(host, this.#masks.words))
    })
    this.#chunks = new ActionChunks(at.chunksMax, (indices, words, n) => {
      check('chunks', addon.setChunks(host, indices, words, n))
    })
    check('masks', addon.getMasks(host, this.#masks.words))
    this.#masks.restore()
    this.#adopted = new Adopted(addon, host, this.#masks, this.#chunks)
    this.#slots = new Uint8Array(at.flowsMax + 1).fill(NONE)
    this.#firstChunk = new Int32Array(at.flowsMax + 1)
  }

  /** Named numbers of the table. */
  counters(): Record<string, number> {
    return {
      flows: this.#size,
      masks: this.#masks.count,
      'masks-max': MASKS_MAX,
      chunks: this.#chunks.used,
      'masks-full': this.#masksFull,
      'chunks-full': this.#chunksFull,
      'table-full': this.#tableFull
    }
  }

  /** What an earlier agent left, slice by slice; see Adopted. */
  adopt(into: FlowBatch): boolean {
    return this.#adopted.next(into)
  }

  /** Datapath.install. */
  install(batch: FlowBatch): void {
    this.#adopted.finish() // who installs without adopting wants none of it
    this.#reserve(batch.capacity)
    let n = 0
    for (let i = 0; i < batch.count; i++) {
      batch.result[i] = 0
      if (this.#pack(batch, i, n)) this.#index[n++] = i
    }
    if (n === 0) return
    const { addon, host } = this.#at
    const { install } = addon
    check('flows', install(host, this.#keys, this.#flows, n, this.#results, this.#replaced))
    for (let j = 0; j < n; j++) this.#settle(batch, this.#index[j]!, j)
  }

  /** Datapath.remove. */
  remove(batch: FlowBatch): void {
    this.#reserve(batch.capacity)
    let n = 0
    for (let i = 0; i < batch.count; i++) {
      batch.result[i] = 0
      const id = batch.ids[i]!
      if (!this.#has(id)) continue
      this.#packKey(batch, i, n, this.#slots[id]!)
      this.#index[n++] = i
    }
    if (n === 0) return
    check('flows', this.#at.addon.remove(this.#at.host, this.#keys, n, this.#results))
    for (let j = 0; j < n; j++) {
      const i = this.#index[j]!
      batch.result[i] = this.#results[j]!
      this.#release(batch.ids[i]!)
    }
  }

  /** Datapath.stats. */
  stats(batch: StatsBatch, cursor: number): void {
    batch.count = 0
    batch.next = 0
    if (cursor === 0) this.#adopted.dropUnclaimed()
    const first = Math.max(1, cursor)
    const n = Math.min(batch.ids.length, STATS_MAX, this.#top - first + 1)
    if (n <= 0) return
    const { addon, host } = this.#at
    const { ids, packets, bytes, usedMs, tcpFlags, tcpNext } = batch
    batch.count = check(
      'statistics',
      addon.stats(host, first, n, this.#slots, ids, packets, bytes, usedMs, tcpFlags, tcpNext)
    )
    this.#toOurClock(batch)
    if (first + n <= this.#top) batch.next = first + n
  }

  /** An id that is no flow's any more keeps its numbers until it is another's. */
  statsOf(batch: StatsBatch): void {
    const { addon, host } = this.#at
    const { ids, count, packets, bytes, usedMs, tcpFlags, tcpNext } = batch
    check('statistics', addon.statsOf(host, ids, count, packets, bytes, usedMs, tcpFlags, tcpNext))
    this.#toOurClock(batch)
  }

  #toOurClock({ usedMs, count }: StatsBatch): void {
    const shift = this.#at.now() - this.#at.addon.monotonicMs()
    for (let i = 0; i < count; i++)
      usedMs[i] = usedMs[i] === 0 ? Number.NEGATIVE_INFINITY : usedMs[i]! + shift
  }

  /** Datapath.audit. */
  audit(isOurs: (id: number, keys: Int32Array, at: number) => boolean): number {
    if (this.#adopted.unclaimed) return 0
    const { addon, host } = this.#at
    const n = addon.adopt(host, this.#auditKeys, this.#auditFlows, AUDIT_SLICE)
    let gone = 0
    for (let i = 0; i < n; i++) {
      const id = this.#auditFlows[i * FLOW_WORDS + FlowWord.id]! >>> 0
      const slot = this.#auditKeys[i * WORDS + Word.maskId]!
      if (this.#slots[id] === slot && isOurs(id, this.#auditKeys, i * WORDS)) continue
      const key = this.#auditKeys.slice(i * WORDS, (i + 1) * WORDS)
      check('flows', addon.remove(host, key, 1, new Uint8Array(1)))
      gone++
    }
    return gone
  }

  #has(id: number): boolean {
    return id < this.#slots.length && this.#slots[id] !== NONE
  }

  // False when the flow cannot be had: its packets go on coming up.
  #pack(batch: FlowBatch, i: number, n: number): boolean {
    const id = batch.ids[i]!
    const count = batch.actionCount[i]!
    if (id < 1 || id > this.#at.flowsMax || count > ACTIONS_MAX) return false
    const slot = this.#masks.acquire(batch.masks, i * WORDS)
    if (slot === -1) {
      this.#masksFull++
      return false
    }
    this.#packKey(batch, i, n, slot)
    if (this.#packFlow(batch, i, n)) return true
    this.#masks.release(slot)
    this.#chunksFull++
    return false
  }

  #packKey(batch: FlowBatch, i: number, n: number, slot: number): void {
    const from = i * WORDS
    const to = n * WORDS
    for (let w = 0; w < Word.maskId; w++) this.#keys[to + w] = batch.keys[from + w]!
    this.#keys[to + Word.maskId] = slot
  }

  #packFlow(batch: FlowBatch, i: number, n: number): boolean {
    const list = this.#actions(batch, i)
    const o = n * FLOW_WORDS
    const inline = Math.min(list.count, ACTIONS_INLINE)
    const rest = list.count - inline
    const chunk = rest === 0 ? 0 : this.#chunks.store(list.words, inline * ACTION_WORDS, rest)
    if (rest > 0 && chunk === 0) return false
    this.#flows[o + FlowWord.id] = batch.ids[i]!
    const flags = tunnelKinds(list) | (batch.stateful[i]! === 0 ? 0 : FLOW_STATEFUL)
    this.#flows[o + FlowWord.counts] = inline | (batch.ttlMin[i]! << 8) | (flags << 16)
    this.#flows[o + FlowWord.chunk] = chunk
    this.#flows[o + FlowWord.room] = batch.room[i]! | (batch.mtu[i]! << 16)
    for (let w = 0; w < inline * ACTION_WORDS; w++)
      this.#flows[o + FlowWord.actions + w] = list.words[w]!
    return true
  }

  // The flow's actions, with the shortcut to a neighbouring namespace where there is one.
  #actions(batch: FlowBatch, i: number): ActionList {
    const list = this.#list
    list.clear()
    const end = batch.actionAt[i]! + batch.actionCount[i]!
    for (let a = batch.actionAt[i]!; a < end; a++) {
      const o = a * ACTION_WORDS
      const w = batch.actions
      const head = w[o]!
      const peer =
        (head & 255) === ActionType.output && this.#at.redirectsToPeer(w[o + 1]!)
          ? OUT_PEER << 8
          : 0
      list.push(head | peer, w[o + 1]!, w[o + 2]!, w[o + 3]!, w[o + 4]!)
    }
    return list
  }

  // After the kernel's word: what the flow held before goes, what it holds now is noted.
  #settle(batch: FlowBatch, i: number, j: number): void {
    const id = batch.ids[i]!
    const slot = this.#keys[j * WORDS + Word.maskId]!
    const chunk = this.#flows[j * FLOW_WORDS + FlowWord.chunk]!
    const result = this.#results[j]!
    batch.result[i] = result
    if (result === 0) {
      this.#tableFull++
      this.#masks.release(slot)
      this.#chunks.release(chunk)
      return
    }
    if (result === 2 && !this.#adopted.claim(this.#keys, j * WORDS)) {
      const before = this.#replaced[j]!
      if (before !== id) this.#release(before)
    }
    this.#release(id)
    this.#slots[id] = slot
    this.#firstChunk[id] = chunk
    this.#size++
    if (id > this.#top) this.#top = id
  }

  #release(id: number): void {
    if (!this.#has(id)) return
    this.#masks.release(this.#slots[id]!)
    this.#chunks.release(this.#firstChunk[id]!)
    this.#slots[id] = NONE
    this.#firstChunk[id] = 0
    this.#size = less(this.#size, 1, 'flows in the kernel')
  }

  #reserve(capacity: number): void {
    if (this.#results.length >= capacity) return
    this.#keys = new Int32Array(capacity * WORDS)
    this.#flows = new Int32Array(capacity * FLOW_WORDS)
    this.#index = new Uint32Array(capacity)
    this.#results = new Uint8Array(capacity)
    this.#replaced = new Uint32Array(capacity)
  }
}

// One bit for each kind of tunnel among the actions.
function tunnelKinds(list: ActionList): number {
  let kinds = 0
  for (let i = 0; i < list.count; i++)
    if (list.type(i) === ActionType.tunnel) kinds |= 1 << list.flags(i)
  return kinds
}
