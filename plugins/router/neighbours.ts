// The neighbours of one router port: IP address → MAC, found by ARP and neighbour discovery.
//
//   unknown ─ asked for ─► pending ─ answered ─► fresh ─ staleMs ─► stale: asked again, still used
//      ▲                      │ timeoutMs          ▲                  │  │
//      └────── failedMs ── failed                  └──── answered ────┘  └─ expireMs ─► unknown
//
// The table is shared with all hosts (`neighbour/<port>`: address → "mac seconds"), because the
// host that asks need not be the one the answer comes in at.

import {
  Allowance,
  address,
  CachePolicy,
  type Clock,
  derive,
  frames,
  type Random,
  type Table,
  type Tag,
  type Timer,
  type Walks
} from '../../src/plugin.ts'
import type { RouterCounters } from './counters.ts'
import type { RouterPort } from './ports.ts'
import type { RouterSettings } from './settings.ts'

/** It was asked for, and has not answered yet. */
export const NEIGHBOUR_PENDING = -1
/** It was asked for, and did not answer: it may yet. */
export const NEIGHBOUR_FAILED = -2
/** Nobody can be there: the address is on no link of the port, or not that of the peer. */
export const NEIGHBOUR_NONE = -3
/** How long a drop for want of its MAC, one of the two above, may be kept. */
export const policyOf = (mac: number): number =>
  mac === NEIGHBOUR_FAILED ? CachePolicy.unresolved : CachePolicy.short

/** What a table of neighbours is made of. */
export interface NeighbourNeeds {
  readonly clock: Clock
  readonly random: Random
  readonly walks: Walks
  readonly counters: RouterCounters
  readonly settings: RouterSettings
}

interface NeighbourEntry {
  mac: number
  heardAt: number
  staleAt: number
}

interface Request {
  readonly ip: address.Ip
  readonly deadline: number
  tries: number
  mac: number // where a refresh is sent first; 0: to everyone
  timer: Timer | null
}

const SWEEPS_PER_STALE = 6
const JITTER_MAX = 1024
// Written to the shared table: all hosts hear of each.
const LEARNED_BURST_MAX = 1024
const LEARNED_PER_SECOND = 200

export const tableOf = (port: string): string => `neighbour/${port}`

/**
 * Who wrote an entry last asks again when it is stale, used or not: a flow in the kernel uses it
 * without telling anyone. What no answer renews, its writer removes. The seconds in the value only
 * make a renewed entry a new one, so that every host hears of it; each measures ages itself.
 */
export class Neighbours {
  port: RouterPort
  readonly #given: NeighbourNeeds
  readonly #table: Table
  readonly #entries = new Map<string, NeighbourEntry>() // the least recently heard of first
  readonly #requests = new Map<string, Request>() // the oldest first
  readonly #failed = new Map<string, number>() // until when
  readonly #unlisten: () => void
  readonly #allowance = new Allowance(LEARNED_BURST_MAX, LEARNED_PER_SECOND)
  #sweep: Timer | null = null

  constructor(port: RouterPort, table: Table, given: NeighbourNeeds) {
    this.port = port
    this.#given = given
    this.#table = table
    this.#unlisten = table.onChange((key, value, before) => this.#changed(key, value, before))
    for (const [key, value] of table.entries()) this.#changed(key, value, undefined)
  }

