// Which flows carry which tag.  Doubly linked lists in typed arrays: a flow enters and leaves all
// its tags in as many steps as it has tags, and 100 000 flows with ten tags each cost 20 MB.

import type { Tag } from './tag.ts'

const FLOW = 0
const TAG = 1
const NEXT = 2 // in the tag's list
const PREVIOUS = 3
const SIBLING = 4 // the flow's next tag
const WIDTH = 5

export class TagIndex {
  #nodes = new Int32Array(1024 * WIDTH)
  #top = 1 // node 0 means none
  #free = 0 // chained by NEXT
  readonly #heads = new Map<Tag, number>()
  #ofFlow = new Int32Array(1024)

  // How many different tags live flows carry.
  get size(): number {
    return this.#heads.size
  }

  add(flow: number, tags: readonly Tag[], count = tags.length): void {
    if (flow >= this.#ofFlow.length) this.#ofFlow = widened(this.#ofFlow, flow + 1)
    for (let i = 0; i < count; i++) this.#link(flow, tags[i]!)
  }

  remove(flow: number): void {
    const nodes = this.#nodes
    let node = this.#ofFlow[flow] ?? 0
    if (flow < this.#ofFlow.length) this.#ofFlow[flow] = 0
    while (node !== 0) {
      const at = node * WIDTH
      const sibling = nodes[at + SIBLING]!
      this.#unlink(node)
      nodes[at + NEXT] = this.#free
      this.#free = node
      node = sibling
    }
  }

  // The flows that carry the tag, as a fresh list: the caller removes while it goes through it.
  flows(tag: Tag): number[] {
    const found: number[] = []
    for (let node = this.#heads.get(tag) ?? 0; node !== 0; node = this.#nodes[node * WIDTH + NEXT]!)
      found.push(this.#nodes[node * WIDTH + FLOW]!)
    return found
  }

  tags(flow: number): Tag[] {
    const found: Tag[] = []
    let node = this.#ofFlow[flow] ?? 0
    for (; node !== 0; node = this.#nodes[node * WIDTH + SIBLING]!)
      found.push(this.#nodes[node * WIDTH + TAG]!)
    return found
  }

  #link(flow: number, tag: Tag): void {
    const node = this.#allocate()
    const at = node * WIDTH
    const nodes = this.#nodes
    const head = this.#heads.get(tag) ?? 0
    nodes[at + FLOW] = flow
    nodes[at + TAG] = tag
    nodes[at + NEXT] = head
    nodes[at + PREVIOUS] = 0
    nodes[at + SIBLING] = this.#ofFlow[flow]!
    if (head !== 0) nodes[head * WIDTH + PREVIOUS] = node
    this.#heads.set(tag, node)
    this.#ofFlow[flow] = node
  }

  #unlink(node: number): void {
    const nodes = this.#nodes
    const at = node * WIDTH
    const next = nodes[at + NEXT]!
    const previous = nodes[at + PREVIOUS]!
    if (next !== 0) nodes[next * WIDTH + PREVIOUS] = previous
    if (previous !== 0) nodes[previous * WIDTH + NEXT] = next
    else if (next !== 0) this.#heads.set(nodes[at + TAG]!, next)
    else this.#heads.delete(nodes[at + TAG]!)
  }

  #allocate(): number {
    if (this.#free !== 0) {
      const node = this.#free
      this.#free = this.#nodes[node * WIDTH + NEXT]!
      return node
    }
    const node = this.#top++
    if (this.#top * WIDTH > this.#nodes.length)
      this.#nodes = widened(this.#nodes, this.#top * WIDTH)
    return node
  }
}

function widened(array: Int32Array, atLeast: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(Math.max(array.length * 2, atLeast))
  wider.set(array)
  return wider
}
