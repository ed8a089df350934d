// Addresses that packets are looked up by, each with what stands at it.  A look-up asks a packet
// for no more bits than it takes to say that its address is none of them.
// balancer.test.ts holds it.

import { address, type FlowKey, hashWith, Word } from '../../src/plugin.ts'

const { maskWord } = address

// Beyond this many addresses a packet is asked for its whole address: comparing takes too long.
const COMPARED_MAX = 64

/** Something that is at an address. */
export interface At {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Four words; of IPv4 the last alone. */
  readonly words: Int32Array
}

/** Things by the address they are at. */
export class Addresses<T extends At> {
  readonly #all = new Map<number, T[][]>()
  readonly #lists: T[][] = []

  constructor(of: Iterable<T>) {
    for (const each of of) {
      const list = this.#listAt(each.family, each.words, 0)
      if (list !== undefined) {
        list.push(each)
        continue
      }
      const fresh = [each]
      const hash = hashOf(each.words, 0)
      this.#all.set(hash, [...(this.#all.get(hash) ?? []), fresh])
      this.#lists.push(fresh)
    }
  }

  /** How many different addresses. */
  get size(): number {
    return this.#lists.length
  }

  /** What is at the address words[at..at+3]. */
  at(family: number, words: Int32Array, at: number): readonly T[] {
    return this.#listAt(family, words, at) ?? []
  }

  /** What stands at the packet's address that begins in `word` of the key. */
  find(key: FlowKey, family: 4 | 6, word: typeof Word.ipSrc | typeof Word.ipDst): readonly T[] {
    if (this.#lists.length === 0) return []
    const found = this.#listAt(family, key.words, word)
    const bits = found === undefined ? this.#bitsToTell(key.words, word, family) : 128
    const first = family === 4 ? 3 : 0
    for (let i = first, left = bits; i < 4 && left > 0; i++, left -= 32)
      if (word === Word.ipSrc) key.ipSrcWord(i, maskWord(left))
      else key.ipDstWord(i, maskWord(left))
    return found ?? []
  }

  #listAt(family: number, words: Int32Array, at: number): T[] | undefined {
    return this.#all
      .get(hashOf(words, at))
      ?.find(([first]) => first!.family === family && equal(first!.words, words, at))
  }

  // One more than any of them has in common with the packet's address.
  #bitsToTell(words: Int32Array, at: number, family: 4 | 6): number {
    if (this.#lists.length > COMPARED_MAX) return 128
    let most = -1
    for (const [each] of this.#lists) {
      if (each!.family !== family) continue
      let common = 0
      for (let i = family === 4 ? 3 : 0; i < 4; i++) {
        const same = Math.clz32(each!.words[i]! ^ words[at + i]!)
        common += same
        if (same < 32) break
      }
      most = Math.max(most, common)
    }
    return most + 1
  }
}

const hashOf = (words: Int32Array, at: number): number =>
  hashWith(hashWith(words[at]!, words[at + 1]!, words[at + 2]!), words[at + 3]!)

const equal = (a: Int32Array, b: Int32Array, at: number): boolean =>
  a[3] === b[at + 3] && a[2] === b[at + 2] && a[1] === b[at + 1] && a[0] === b[at]
