// Which flows carry which tag.  Flows between the same places depend on the same things: those
// with equal tags share a group, so that a flow enters and leaves in constant time and a hundred
// thousand of them cost little more than their links.  The tags of flow state, which hardly two
// flows have in common, do not count for that: they are kept flow by flow (own-tags.ts).

import { invariant } from '../core/assert.ts'
import { OwnTags } from './own-tags.ts'
import { isStateTag, type Tag } from './tag.ts'

const AT_FIRST = 64

interface Group {
  readonly hash: number
  readonly tags: Int32Array
  head: number // first flow; 0 means none
}

/** Which flows carry which tag. */
export class TagIndex {
  readonly #groups = new Map<number, Group[]>() // by hash of the tags
  readonly #byTag = new Map<Tag, Set<Group>>()
  readonly #groupOf: Array<Group | undefined> = []
  readonly #own = new OwnTags()
  #next = new Int32Array(AT_FIRST) // flow → next flow of its group
  #previous = new Int32Array(AT_FIRST)
  #shared = new Int32Array(AT_FIRST) // of the flow that is being added

  /** How many different tags live flows share, and how many tags of their own they carry. */
  get size(): number {
    return this.#byTag.size + this.#own.size
  }

  /** A flow is added once; its id is above 0. */
  add(flow: number, tags: readonly Tag[], count = tags.length): void {
    if (count > this.#shared.length) this.#shared = new Int32Array(count)
    let shared = 0
    for (let i = 0; i < count; i++) {
      const tag = tags[i]!
      if (isStateTag(tag)) this.#own.add(flow, tag)
      else this.#shared[shared++] = tag
    }
    if (shared > 0) this.#join(flow, this.#groupFor(this.#shared, shared))
  }

  #join(flow: number, group: Group): void {
    if (flow >= this.#next.length) this.#grow(flow)
    invariant(this.#groupOf[flow] === undefined, 'a flow is added once')
    const { head } = group
    this.#next[flow] = head
    this.#previous[flow] = 0
    if (head !== 0) this.#previous[head] = flow
    group.head = flow
    this.#groupOf[flow] = group
  }

  /** Forgets a flow with all its tags. */
  remove(flow: number): void {
    this.#own.remove(flow)
    const group = this.#groupOf[flow]
    if (group === undefined) return
    this.#groupOf[flow] = undefined
    const next = this.#next[flow]!
    const previous = this.#previous[flow]!
    if (next !== 0) this.#previous[next] = previous
    if (previous !== 0) this.#next[previous] = next
    else group.head = next
    if (group.head === 0) this.#dissolve(group)
  }

  /** The flows that carry the tag, as a fresh list: the caller removes while it goes through it. */
  flows(tag: Tag): number[] {
    const found: number[] = []
    if (isStateTag(tag)) this.#own.find(tag, found)
    for (const { head } of this.#byTag.get(tag) ?? [])
      for (let flow = head; flow !== 0; flow = this.#next[flow]!) found.push(flow)
    return found
  }

  /** All tags of a flow, in a new array. */
  tags(flow: number): Tag[] {
    const tags = [...(this.#groupOf[flow]?.tags ?? [])]
    this.#own.tags(flow, tags)
    return tags
  }

  #groupFor(tags: Int32Array, count: number): Group {
    let hash = count
    for (let i = 0; i < count; i++) hash = (Math.imul(hash, 0x01000193) ^ tags[i]!) | 0
    const alike = this.#groups.get(hash)
    const known = alike?.find(group => same(group.tags, tags, count))
    if (known !== undefined) return known
    const group = { hash, tags: tags.slice(0, count), head: 0 }
    if (alike === undefined) this.#groups.set(hash, [group])
    else alike.push(group)
    for (const tag of group.tags) {
      const groups = this.#byTag.get(tag)
      if (groups === undefined) this.#byTag.set(tag, new Set([group]))
      else groups.add(group)
    }
    return group
  }

  #dissolve(group: Group): void {
    const alike = this.#groups.get(group.hash) ?? []
    const at = alike.indexOf(group)
    invariant(at >= 0, 'flows with the same tags are found by them')
    if (alike.length === 1) this.#groups.delete(group.hash)
    else alike.splice(at, 1)
    for (const tag of group.tags) {
      const groups = this.#byTag.get(tag)
      groups?.delete(group)
      if (groups?.size === 0) this.#byTag.delete(tag)
    }
  }

  #grow(flow: number): void {
    const size = Math.max(this.#next.length * 2, flow + 1)
    const next = new Int32Array(size)
    const previous = new Int32Array(size)
    next.set(this.#next)
    previous.set(this.#previous)
    this.#next = next
    this.#previous = previous
  }
}

function same(a: Int32Array, b: Int32Array, count: number): boolean {
  if (a.length !== count) return false
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false
  return true
}
