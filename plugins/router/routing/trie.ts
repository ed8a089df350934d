// The longest-prefix match: a path-compressed binary trie on typed arrays, one per family.
//
// A walk answers two questions: which prefixes with something in them contain the address (the
// path, shortest first), and how many leading bits of the address were looked at (the depth).  Any
// address that has the same first `depth` bits takes the same path: so the depth is the mask of
// the cached flow, and (bits, depth) is the region of addresses the flow stands for.
//
// Nodes are never taken away: a prefix that has become empty only makes masks a little longer.
// `isWasteful` says when building anew is worth it.

import { address } from '../../../src/plugin.ts'

const { maskWord } = address
const NONE = -1
const PATH_MAX = 129 // one node per prefix length

/** A binary trie of prefixes whose look-up says which bits it has asked for. */
export class Trie<T> {
  /** Bits of an address. */
  readonly bits: number
  /** Nodes met by the last look-up, from the root. */
  readonly path = new Int32Array(PATH_MAX)
  /** How many of them. */
  pathCount = 0
  /** Bits that the last look-up has asked for. */
  depth = 0
  readonly #first: number // the word the addresses begin in: 3 for IPv4
  #words = new Int32Array(4 * 16)
  #children = new Int32Array(2 * 16)
  #lengths = new Uint8Array(16)
  readonly #values: (T | undefined)[] = []
  #live = 0

  constructor(family: 4 | 6) {
    this.bits = family === 4 ? 32 : 128
    this.#first = family === 4 ? 3 : 0
    this.#node(new Int32Array(4), 0)
  }

  /** Prefixes in it. */
  get size(): number {
    return this.#live
  }

  /** Whether much of its memory is unused, so that a new one would be smaller. */
  get isWasteful(): boolean {
    return this.#values.length > 4 * this.#live + 256
  }

  /** What is filed at a node; undefined: nothing. */
  value(node: number): T | undefined {
    return this.#values[node]
  }

  /** Length of the prefix a node stands for. */
  lengthOf(node: number): number {
    return this.#lengths[node]!
  }

  /** Undefined takes the prefix out. */
  set(words: Int32Array, length: number, value: T | undefined): void {
    const node = this.#insert(words, length)
    this.#live += (value === undefined ? 0 : 1) - (this.#values[node] === undefined ? 0 : 1)
    this.#values[node] = value
  }

  /** What exactly this prefix holds. */
  get(words: Int32Array, length: number): T | undefined {
    this.walk(words, 0)
    for (let i = this.pathCount - 1; i >= 0; i--)
      if (this.#lengths[this.path[i]!] === length) return this.#values[this.path[i]!]
    return undefined
  }

  /** Fills `path` and `depth` for the address in the four words at `words[at]`. */
  walk(words: Int32Array, at: number): void {
    this.pathCount = 0
    for (let node = 0; ; ) {
      if (this.#values[node] !== undefined) this.path[this.pathCount++] = node
      const length = this.#lengths[node]!
      const left = this.#children[2 * node]!
      const right = this.#children[2 * node + 1]!
      this.depth = length
      if (left === NONE && right === NONE) return
      const child = this.#bit(words, at, length) === 0 ? left : right
      this.depth = length + 1
      if (child === NONE) return
      const wanted = this.#lengths[child]!
      const shared = this.#shared(words, at, child, wanted)
      if (shared < wanted) {
        this.depth = shared + 1
        return
      }
      node = child
    }
  }

  #insert(words: Int32Array, length: number): number {
    for (let node = 0; ; ) {
      const at = this.#lengths[node]!
      if (at === length) return node
      const slot = 2 * node + this.#bit(words, 0, at)
      const child = this.#children[slot]!
      if (child === NONE) return this.#hang(slot, this.#node(words, length))
      const wanted = this.#lengths[child]!
      const shared = this.#shared(words, 0, child, Math.min(length, wanted))
      if (shared === wanted) {
        node = child
        continue
      }
      // Another prefix begins, or the ways part, above the child.
      const middle = this.#hang(slot, this.#node(words, shared))
      this.#children[2 * middle + this.#bit(this.#words, 4 * child, shared)] = child
      node = middle
    }
  }

  #hang(slot: number, node: number): number {
    this.#children[slot] = node
    return node
  }

  #node(words: Int32Array, length: number): number {
    const node = this.#values.length
    if (node === this.#lengths.length) this.#grow()
    this.#values.push(undefined)
    this.#lengths[node] = length
    this.#children[2 * node] = this.#children[2 * node + 1] = NONE
    for (let i = 0; i < 4; i++) {
      const bits = i < this.#first ? 0 : length - 32 * (i - this.#first)
      this.#words[4 * node + i] = words[i]! & maskWord(bits)
    }
    return node
  }

  #grow(): void {
    const capacity = this.#lengths.length * 2
    const words = new Int32Array(4 * capacity)
    const children = new Int32Array(2 * capacity)
    const lengths = new Uint8Array(capacity)
    words.set(this.#words)
    children.set(this.#children)
    lengths.set(this.#lengths)
    this.#words = words
    this.#children = children
    this.#lengths = lengths
  }

  #bit(words: Int32Array, at: number, index: number): number {
    return (words[at + this.#first + (index >>> 5)]! >>> (31 - (index & 31))) & 1
  }

  // How many leading bits the address shares with the node, at most `limit`.
  #shared(words: Int32Array, at: number, node: number, limit: number): number {
    for (let bit = 0, i = this.#first; bit < limit; bit += 32, i++) {
      const difference = words[at + i]! ^ this.#words[4 * node + i]!
      if (difference !== 0) return Math.min(limit, bit + Math.clz32(difference))
    }
    return limit
  }
}
