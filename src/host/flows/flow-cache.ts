// The cache of flows: what is in the datapath, what each flow depended on, and what is
// on its way in or out.  Changes are collected and cross to the datapath in batches.

import type { Counter } from '../../core/counters.ts'
import { type Datapath, FlowBatch, StatsBatch } from '../../datapath/datapath.ts'
import type { ActionList } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { type Limits, NO_LIMITS } from '../../flow/size.ts'
import { FlowTable } from '../../flow/table.ts'
import type { Tag } from '../../flow/tag.ts'
import { TagIndex } from '../../flow/tag-index.ts'
import { further } from '../../flow/tcp-stream.ts'
import type { HeldPacket } from '../packets/hold-queue.ts'
import type { FlowLinks } from '../replication/record-use.ts'

const PENDING = 1 // not in the datapath yet
const INSTALLED = 2
const AGAIN = 3 // put in once, and perhaps lost
const HELD = 4 // waits until other hosts have its state
const BATCH = 1024

/** A flow as the agent knows it: what the datapath has of it, and how it was used. */
export interface Flow {
  /** Physical actions; none: it drops. */
  actions: ActionList
  /** A packet with this TTL or less is not taken by it; 0: any is. */
  readonly ttlMin: number
  readonly limits: Limits
  /** CachePolicy of simulation/context.ts. */
  readonly cachePolicy: number
  /** See FlowBatch.stateful. */
  readonly stateful: boolean
  /** Whether the datapath has it: one of the constants above. */
  state: number
  /** When it was made, on Clock.now()'s scale, as all times here. */
  createdMs: number
  /** When the walk last confirmed it. */
  checkedMs: number
  /** When its last packet came. */
  usedMs: number
  /** Packets since it was made. */
  packets: number
  /** Bytes since it was made. */
  bytes: number
  /** Of its packets since it was put in, or-ed; stateful flows only. */
  tcpFlags: number
  /** Behind the furthest byte sent, likewise; 0: not known. */
  tcpNext: number
  /** The state it keeps alive. */
  links: FlowLinks | null
  /** Of its burst, while it is held. */
  waiting: HeldPacket[] | null
  /** Counts its packets, if it drops them. */
  dropped: Counter | null
}

/** What a walk gives to the cache. */
export interface NewFlow {
  /** Physical actions; the list is kept. */
  readonly actions: ActionList
  /** See Flow. */
  readonly ttlMin: number
  /** Default: none. */
  readonly limits?: Limits
  /** CachePolicy of simulation/context.ts. */
  readonly cachePolicy: number
  /** See Flow; default: false. */
  readonly stateful?: boolean
  /** What its outcome depended on; more than `tagCount` may stand there. */
  readonly tags: readonly Tag[]
  /** How many of `tags` count. */
  readonly tagCount: number
  /** Clock.now(). */
  readonly now: number
  readonly links?: FlowLinks | null
  /** Not for the datapath yet: see release. */
  readonly held?: boolean
  /** Of the packet it was made for. */
  readonly tcpNext?: number
  /** Counts its packets, if it drops them. */
  readonly dropped?: Counter | null
}

/** Hears that a flow which owes to state was used. */
export type FlowUsed = (flow: Flow, links: FlowLinks) => void

/** The flows of the datapath, with what each depended on; changes cross to it in batches. */
export class FlowCache {
  readonly table: FlowTable
  /** Which flows carry which tag. */
  readonly tags = new TagIndex()
  readonly #datapath: Datapath
  readonly #used: FlowUsed
  readonly #flows: Array<Flow | undefined> = []
  readonly #pending: number[] = []
  readonly #installs = new FlowBatch(BATCH)
  readonly #removals = new FlowBatch(BATCH)
  readonly #ending: Flow[] = [] // whose numbers end with the next batch, and are told
  readonly #last = new StatsBatch(BATCH)
  /** Flows the datapath had no room for. */
  refused = 0

  constructor(datapath: Datapath, used: FlowUsed = () => {}) {
    this.#datapath = datapath
    this.#used = used
    this.table = new FlowTable(datapath.limits.flowsMax)
  }

  /** Flows in it, those on hold included. */
  get size(): number {
    return this.table.size
  }

  /** The flow with this id; undefined when there is none. */
  get(id: number): Flow | undefined {
    return this.#flows[id]
  }

