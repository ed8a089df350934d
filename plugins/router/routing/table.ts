// The routing table of a router: longest destination first, then routes for this sender, then the
// lowest weight, then a choice by flow among equals.  When no route of a prefix is for this
// sender, the next shorter prefix is asked.
//
// A look-up marks only the bits it looked at, and tags the walk with the region they make up.

import {
  address,
  type FlowKey,
  Fragment,
  hashWith,
  ipv4,
  type Tag,
  Word
} from '../../../src/plugin.ts'
import { Regions } from './regions.ts'
import { byRank, type Route } from './route.ts'
import { Trie } from './trie.ts'

const { maskWord } = address
const { Protocol } = ipv4

// Beyond this many comparisons, 0.1 s of them, every flow of the router is walked again.
const EFFORT_MAX = 4_000_000

interface Side {
  readonly family: 4 | 6
  readonly first: number // word its addresses begin in
  trie: Trie<Route[]>
  readonly regions: Regions
}

/** The routes of a router, of both families. */
export class RouteTable {
  readonly #tag: Tag
  readonly #v4: Side
  readonly #v6: Side
  readonly #routes = new Map<string, Route>()
  /** Of the last look-up. */
  regionTag: Tag = 0
  /** In the last look-up, a gateway whose agent is gone. */
  passedOver = false
  /** That tag stands for more than its region. */
  isCoarse = false

  // `tag` takes every flow of the router.
  constructor(tag: Tag, regionsMax = Regions.MAX) {
    this.#tag = tag
    this.#v4 = side(4, tag, regionsMax)
    this.#v6 = side(6, tag, regionsMax)
  }

  /** Routes in it. */
  get size(): number {
    return this.#routes.size
  }

  /** Regions with flows. */
  get regions(): number {
    return this.#v4.regions.size + this.#v6.regions.size
  }

