// Which flows carry a tag that few others carry: one hash table of links in typed arrays.  A link
// stands in the chain of its tag's bucket and in the list of its flow; nothing is allocated for a
// flow but when the table grows. tag-index.test.ts holds it.

import { less } from '../core/assert.ts'
import type { Tag } from './tag.ts'

const NONE = 0 // no link, no flow
const AT_FIRST = 64 // a power of two

/** The tags that few flows have in common, kept flow by flow. */
export class OwnTags {
  #heads = new Int32Array(AT_FIRST) // bucket → first link
  #first = new Int32Array(AT_FIRST) // flow → first link of its own
  // by link
  #tag = new Int32Array(AT_FIRST)
  #flow = new Int32Array(AT_FIRST)
  #next = new Int32Array(AT_FIRST) // of the bucket
  #previous = new Int32Array(AT_FIRST)
  #further = new Int32Array(AT_FIRST) // of the flow, or of the free links
  #free = NONE
  #top = 1
  #size = 0

  /** How many links there are. */
  get size(): number {
    return this.#size
  }

  /** Has the flow carry the tag; a second time changes nothing. */
  add(flow: number, tag: Tag): void {
    if (flow >= this.#first.length) this.#first = grown(this.#first, flow)
    for (let link = this.#first[flow]!; link !== NONE; link = this.#further[link]!)
      if (this.#tag[link] === tag) return
    const link = this.#take()
    this.#tag[link] = tag
    this.#flow[link] = flow
    this.#further[link] = this.#first[flow]!
    this.#first[flow] = link
    this.#chain(link)
  }

  /** Takes all tags of a flow away. */
  remove(flow: number): void {
    let link = flow < this.#first.length ? this.#first[flow]! : NONE
    if (link === NONE) return
    this.#first[flow] = NONE
    while (link !== NONE) {
      const further = this.#further[link]!
      const next = this.#next[link]!
      const previous = this.#previous[link]!
      if (next !== NONE) this.#previous[next] = previous
      if (previous !== NONE) this.#next[previous] = next
      else this.#heads[this.#bucket(this.#tag[link]!)] = next
      this.#further[link] = this.#free
      this.#free = link
      this.#size = less(this.#size, 1, 'tags of single flows')
      link = further
    }
  }

  /** Appends to `found` the flows that carry the tag. */
  find(tag: Tag, found: number[]): void {
    for (let link = this.#heads[this.#bucket(tag)]!; link !== NONE; link = this.#next[link]!)
      if (this.#tag[link] === tag) found.push(this.#flow[link]!)
  }

  /** The tags of a flow, appended to `tags`. */
  tags(flow: number, tags: Tag[]): void {
    let link = flow < this.#first.length ? this.#first[flow]! : NONE
    for (; link !== NONE; link = this.#further[link]!) tags.push(this.#tag[link]!)
  }

  // The lowest bit says that a tag is one of these.
  #bucket(tag: Tag): number {
    return (tag >>> 1) & (this.#heads.length - 1)
  }

  #take(): number {
    this.#size++
    const link = this.#free
    if (link !== NONE) {
      this.#free = this.#further[link]!
      return link
    }
    if (this.#top === this.#tag.length) this.#grow()
    return this.#top++
  }

  #chain(link: number): void {
    const bucket = this.#bucket(this.#tag[link]!)
    const head = this.#heads[bucket]!
    this.#next[link] = head
    this.#previous[link] = NONE
    if (head !== NONE) this.#previous[head] = link
    this.#heads[bucket] = link
  }

  // Called when every link is taken.
  #grow(): void {
    this.#tag = grown(this.#tag)
    this.#flow = grown(this.#flow)
    this.#next = grown(this.#next)
    this.#previous = grown(this.#previous)
    this.#further = grown(this.#further)
    this.#heads = new Int32Array(this.#tag.length)
    for (let link = 1; link < this.#top; link++) this.#chain(link)
  }
}

function grown(array: Int32Array, index = 0): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(array.length * 2, index + 1))
  larger.set(array)
  return larger
}
