// Which port each address was last heard at, per VLAN.  The truth is a table all hosts share; this
// is a copy with numbers for keys, so that a packet costs no text.  What this host has written it
// also takes away: by age, when the table is full, when the port is gone.
//
// The limit is for the bridge, not for the host: every host sees every entry, and each gives up
// its own oldest at the port that has most.  So a port that makes up addresses loses its own, and
// only so many a second are written: all hosts hear of each.

import {
  Allowance,
  address,
  type Clock,
  type PortId,
  type Table,
  type Timer
} from '../../src/plugin.ts'
import type { BridgeCounters } from './counters.ts'

interface MacEntry {
  readonly mac: number
  readonly vlan: number
  readonly port: PortId
  readonly key: string // in the shared table
  own: boolean
  heardAt: number
}

// By insertion, so the first of `own` is the oldest.
interface PortMacs {
  count: number
  readonly own: Set<MacEntry>
}

// Above the limit by this much nothing more is learned: others' entries are not ours to remove.
const HARD_LIMIT_TIMES = 2
// Of one port; a trunk with thousands of stations behind it is heard in seconds.
const LEARNED_BURST_MAX = 4096
const LEARNED_PER_SECOND = 1000

/** What a table of MACs is made of. */
export interface MacsParts {
  readonly table: Table
  readonly clock: Clock
  readonly counters: BridgeCounters
  /** The place of an address has changed, here or at another host. */
  readonly moved: (mac: number, vlan: number) => void
}

/** Which port each address was last heard at, by VLAN. */
export class Macs {
  readonly #table: Table
  readonly #clock: Clock
  readonly #counters: BridgeCounters
  readonly #moved: (mac: number, vlan: number) => void
  readonly #vlans = new Map<number, Map<number, MacEntry>>()
  readonly #ports = new Map<PortId, PortMacs>()
  readonly #allowances = new Map<PortId, Allowance>()
  readonly #stop: () => void
  #size = 0
  #ownCount = 0
  #ageMs = 0
  #max = 0
  #sweeper: Timer | null = null

  constructor({ table, clock, counters, moved }: MacsParts) {
    this.#table = table
    this.#clock = clock
    this.#counters = counters
    this.#moved = moved
    for (const [key, value] of table.entries()) this.#add(key, value)
    this.#stop = table.onChange((key, value) => this.#changed(key, value))
  }

  /** Addresses that are known. */
  get size(): number {
    return this.#size
  }

  /** The port; undefined: not known. */
  portOf(mac: number, vlan: number): PortId | undefined {
    return this.#vlans.get(vlan)?.get(mac)?.port
  }

