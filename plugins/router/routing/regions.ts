// Which flows a change of routes is about.  A flow stands for a region: all destinations that
// share the bits the route look-up looked at.  Each region that has flows is registered under its
// tag; when a prefix changes, the tags of the regions that meet it become stale, and no others.
//
//   trie:    0/0 ── 10.0/16 ── 10.0.1/24          new route 10.0.2/24 makes stale
//   regions: 11…/5   10.0.128…/17   10.0.1/24     only the region that holds 10.0.2/24
//
// A walk cannot end in more regions than the trie has branches, and each change of a prefix takes
// the regions it meets out; so the registry does not outgrow the routes.  Should it reach its
// limit, further flows share one tag that every change of a route makes stale.
// routing/table.test.ts holds it.

import { address, derive, type Tag } from '../../../src/plugin.ts'
import { type Prefix, PrefixSet } from './prefix-set.ts'

const { maskWord } = address

interface Region {
  readonly tag: Tag
  readonly words: Int32Array
  readonly length: number
  // The longest prefix on the way that has a route for every sender; shorter ones do not matter.
  readonly floor: number
}

/** Parts of the address space whose packets take one route, as far as flows asked. */
export class Regions {
  /** Regions with a tag of their own; further ones share one. */
  static readonly MAX = 1 << 16
  readonly #base: Tag
  /** The tag they share. */
  readonly overflowTag: Tag
  readonly #first: number
  readonly #max: number
  readonly #regions = new Map<Tag, Region>()
  #overflowed = false

  constructor(base: Tag, family: 4 | 6, max = Regions.MAX) {
    this.#base = derive(base, family)
    this.overflowTag = derive(this.#base, -1)
    this.#first = family === 4 ? 3 : 0
    this.#max = max
  }

  /** Regions that are remembered. */
  get size(): number {
    return this.#regions.size
  }

  /** The tag of the region of the address at `words[at]` that reaches down to `length` bits. */
  enter(words: Int32Array, at: number, length: number, floor: number): Tag {
    const w = (i: number): number => words[at + i]! & this.#mask(length, i)
    const tag = derive(derive(this.#base, w(0), w(1), w(2)), w(3), length)
    const known = this.#regions.get(tag)
    if (known !== undefined && this.#is(known, words, at, length)) return tag
    // Two regions with one tag, or too many: both are looked after by the shared tag.
    if (known !== undefined || this.#regions.size >= this.#max) {
      this.#overflowed = true
      return this.overflowTag
    }
    const own = Int32Array.of(w(0), w(1), w(2), w(3))
    this.#regions.set(tag, { tag, words: own, length, floor })
    return tag
  }

  /**
   * Routes to these prefixes have come or gone: gives the tags of the regions they are about.
   * False: that would be more than `effortMax` comparisons, and nothing is done.
   */
  touch(prefixes: readonly Prefix[], effortMax: number, into: Set<Tag>): boolean {
    if (prefixes.length === 0) return true
    if (this.size > 0) {
      const changed = new PrefixSet(prefixes, this.#first)
      if (changed.effort(this.size) > effortMax) return false
      for (const { tag, words, length, floor } of this.#regions.values()) {
        if (!changed.meets(words, length, floor)) continue
        into.add(tag)
        this.#regions.delete(tag)
      }
    }
    if (this.#overflowed) into.add(this.overflowTag)
    this.#overflowed = false
    return true
  }

  /** Forgets all of them. */
  clear(): void {
    this.#regions.clear()
    this.#overflowed = false
  }

  #is(region: Region, words: Int32Array, at: number, length: number): boolean {
    if (region.length !== length) return false
    for (let i = this.#first; i < 4; i++)
      if (((region.words[i]! ^ words[at + i]!) & this.#mask(length, i)) !== 0) return false
    return true
  }

  #mask(length: number, i: number): number {
    return i < this.#first ? 0 : maskWord(length - 32 * (i - this.#first))
  }
}
