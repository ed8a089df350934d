// Who has which IP address, as far as the bridge can say: the routers linked to it, and the table
// `arp/<bridge>` that all hosts share.  With it the bridge answers ARP and neighbour solicitations
// itself, so that they need not be flooded.
//
// What routers have comes from the models.  The table's entries are seeds (the API writes them);
// packets never add one, so packets cannot fill it.  A gratuitous ARP or an unsolicited
// advertisement moves an entry that is there to another MAC, as MidoNet does; only so many a
// second, for all hosts hear of each.

import {
  Allowance,
  address,
  derive,
  hashWith,
  type Port,
  type SimulationContext,
  type Table,
  type Tag
} from '../../src/plugin.ts'
import type { BridgeCounters } from './counters.ts'
import type { Members } from './members.ts'

interface Known {
  readonly family: 4 | 6
  readonly words: Int32Array
  readonly mac: number
  readonly on?: Port // of a router
}

// By address, without making text of it: buckets of a few by a mixed number.
class AddressMap {
  readonly #buckets = new Map<number, Known[]>()

  get(family: 4 | 6, words: Int32Array): number | undefined {
    return this.find(family, words)?.mac
  }

  find(family: 4 | 6, words: Int32Array): Known | undefined {
    const bucket = this.#buckets.get(mixed(family, words))
    if (bucket === undefined) return undefined
    for (const known of bucket) if (isOf(known, family, words)) return known
    return undefined
  }

  // One that is not there yet.
  add(known: Known): void {
    const at = mixed(known.family, known.words)
    const bucket = this.#buckets.get(at)
    if (bucket === undefined) this.#buckets.set(at, [known])
    else bucket.push(known)
  }

  delete(family: 4 | 6, words: Int32Array): void {
    const at = mixed(family, words)
    const rest = this.#buckets.get(at)?.filter(known => !isOf(known, family, words)) ?? []
    if (rest.length > 0) this.#buckets.set(at, rest)
    else this.#buckets.delete(at)
  }

  *[Symbol.iterator](): IterableIterator<Known> {
    for (const bucket of this.#buckets.values()) yield* bucket
  }
}

const mixed = (family: 4 | 6, [a, b, c, d]: Int32Array): number =>
  hashWith(hashWith(family, a!, b, c), d!)

const isOf = (known: Known, family: 4 | 6, words: Int32Array): boolean =>
  known.family === family && known.words.every((word, i) => word === words[i])

const MOVED_BURST_MAX = 256
const MOVED_PER_SECOND = 50

/** What a table of neighbours is made of. */
export interface NeighboursParts {
  readonly table: Table
  readonly counters: BridgeCounters
  /** Of the bridge. */
  readonly tag: Tag
  /** Says that the outcomes with this tag are out of date. */
  readonly stale: (tag: Tag) => void
}

/** Which MAC has which address, so that the bridge can answer itself. */
export class Neighbours {
  readonly #table: Table
  readonly #counters: BridgeCounters
  readonly #tag: Tag
  readonly #stale: (tag: Tag) => void
  readonly #shared = new AddressMap()
  readonly #stop: () => void
  readonly #allowance = new Allowance(MOVED_BURST_MAX, MOVED_PER_SECOND)
  #routers = new AddressMap()
  #members: Members | null = null

  constructor({ table, counters, tag, stale }: NeighboursParts) {
    this.#table = table
    this.#counters = counters
    this.#tag = tag
    this.#stale = stale
    for (const [key, value] of table.entries()) this.#changed(key, value)
    this.#stop = table.onChange((key, value) => this.#changed(key, value))
  }

  /** -1: nobody the bridge knows. */
  macOf(family: 4 | 6, words: Int32Array): number {
    return this.#routers.get(family, words) ?? this.#shared.get(family, words) ?? -1
  }

  /** Whether the address is that of a router's port at this bridge. */
  isRouter(family: 4 | 6, words: Int32Array): boolean {
    return this.#routers.get(family, words) !== undefined
  }

  /** A router answers who is on its link, and who has no address yet. */
  mayAsk(family: 4 | 6, target: Int32Array, asker: Int32Array): boolean {
    const on = this.#routers.find(family, target)?.on
    if (on === undefined || asker.every(word => word === 0)) return true
    if (family === 6 && address.ipv6IsLinkLocal(asker[0]!)) return true
    return on.addresses.some(each => address.prefixContains(each, { family, words: asker }))
  }

  /** Carried by what was flooded because nobody here knew the address. */
  tagOf(family: 4 | 6, words: Int32Array): Tag {
    return derive(this.#tag, mixed(family, words))
  }

  /** True when the table has an entry for the address, which now says what the announcer says. */
  announced(ctx: SimulationContext, family: 4 | 6, words: Int32Array, mac: number): boolean {
    const known = this.#shared.get(family, words)
    if (known === undefined) return false
    if (known === mac || !address.macIsStation(mac)) return true
    const ip = address.formatIp({ family, words })
    const isBelieved = this.#members?.mayAnnounce(ip, ctx.inPort) !== false
    if (isBelieved && this.#allowance.take(ctx.now)) this.#table.put(ip, address.formatMac(mac))
    return true
  }

  /**
   * Takes the addresses of linked routers from the models. Gives the tags of those that changed.
   */
  update(members: Members): Tag[] {
    const before = this.#routers
    this.#members = members
    const after = new AddressMap()
    for (const [mac, { peer }] of members.routers())
      for (const { family, words } of peer!.addresses) after.add({ family, words, mac, on: peer! })
    this.#routers = after
    const stale: Tag[] = []
    for (const { family, words, mac } of before)
      if (after.get(family, words) !== mac) stale.push(this.tagOf(family, words))
    for (const { family, words } of after)
      if (before.get(family, words) === undefined) stale.push(this.tagOf(family, words))
    return stale
  }

  /** Listens no more. */
  close(): void {
    this.#stop()
  }

  #changed(key: string, value: string | undefined): void {
    try {
      const { family, words } = address.parseIp(key)
      this.#shared.delete(family, words)
      this.#stale(this.tagOf(family, words))
      if (value !== undefined) this.#shared.add({ family, words, mac: address.parseMac(value) })
    } catch {
      this.#counters.badEntries.value++
    }
  }
}
