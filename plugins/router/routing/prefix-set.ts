// Prefixes that have changed together, asked of each region that has flows whether one of them
// meets it. Each length is a set of hashes: a region is looked up once for every length there is,
// and not compared with every prefix, so that thousands of routes that flap cost what few do. Two
// prefixes of one hash make a region meet that need not; none that meets is missed.
// routing/table.test.ts holds it.

import { address, hashWith } from '../../../src/plugin.ts'

const { maskWord } = address

/** A network: four words, masked, and how many bits count. */
export interface Prefix {
  readonly words: Int32Array
  /** Of its prefix, in bits. */
  readonly length: number
}

/** Of one family. */
export class PrefixSet {
  readonly #first: number // the word its addresses begin in
  readonly #byLength = new Map<number, Set<number>>() // hashes
  // Of the prefixes longer than a length, cut to it; made when a region of that length asks.
  readonly #within = new Map<number, Set<number>>()
  readonly #prefixes: readonly Prefix[]

  /** `first`: the word that addresses of the family begin in. */
  constructor(prefixes: readonly Prefix[], first: number) {
    this.#first = first
    this.#prefixes = prefixes
    for (const { words, length } of prefixes) {
      const hashes = this.#byLength.get(length) ?? new Set()
      this.#byLength.set(length, hashes.add(this.#hash(words, length)))
    }
  }

  /** How many comparisons so many regions would cost, at most. */
  effort(regions: number): number {
    const lengths = 32 * (4 - this.#first) + 1
    return regions * this.#byLength.size + this.#prefixes.length * Math.min(lengths, regions)
  }

  /**
   * Whether one of them lies in the region, or contains it and is no shorter than `floor`, beneath
   * which prefixes do not matter to it.
   */
  meets(words: Int32Array, length: number, floor: number): boolean {
    for (const [each, hashes] of this.#byLength)
      if (each >= floor && each <= length && hashes.has(this.#hash(words, each))) return true
    return this.#cutTo(length).has(this.#hash(words, length))
  }

  #cutTo(length: number): ReadonlySet<number> {
    let cut = this.#within.get(length)
    if (cut === undefined) {
      cut = new Set()
      for (const each of this.#prefixes)
        if (each.length > length) cut.add(this.#hash(each.words, length))
      this.#within.set(length, cut)
    }
    return cut
  }

  #hash(words: Int32Array, length: number): number {
    let hash = length
    for (let i = this.#first, bits = length; bits > 0; i++, bits -= 32)
      hash = hashWith(hash, words[i]! & maskWord(bits))
    return hash
  }
}