  /**
   * Brings the table to these routes and says what has become stale. A route that is still the same
   * object has not changed.
   */
  replace(routes: ReadonlyMap<string, Route>): Tag[] {
    const gone = [...this.#routes.values()].filter(route => routes.get(route.id) !== route)
    const come = [...routes.values()].filter(route => this.#routes.get(route.id) !== route)
    return this.change(gone, come)
  }

  /**
   * Takes some routes out and others in, whose ids may be the same, and says what has become stale:
   * its cost is that of these routes, however many there are.
   */
  change(gone: readonly Route[], come: readonly Route[]): Tag[] {
    for (const route of gone) {
      this.#routes.delete(route.id)
      this.#put(route, true)
    }
    for (const route of come) {
      this.#routes.set(route.id, route)
      this.#put(route, false)
    }
    for (const half of [this.#v4, this.#v6])
      if (half.trie.isWasteful) half.trie = build(half.family, this.#routes)
    return this.#staleBy([...gone, ...come])
  }

  /**
   * The route of the packet in the key, undefined when there is none. What begins now is not given
   * to a gateway whose agent is gone when there is another; what `keepsWay` stays as it was.
   */
  lookup(key: FlowKey, family: 4 | 6, keepsWay = false): Route | undefined {
    const { trie, regions, first } = family === 4 ? this.#v4 : this.#v6
    const { words } = key
    trie.walk(words, Word.ipDst)
    for (let i = first, bits = trie.depth; bits > 0; i++, bits -= 32)
      key.ipDstWord(i, maskWord(bits))
    this.passedOver = false
    let floor = -1
    let found: Route | undefined
    for (let i = trie.pathCount - 1; i >= 0 && floor < 0; i--) {
      const node = trie.path[i]!
      const list = trie.value(node)!
      found ??= this.#choose(key, keepsWay ? list : this.#attended(list, first, key), first)
      if (list.some(route => route.srcLength === 0)) floor = trie.lengthOf(node)
    }
    this.regionTag = regions.enter(words, Word.ipDst, trie.depth, floor)
    this.isCoarse = this.regionTag === regions.overflowTag
    return found
  }

  // All, when none of those that are for this sender has its agent there.
  #attended(list: readonly Route[], first: number, key: FlowKey): readonly Route[] {
    if (list.every(isAttended)) return list
    const attended = list.filter(isAttended)
    if (!attended.some(route => isFor(key, route, first))) return list
    this.passedOver = true
    return attended
  }

  #choose(key: FlowKey, list: readonly Route[], first: number): Route | undefined {
    let best: Route | undefined
    let count = 0
    for (const route of list) {
      if (best !== undefined && route.weight > best.weight) break
      if (!isFor(key, route, first)) continue
      best ??= route
      count++
    }
    return count < 2 ? best : spread(key, list, best!.weight, first)
  }

  #put(route: Route, gone: boolean): void {
    const { trie } = route.family === 4 ? this.#v4 : this.#v6
    const list = trie.get(route.words, route.length) ?? []
    const others = list.filter(other => other !== route)
    if (!gone) others.push(route)
    others.sort(byRank)
    trie.set(route.words, route.length, others.length === 0 ? undefined : others)
  }

  #staleBy(changed: readonly Route[]): Tag[] {
    const stale = new Set<Tag>()
    for (const { family, regions } of [this.#v4, this.#v6]) {
      const theirs = changed.filter(route => route.family === family)
      if (regions.touch(theirs, EFFORT_MAX, stale)) continue
      this.#v4.regions.clear()
      this.#v6.regions.clear()
      return [this.#tag]
    }
    return [...stale]
  }
}

const side = (family: 4 | 6, tag: Tag, regionsMax: number): Side => ({
  family,
  first: family === 4 ? 3 : 0,
  trie: new Trie<Route[]>(family),
  regions: new Regions(tag, family, regionsMax)
})

function build(family: 4 | 6, routes: ReadonlyMap<string, Route>): Trie<Route[]> {
  const trie = new Trie<Route[]>(family)
  for (const route of [...routes.values()].sort(byRank)) {
    if (route.family !== family) continue
    const list = trie.get(route.words, route.length)
    if (list === undefined) trie.set(route.words, route.length, [route])
    else list.push(route)
  }
  return trie
}

const isAttended = ({ port }: Route): boolean => port?.port.attended !== false

// Asks for the sender only when the route is not for everyone.
function isFor(key: FlowKey, route: Route, first: number): boolean {
  for (let i = first, bits = route.srcLength; bits > 0; i++, bits -= 32) {
    const mask = maskWord(bits)
    if (key.ipSrcWord(i, mask) !== (route.srcWords[i]! & mask)) return false
  }
  return true
}

// Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights by Schindelhauer and
// Schomaker 2005): each flow ranks the next hops by a hash of both and takes the first.  When a
// next hop goes, only its own flows move, when its share grows, only towards it; every agent
// decides alike.
function spread(key: FlowKey, list: readonly Route[], weight: number, first: number): Route {
  const flow = flowHash(key, first)
  let best: Route | undefined
  let highest = 0
  for (const route of list) {
    if (route.weight !== weight || !isFor(key, route, first)) continue
    const drawn = ((hashWith(flow, route.hash) >>> 0) + 0.5) / 2 ** 32 // above 0, below 1
    const score = route.share / -Math.log(drawn)
    if (score <= highest) continue
    highest = score
    best = route
  }
  return best!
}

// Over the addresses and protocol, and the ports where every packet of the flow shows them:
// fragments of one datagram must not part ways.
function flowHash(key: FlowKey, first: number): number {
  let hash = key.ipProto
  for (let i = first; i < 4; i++) hash = hashWith(hash, key.ipSrcWord(i), key.ipDstWord(i))
  const hasPorts = key.ipProto === Protocol.tcp || key.ipProto === Protocol.udp
  if (!hasPorts || key.fragment !== Fragment.none) return hash
  return hashWith(hash, key.l4Src, key.l4Dst)
}