  /**
   * Its MAC, NEIGHBOUR_PENDING (the packet has to wait for `waitingFor`) or NEIGHBOUR_FAILED. A dry
   * run asks nobody.
   */
  find(ip: address.Ip, dryRun = false): number {
    const key = address.formatIp(ip)
    const now = this.#given.clock.now()
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      if (now >= entry.staleAt && !dryRun) this.#refresh(key, ip, entry)
      return entry.mac
    }
    if ((this.#failed.get(key) ?? 0) > now) return NEIGHBOUR_FAILED
    if (!dryRun && !this.#requests.has(key)) this.#ask(key, ip, 0)
    return NEIGHBOUR_PENDING
  }

  /** What packets wait for until the neighbour is known. */
  waitingFor(ip: address.Ip): string {
    return this.#text(address.formatIp(ip))
  }

  /** What outcomes depend on that go to this neighbour. */
  tag({ words }: address.Ip): Tag {
    const of = derive(this.port.port.tag, words[0]!, words[1]!, words[2]!)
    return derive(of, words[3]!)
  }

  /** Its MAC; undefined: not known. */
  known(ip: address.Ip): number | undefined {
    return this.#entries.get(address.formatIp(ip))?.mac
  }

  /** A neighbour has said where it is. The caller has checked that it may. */
  learn(ip: address.Ip, mac: number): void {
    const { clock, counters, settings } = this.#given
    const key = address.formatIp(ip)
    const entry = this.#entries.get(key)
    const isNews =
      entry === undefined ||
      entry.mac !== mac ||
      this.#requests.has(key) ||
      clock.now() - entry.heardAt >= settings.neighbourStaleMs / 2
    if (!isNews) return
    if (!this.#requests.has(key) && !this.#allowance.take(clock.now())) {
      counters.refused.value++
      return
    }
    if (entry === undefined && !this.#makeRoom()) return
    counters.learned.value++
    this.#table.put(key, `${address.formatMac(mac)} ${Math.floor(clock.wall() / 1000)}`)
    // A renewal within one second leaves the text as it was, and no change is told.
    if (this.#entries.get(key)?.mac === mac) this.#heard(key, mac)
  }

  /** Asks and listens no more. */
  close(): void {
    this.#unlisten()
    this.#sweep?.cancel()
    for (const request of this.#requests.values()) request.timer?.cancel()
    this.#requests.clear()
    this.#entries.clear()
  }

  // --- asking ---

  // The newcomer always gets its turn: an answer that comes at all comes within milliseconds, so
  // a scan of the subnet only shortens the patience with those who do not answer.
  #ask(key: string, ip: address.Ip, mac: number): void {
    const { clock, counters, settings } = this.#given
    if (this.#requests.size >= settings.neighbourPendingMax) {
      counters.pendingFull.value++
      this.#giveUp(this.#requests.keys().next().value!)
    }
    const deadline = clock.now() + settings.neighbourTimeoutMs
    const request: Request = { ip, deadline, tries: 0, mac, timer: null }
    this.#requests.set(key, request)
    this.#try(key, request)
  }

  #try(key: string, request: Request): void {
    const { clock, random, settings } = this.#given
    const left = request.deadline - clock.now()
    if (left <= 0) return this.#giveUp(key)
    this.#send(request)
    const jitter = 0.75 + random.below(JITTER_MAX + 1) / (2 * JITTER_MAX)
    const pause = settings.neighbourRetryMs * (jitter + 0.1 * request.tries++)
    request.timer = clock.after(Math.min(pause, left), () => this.#try(key, request))
  }

  #send({ ip, mac, tries }: Request): void {
    const { walks, counters } = this.#given
    const own = this.port.onLink(ip.family, ip.words)
    if (own === undefined || !this.port.isUsable) return
    counters.requests.value++
    const ours = this.port.port.mac
    const unicast = tries === 0 && mac !== 0
    const frame =
      ip.family === 4
        ? frames.arpRequest(ours, own.words[3]!, ip.words[3]!, unicast ? mac : undefined)
        : frames.neighbourSolicitation(
            ours,
            own.words,
            ip.words,
            unicast ? { mac, ip: ip.words } : undefined
          )
    walks.emit(frame, this.port.id)
  }

  #giveUp(key: string): void {
    const { clock, counters, settings, walks } = this.#given
    this.#requests.get(key)?.timer?.cancel()
    this.#requests.delete(key)
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      // It may yet answer until it expires, but is not asked at every packet.
      entry.staleAt = clock.now() + settings.neighbourFailedMs
      return
    }
    counters.failed.value++
    if (this.#failed.size >= settings.neighbourMax)
      this.#failed.delete(this.#failed.keys().next().value!)
    this.#failed.set(key, clock.now() + settings.neighbourFailedMs)
    this.#arm()
    walks.wake(this.#text(key))
  }

  #refresh(key: string, ip: address.Ip, { mac }: NeighbourEntry): void {
    if (!this.#requests.has(key)) this.#ask(key, ip, mac)
  }

  // --- hearing ---

  #changed(key: string, value: string | undefined, before: string | undefined): void {
    const mac = macOf(value)
    const was = macOf(before)
    const hadFailed = this.#failed.has(key)
    if (mac === 0) this.#entries.delete(key)
    else this.#heard(key, mac)
    // The first answer wakes who waits; there is no flow yet that it could make wrong.
    if (hadFailed || (was !== 0 && was !== mac)) {
      this.#failed.delete(key)
      const ip = ipOf(key)
      if (ip !== undefined) this.#given.walks.invalidate([this.tag(ip)])
    }
  }

  #heard(key: string, mac: number): void {
    const { clock, random, settings, walks } = this.#given
    const heardAt = clock.now()
    const jitter = 1 + (0.2 * random.below(JITTER_MAX + 1)) / JITTER_MAX
    const staleAt = heardAt + settings.neighbourStaleMs * jitter
    this.#entries.delete(key)
    this.#entries.set(key, { mac, heardAt, staleAt })
    this.#arm()
    const request = this.#requests.get(key)
    if (request === undefined) return
    request.timer?.cancel()
    this.#requests.delete(key)
    walks.wake(this.#text(key))
  }

  // False when the table is full of what others have written.
  #makeRoom(): boolean {
    if (this.#table.size < this.#given.settings.neighbourMax) return true
    this.#given.counters.tableFull.value++
    for (const key of this.#entries.keys()) {
      if (!this.#table.owns(key)) continue
      this.#table.remove(key)
      return true
    }
    return false
  }

  // --- ageing ---

  #arm(): void {
    const { clock, settings } = this.#given
    const pause = settings.neighbourStaleMs / SWEEPS_PER_STALE
    this.#sweep ??= clock.after(pause, () => this.#age())
  }

  #age(): void {
    const { clock, counters, settings } = this.#given
    const now = clock.now()
    this.#sweep = null
    for (const [key, entry] of [...this.#entries]) {
      if (!this.#table.owns(key)) continue
      if (now - entry.heardAt >= settings.neighbourExpireMs) {
        counters.expired.value++
        this.#table.remove(key)
      } else if (now >= entry.staleAt) {
        const ip = ipOf(key)
        if (ip !== undefined) this.#refresh(key, ip, entry)
      }
    }
    // Kept a while beyond its time: a short drop that rested on it may still be in a flow table.
    const kept = now - settings.neighbourStaleMs
    for (const [key, until] of this.#failed) if (until < kept) this.#failed.delete(key)
    if (this.#entries.size + this.#failed.size > 0) this.#arm()
  }

  #text(key: string): string {
    return `${tableOf(this.port.id)}/${key}`
  }
}

// 0 when there is none: what another host wrote is believed only as far as it can be read.
function macOf(value: string | undefined): number {
  if (value === undefined) return 0
  try {
    return address.parseMac(value.slice(0, 17))
  } catch {
    return 0
  }
}

function ipOf(key: string): address.Ip | undefined {
  try {
    return address.parseIp(key)
  } catch {
    return undefined
  }
}