  /**
   * The flow that takes a packet whose key is at words[o]; 0: none, or its TTL runs out on the way.
   */
  flowFor(words: Int32Array, o: number): number {
    const id = this.table.find(words, o)
    if (id === 0) return 0
    const { ttlMin } = this.#flows[id]!
    return ttlMin === 0 || ((words[o + Word.ipMisc]! >>> 8) & 255) > ttlMin ? id : 0
  }

  /**
   * A new flow, or the flow that stands under the same key and mask, which is replaced. 0: full.
   */
  add(key: Int32Array, mask: Int32Array, flow: NewFlow): number {
    const known = this.table.findExact(key, 0, mask)
    const sent = this.#flows[known]?.tcpNext ?? 0
    if (known !== 0) this.remove(known)
    const id = this.table.add(key, 0, mask)
    if (id === 0) return 0
    const held = flow.held === true
    this.#store(id, flow, held ? HELD : PENDING)
    this.#flows[id]!.tcpNext = further(sent, flow.tcpNext ?? 0)
    if (!held) this.#pending.push(id)
    return id
  }

  /** Whether the flow waits until other hosts have its state. */
  isHeld(id: number): boolean {
    return this.#flows[id]?.state === HELD
  }

  /** Other hosts have its state: the datapath may have the flow. */
  release(id: number): void {
    const flow = this.#flows[id]
    if (flow?.state !== HELD) return
    flow.state = PENDING
    this.#pending.push(id)
  }

  /** A flow that is in the datapath already, under the id given here. */
  adopt(batch: FlowBatch, i: number, words: number, flow: NewFlow): number {
    const o = i * words
    if (this.table.findExact(batch.keys, o, batch.masks, o) !== 0) return 0
    const id = this.table.add(batch.keys, o, batch.masks, o)
    if (id !== 0) this.#store(id, flow, PENDING)
    if (id !== 0) this.#pending.push(id) // goes in again, under its new id
    return id
  }

  /**
   * Another outcome for the packets of a flow: the datapath has the one or the other all the time.
   */
  replace(id: number, flow: NewFlow): void {
    const { state, usedMs, tcpNext, packets } = this.#flows[id]!
    this.tags.remove(id)
    this.#store(id, flow, state === PENDING ? PENDING : AGAIN)
    this.#flows[id]!.usedMs = usedMs
    this.#flows[id]!.tcpNext = tcpNext
    this.#flows[id]!.packets = packets // what was counted so far
    this.#pending.push(id)
  }

  /** Whether the flow was made under this mask. */
  hasMask(id: number, mask: Int32Array): boolean {
    return this.table.mask(id).every((word, i) => word === mask[i])
  }

  /** What a flow depends on, after it was walked again. */
  retag(id: number, tags: readonly Tag[], count: number): void {
    this.tags.remove(id)
    this.tags.add(id, tags, count)
  }

