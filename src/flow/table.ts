// The flow table: one sub-table per mask (tuple space search), each open-addressed over typed
// arrays.  It stores keys and gives numbers; what a number means is the caller's business.  A
// lookup allocates nothing.  The memory datapath forwards by it, the agent keeps its books in it.

import { invariant, less } from '../core/assert.ts'
import { WORDS } from './key.ts'

const SUBTABLES_MAX = 256
const EMPTY = 0
const GONE = -1

/** Keys under masks: the flow that a packet's key belongs to, found mask by mask. */
export class FlowTable {
  /** Flows it takes at most. */
  readonly capacity: number
  /** Masked keys, WORDS at id * WORDS; untouched pages cost no memory. */
  readonly keys: Int32Array
  readonly #subtableOf: Array<Subtable | undefined> = []
  readonly #subtables: Subtable[] = []
  readonly #free: number[] = []
  #top = 1 // ids below have been given out at least once; 0 means none
  #size = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.keys = new Int32Array((capacity + 1) * WORDS)
  }

  /** Flows in it. */
  get size(): number {
    return this.#size
  }
  /** How many different masks they have: what a lookup costs. */
  get masks(): number {
    return this.#subtables.length
  }
  /** One more than the largest id ever given. */
  get top(): number {
    return this.#top
  }

  /** Whether a flow has this id. */
  has(id: number): boolean {
    return this.#subtableOf[id] !== undefined
  }

  /** The id of a flow that the key at words[o] matches, or 0. */
  find(words: Int32Array, o: number): number {
    for (const subtable of this.#subtables) {
      const id = subtable.find(this.keys, words, o)
      if (id !== 0) return id
    }
    return 0
  }

  /** The id stored under this very mask and key, or 0. */
  findExact(words: Int32Array, o: number, mask: Int32Array, maskAt = 0): number {
    const subtable = this.#subtables.find(each => each.isMask(mask, maskAt))
    return subtable === undefined ? 0 : subtable.find(this.keys, words, o)
  }

  /** A new id for the key under the mask; 0 when the table is full. Check `findExact` first. */
  add(words: Int32Array, o: number, mask: Int32Array, maskAt = 0): number {
    if (this.#size >= this.capacity) return 0
    let subtable = this.#subtables.find(each => each.isMask(mask, maskAt))
    if (subtable === undefined) {
      if (this.#subtables.length >= SUBTABLES_MAX) return 0
      subtable = new Subtable(mask.slice(maskAt, maskAt + WORDS))
      this.#subtables.push(subtable)
    }
    const id = this.#free.pop() ?? this.#top++
    for (let i = 0; i < WORDS; i++) this.keys[id * WORDS + i] = words[o + i]! & subtable.mask[i]!
    this.#subtableOf[id] = subtable
    subtable.add(this.keys, id)
    this.#size++
    return id
  }

  /** Forgets a flow; false when there is none of this id. */
  remove(id: number): boolean {
    const subtable = this.#subtableOf[id]
    if (subtable === undefined) return false
    subtable.remove(this.keys, id)
    this.#subtableOf[id] = undefined
    this.#free.push(id)
    this.#size = less(this.#size, 1, 'flows')
    if (subtable.size === 0) this.#subtables.splice(this.#subtables.indexOf(subtable), 1)
    return true
  }

  /** One word of a live flow's masked key. */
  word(id: number, word: number): number {
    return this.keys[id * WORDS + word]!
  }
  /** Masked key and mask of a live flow, as views: do not keep them. */
  key(id: number): Int32Array {
    return this.keys.subarray(id * WORDS, id * WORDS + WORDS)
  }
  /** The mask of a flow that is there. */
  mask(id: number): Int32Array {
    return this.#subtableOf[id]!.mask
  }

  /** The ids of all flows, ascending. */
  *ids(): IterableIterator<number> {
    for (let id = 1; id < this.#top; id++) if (this.#subtableOf[id] !== undefined) yield id
  }
}

class Subtable {
  readonly mask: Int32Array
  readonly #positions: Uint8Array // the words this mask looks at
  #slots = new Int32Array(64)
  #used = 0 // with tombstones
  size = 0

  constructor(mask: Int32Array) {
    this.mask = mask
    this.#positions = Uint8Array.from({ length: WORDS }, (_, i) => i).filter(i => mask[i] !== 0)
  }

  isMask(mask: Int32Array, at: number): boolean {
    for (let i = 0; i < WORDS; i++) if (this.mask[i] !== mask[at + i]) return false
    return true
  }

  find(keys: Int32Array, words: Int32Array, o: number): number {
    const slots = this.#slots
    const last = slots.length - 1
    for (let slot = this.#hash(words, o) & last; ; slot = (slot + 1) & last) {
      const id = slots[slot]!
      if (id === EMPTY) return 0
      if (id !== GONE && this.#holds(keys, id * WORDS, words, o)) return id
    }
  }

  add(keys: Int32Array, id: number): void {
    if ((this.#used + 1) * 2 > this.#slots.length) this.#rehash(keys)
    this.#place(keys, id)
    this.size++
  }

  remove(keys: Int32Array, id: number): void {
    const slots = this.#slots
    const last = slots.length - 1
    let slot = this.#hash(keys, id * WORDS) & last
    while (slots[slot] !== id) {
      invariant(slots[slot] !== EMPTY, 'a flow is found where its key says')
      slot = (slot + 1) & last
    }
    slots[slot] = GONE
    this.size = less(this.size, 1, 'flows of a mask')
  }

  #place(keys: Int32Array, id: number): void {
    const slots = this.#slots
    const last = slots.length - 1
    let slot = this.#hash(keys, id * WORDS) & last
    while (slots[slot] !== EMPTY && slots[slot] !== GONE) slot = (slot + 1) & last
    if (slots[slot] === EMPTY) this.#used++
    slots[slot] = id
  }

  #rehash(keys: Int32Array): void {
    const before = this.#slots
    this.#slots = new Int32Array(Math.max(64, 2 ** Math.ceil(Math.log2((this.size + 1) * 4))))
    this.#used = 0
    for (const id of before) if (id > 0) this.#place(keys, id)
  }

  #holds(keys: Int32Array, at: number, words: Int32Array, o: number): boolean {
    const positions = this.#positions
    for (let i = 0; i < positions.length; i++) {
      const p = positions[i]!
      if (keys[at + p] !== (words[o + p]! & this.mask[p]!)) return false
    }
    return true
  }

  // MurmurHash3, one round per word.
  #hash(words: Int32Array, o: number): number {
    const positions = this.#positions
    let h = 0x9747b28c | 0
    for (let i = 0; i < positions.length; i++) {
      const p = positions[i]!
      let k = Math.imul(words[o + p]! & this.mask[p]!, 0xcc9e2d51)
      k = (k << 15) | (k >>> 17)
      h ^= Math.imul(k, 0x1b873593)
      h = (h << 13) | (h >>> 19)
      h = (Math.imul(h, 5) + 0xe6546b64) | 0
    }
    h ^= h >>> 16
    h = Math.imul(h, 0x85ebca6b)
    h ^= h >>> 13
    return h
  }
}