  /** Takes over how long and how many addresses are kept. */
  configure(ageMs: number, max: number): void {
    if (ageMs !== this.#ageMs) this.#sweeper = this.#cancelled()
    this.#ageMs = ageMs
    this.#max = max
    while (this.#size > max && this.#evict(undefined)) {}
    this.#arm()
  }

  /** A frame with this source came in by the port. False when there is no room to remember it. */
  hear(mac: number, vlan: number, port: PortId, now: number): boolean {
    const entry = this.#vlans.get(vlan)?.get(mac)
    if (entry?.port === port) {
      entry.heardAt = now
      return true
    }
    const isFull = entry === undefined && this.#size >= this.#max * HARD_LIMIT_TIMES
    if (isFull || !this.#allowance(port).take(now)) {
      this.#counters.refused.value++
      return false
    }
    this.#counters.learned.value++
    this.#table.put(keyOf(mac, vlan), port)
    return true
  }

  /** The port is no longer of this bridge. */
  forget(port: PortId): void {
    this.#allowances.delete(port)
    for (const entry of [...(this.#ports.get(port)?.own ?? [])]) this.#table.remove(entry.key)
  }

  /** Takes back what this host said. */
  close(): void {
    this.#stop()
    this.#sweeper = this.#cancelled()
    for (const { own } of this.#ports.values()) for (const { key } of own) this.#table.remove(key)
  }

  #allowance(port: PortId): Allowance {
    let allowance = this.#allowances.get(port)
    if (allowance === undefined) {
      allowance = new Allowance(LEARNED_BURST_MAX, LEARNED_PER_SECOND)
      this.#allowances.set(port, allowance)
    }
    return allowance
  }

  // --- what the table says ----------------------------------------------------------------------

  #changed(key: string, value: string | undefined): void {
    const gone = this.#drop(key)
    const entry = value === undefined ? undefined : this.#add(key, value)
    const at = entry ?? gone
    if (at !== undefined) this.#moved(at.mac, at.vlan)
    if (entry === undefined) return
    this.#arm()
    if (this.#size > this.#max) this.#evict(entry)
  }

  #add(key: string, port: PortId): MacEntry | undefined {
    const at = parseKey(key)
    if (at === undefined) {
      this.#counters.badEntries.value++
      return undefined
    }
    const own = this.#table.owns(key)
    const entry = { mac: at.mac, vlan: at.vlan, port, key, own, heardAt: this.#clock.now() }
    let macs = this.#vlans.get(at.vlan)
    if (macs === undefined) this.#vlans.set(at.vlan, (macs = new Map()))
    macs.set(at.mac, entry)
    this.#size++
    let of = this.#ports.get(port)
    if (of === undefined) this.#ports.set(port, (of = { count: 0, own: new Set() }))
    of.count++
    if (own) {
      of.own.add(entry)
      this.#ownCount++
    }
    return entry
  }

  #drop(key: string): MacEntry | undefined {
    const at = parseKey(key)
    if (at === undefined) return undefined
    const macs = this.#vlans.get(at.vlan)
    const entry = macs?.get(at.mac)
    if (macs === undefined || entry === undefined) return undefined
    macs.delete(at.mac)
    if (macs.size === 0) this.#vlans.delete(at.vlan)
    this.#size--
    this.#disown(entry)
    const of = this.#ports.get(entry.port)!
    if (--of.count === 0) this.#ports.delete(entry.port)
    return entry
  }

  #disown(entry: MacEntry): void {
    if (!entry.own) return
    entry.own = false
    this.#ports.get(entry.port)!.own.delete(entry)
    this.#ownCount--
  }

  // --- what goes --------------------------------------------------------------------------------

  // Makes room at the port that has most, but not of the address that asks for it.
  #evict(newcomer: MacEntry | undefined): boolean {
    let most: PortMacs | undefined
    for (const of of this.#ports.values()) if (of.count > (most?.count ?? 0)) most = of
    if (most === undefined) return false
    for (const entry of most.own)
      if (entry !== newcomer) {
        this.#counters.evicted.value++
        return this.#remove(entry)
      }
    return false
  }

  // False when the store has given the entry to another host meanwhile: then it goes with that one.
  #remove(entry: MacEntry): boolean {
    if (this.#table.owns(entry.key)) this.#table.remove(entry.key)
    else this.#disown(entry)
    return !entry.own
  }

  #arm(): void {
    if (this.#sweeper !== null || this.#ownCount === 0 || this.#ageMs === 0) return
    this.#sweeper = this.#clock.after(Math.max(250, this.#ageMs / 8), () => {
      this.#sweeper = null
      this.#sweep()
      this.#arm()
    })
  }

  #sweep(): void {
    const old: MacEntry[] = []
    const before = this.#clock.now() - this.#ageMs
    for (const { own } of this.#ports.values())
      for (const entry of own) if (entry.heardAt <= before) old.push(entry)
    for (const entry of old) {
      this.#counters.aged.value++
      this.#remove(entry)
    }
  }

  #cancelled(): null {
    this.#sweeper?.cancel()
    return null
  }
}

/** `02:00:00:00:00:01`, or `10/02:00:00:00:00:01` in VLAN 10. */
export const keyOf = (mac: number, vlan: number): string =>
  vlan === 0 ? address.formatMac(mac) : `${vlan}/${address.formatMac(mac)}`

const KEY = /^(?:([1-9][0-9]{0,3})\/)?([0-9a-f]{2}(?::[0-9a-f]{2}){5})$/

function parseKey(key: string): { mac: number; vlan: number } | undefined {
  const match = KEY.exec(key)
  if (match === null) return undefined
  return { mac: address.parseMac(match[2]!), vlan: Number(match[1] ?? 0) }
}
