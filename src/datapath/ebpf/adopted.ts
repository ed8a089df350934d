// Flows that an earlier agent left in the pinned table.  The new agent reads them all, books them
// under ids of its own and installs each again; that claims it.  An old id may be a new flow's id,
// so until then they are known by their keys.  What nobody has claimed when the first round of
// statistics begins is nobody's, and goes. test/lab/adoption.test.ts holds it.

import { ActionList } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { FLOW_STATEFUL, FLOW_WORDS, FlowWord } from '../../native/abi.ts'
import { type Addon, check, type HostHandle } from '../../native/addon.ts'
import type { FlowBatch } from '../datapath.ts'
import { type ActionChunks, readFlow } from './chunks.ts'
import type { MaskSlots } from './masks.ts'

const SLICE = 256

interface Leftover {
  readonly key: Int32Array
  readonly slot: number
  readonly chunk: number
}

/** Flows that an earlier agent left in the kernel, until they are claimed. */
export class Adopted {
  readonly #addon: Addon
  readonly #host: HostHandle
  readonly #masks: MaskSlots
  readonly #chunks: ActionChunks
  readonly #leftovers = new Map<string, Leftover>()
  readonly #taken = new Set<number>() // chunks
  readonly #keys = new Int32Array(SLICE * WORDS)
  readonly #flows = new Int32Array(SLICE * FLOW_WORDS)
  readonly #list = new ActionList()
  #done = false

  constructor(addon: Addon, host: HostHandle, masks: MaskSlots, chunks: ActionChunks) {
    this.#addon = addon
    this.#host = host
    this.#masks = masks
    this.#chunks = chunks
  }

  /** Fills `into` with the next slice; false when there is no more. */
  next(into: FlowBatch): boolean {
    into.clear()
    if (this.#done) return false
    const max = Math.min(SLICE, into.capacity)
    const n = check('flows', this.#addon.adopt(this.#host, this.#keys, this.#flows, max))
    for (let i = 0; i < n; i++) this.#add(i, into)
    if (n === 0) this.#end()
    return n > 0
  }

  /** Reads what is left to read and forgets it. */
  finish(): void {
    if (this.#done) return
    const { adopt } = this.#addon
    while (!this.#done) {
      const n = check('flows', adopt(this.#host, this.#keys, this.#flows, SLICE))
      for (let i = 0; i < n; i++) this.#add(i, null)
      if (n === 0) this.#end()
    }
    this.dropUnclaimed()
  }

  /** Whether there are flows, or may be, that belong to no one yet. */
  get unclaimed(): boolean {
    return !this.#done || this.#leftovers.size > 0
  }

  /** True when the flow with this key was an adopted one: the caller holds it from now on. */
  claim(keys: Int32Array, at: number): boolean {
    if (this.#leftovers.size === 0) return false
    const name = keys.subarray(at, at + WORDS).join()
    const leftover = this.#leftovers.get(name)
    if (leftover === undefined) return false
    this.#leftovers.delete(name)
    this.#release(leftover)
    return true
  }

  /** Takes out what nobody has claimed. */
  dropUnclaimed(): void {
    if (!this.#done || this.#leftovers.size === 0) return
    const result = new Uint8Array(1)
    for (const leftover of this.#leftovers.values()) {
      check('flows', this.#addon.remove(this.#host, leftover.key, 1, result))
      this.#release(leftover)
    }
    this.#leftovers.clear()
  }

  #add(i: number, into: FlowBatch | null): void {
    const key = this.#keys.slice(i * WORDS, (i + 1) * WORDS)
    const slot = key[Word.maskId]!
    const o = i * FLOW_WORDS
    this.#list.clear()
    const held = readFlow(this.#addon, this.#host, this.#flows, o, this.#list)
    for (let c = 0; c < held.length; c++) {
      this.#taken.add(held[c]!)
      this.#chunks.link(held[c]!, held[c + 1] ?? 0)
    }
    this.#masks.retain(slot)
    this.#leftovers.set(key.join(), { key, slot, chunk: held[0] ?? 0 })
    if (into === null) return
    const mask = new Int32Array(WORDS)
    this.#masks.read(slot, mask, 0)
    const counts = this.#flows[o + FlowWord.counts]!
    const stateful = ((counts >>> 16) & FLOW_STATEFUL) !== 0
    const sizes = this.#flows[o + FlowWord.room]!
    const limits = { mtu: sizes >>> 16, room: sizes & 0xffff }
    into.add(
      this.#flows[o + FlowWord.id]!,
      key,
      mask,
      (counts >>> 8) & 255,
      this.#list,
      0,
      stateful,
      limits
    )
  }

  #release(leftover: Leftover): void {
    this.#masks.release(leftover.slot)
    this.#chunks.release(leftover.chunk)
  }

  // Only now is it known which masks and chunks are free.
  #end(): void {
    this.#done = true
    this.#masks.settle()
    this.#chunks.reset(this.#taken)
    this.#taken.clear()
  }
}