  /** Takes a flow out, here at once and from the datapath with the next batch. */
  remove(id: number): void {
    const flow = this.#flows[id]
    if (flow === undefined) return
    if (flow.state !== PENDING && flow.state !== HELD) {
      if (this.#removals.count === this.#removals.capacity) this.#flushRemovals()
      const { keys } = this.table
      this.#removals.add(id, keys, this.table.mask(id), 0, null, id * WORDS)
      if (isTold(flow)) this.#end(id, flow)
    }
    this.#flows[id] = undefined
    this.tags.remove(id)
    this.table.remove(id)
  }

  /** Every flow that rests on flow state goes. Gives how many. */
  removeStateful(): number {
    let gone = 0
    for (const id of [...this.table.ids()]) {
      if (this.#flows[id]?.links === null) continue
      this.remove(id)
      gone++
    }
    return gone
  }

  /** Every flow that carries the tag goes. Gives how many. */
  invalidate(tag: Tag): number {
    const gone = this.tags.flows(tag)
    for (const id of gone) this.remove(id)
    return gone.length
  }

  /** Puts a flow in again that the datapath seems to have lost. */
  reinstall(id: number): void {
    const flow = this.#flows[id]
    if (flow?.state !== INSTALLED) return
    flow.state = AGAIN
    this.#pending.push(id)
  }

  /**
   * Whether the flow that stands in the datapath under the id, with its key at keys[at], is ours.
   */
  holds(id: number, keys: Int32Array, at: number): boolean {
    const flow = this.#flows[id]
    if (flow === undefined || flow.state === PENDING || flow.state === HELD) return false
    for (let i = 0; i < Word.maskId; i++) if (this.table.word(id, i) !== keys[at + i]) return false
    return true
  }

  /** Removals first: a replaced flow may share key and mask with its successor. */
  flush(): void {
    while (this.#removals.count > 0) this.#flushRemovals()
    for (const id of this.#pending) {
      const flow = this.#flows[id]
      if (flow === undefined || flow.state === INSTALLED) continue
      if (this.#installs.count === this.#installs.capacity) this.#flushInstalls()
      const wasThere = flow.state === AGAIN
      flow.state = INSTALLED
      const { actions, ttlMin, stateful, limits } = flow
      if (wasThere && isTold(flow)) this.#end(id, flow)
      const { keys } = this.table
      const mask = this.table.mask(id)
      this.#installs.add(id, keys, mask, ttlMin, actions, id * WORDS, stateful, limits)
    }
    this.#pending.length = 0
    this.#flushInstalls()
  }

  #store(id: number, flow: NewFlow, state: number): void {
    this.#flows[id] = {
      actions: flow.actions,
      ttlMin: flow.ttlMin,
      limits: flow.limits ?? NO_LIMITS,
      cachePolicy: flow.cachePolicy,
      stateful: flow.stateful ?? false,
      state,
      createdMs: flow.now,
      checkedMs: flow.now,
      usedMs: flow.now,
      packets: 0,
      bytes: 0,
      tcpFlags: 0,
      tcpNext: 0,
      links: flow.links ?? null,
      waiting: null,
      dropped: flow.dropped ?? null
    }
    this.tags.add(id, flow.tags, flow.tagCount)
  }

  #flushRemovals(): void {
    this.#datapath.remove(this.#removals)
    this.#removals.clear()
    this.#tellEnds()
  }

  #end(id: number, flow: Flow): void {
    this.#last.ids[this.#ending.length] = id
    this.#ending.push(flow)
  }

  // What was sent through them to their end counts, whatever took them away.
  #tellEnds(): void {
    const last = this.#last
    const flows = this.#ending.splice(0)
    last.count = flows.length
    if (flows.length > 0) this.#datapath.statsOf(last)
    for (const [i, flow] of flows.entries()) this.note(flow, last, i)
  }

  /** The datapath's numbers of a flow, at stats[i]. */
  note(flow: Flow, stats: StatsBatch, i: number): void {
    const packets = stats.packets[i]!
    const isUsed = packets !== flow.packets
    if (flow.dropped !== null) flow.dropped.value += Math.max(0, packets - flow.packets)
    flow.packets = packets
    flow.bytes = stats.bytes[i]!
    flow.tcpFlags |= stats.tcpFlags[i]!
    flow.tcpNext = further(flow.tcpNext, stats.tcpNext[i]!)
    if (stats.usedMs[i]! > flow.usedMs) flow.usedMs = stats.usedMs[i]!
    if (isUsed && flow.links !== null) this.#used(flow, flow.links)
  }

  /** Reads, out of turn, what flows with links that carry these tags were used for. */
  catchUp(tags: readonly Tag[]): void {
    for (const tag of tags)
      for (const id of this.tags.flows(tag)) {
        const flow = this.#flows[id]!
        const isThere = flow.state === INSTALLED || flow.state === AGAIN
        if (isThere && flow.links !== null && this.#ending.length < BATCH) this.#end(id, flow)
      }
    this.#tellEnds()
  }

  #flushInstalls(): void {
    const batch = this.#installs
    if (batch.count === 0) return
    this.#tellEnds()
    for (let i = 0; i < batch.count; i++) this.#flows[batch.ids[i]!]!.packets = 0 // they begin anew
    this.#datapath.install(batch)
    for (let i = 0; i < batch.count; i++) {
      if (batch.result[i] !== 0) continue
      this.refused++
      this.remove(batch.ids[i]!) // out of the datapath too: it may have been there before
    }
    batch.clear()
  }
}

// Somebody counts on what it was used for to its end.
const isTold = ({ links, dropped }: Flow): boolean => links !== null || dropped !== null
