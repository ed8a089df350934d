// The health of one pool's members, as one host sees it.  One host checks, by a lease; all hosts
// read what it writes to the table `health/<pool>` (table.ts).
//
// A checker that dies takes its entries with it.  That is no news of the members: what was known of
// them stands until the next checker says otherwise, and that one begins with it.
//
// The lease of a checker whose host has died may last as long as its session with the store.  The
// others do not wait for it: the lease they ask for is that of the next term.  Should the host not
// have been dead, it reads in the table that another one checks, and stops.
// checker.test.ts holds it.

import type { Clock, HostLiveness, Leases, Log, Random, Table, Timer } from '../../../src/plugin.ts'
import type { LoadBalancerCounters } from '../counters.ts'
import type { LoadBalancerSettings } from '../settings.ts'
import { check, type RunningCheck } from './checks.ts'
import { Damping, type DampingRules } from './damping.ts'
import type { HealthMonitorModel } from './model.ts'
import type { ProbeTransport, Target } from './probe-transport.ts'
import { CHECKER, checkerText, healthText, hostOf, isUp, seatOf, termOf } from './table.ts'

const INTERVAL_MS = 5000
const ELECT_MS = 1000
const SECOND_OPINION_MS = 3 * ELECT_MS
const SECONDS = 1000

/** What health checks are made of. */
export interface HealthNeeds {
  /** Id of this host. */
  readonly host: string
  /** Which hosts have stopped answering. */
  readonly hosts: HostLiveness
  readonly clock: Clock
  readonly random: Random
  readonly leases: Leases
  readonly log: Log
  readonly transport: ProbeTransport
  readonly counters: LoadBalancerCounters
  readonly settings: LoadBalancerSettings
}

/** What is to be checked: `targets` by member id. */
export interface Duty {
  /** How to check. */
  readonly monitor: HealthMonitorModel
  /** What to check, by member. */
  readonly targets: ReadonlyMap<string, Target>
}

interface Watched {
  readonly damping: Damping
  failures: string
  timer: Timer | null
  running: RunningCheck | null
}

/** The health of one pool: elects the host that checks, and believes what that says. */
export class PoolHealth {
  readonly #pool: string
  readonly #table: Table
  readonly #needs: HealthNeeds
  readonly #changed: (member: string | null) => void
  readonly #unlisten: () => void
  readonly #known = new Map<string, string>() // member id → what the table says or said
  readonly #watched = new Map<string, Watched>() // while we check
  #duty: Duty | null = null
  #election: Timer | null = null
  #asking = false
  #holds = false
  #term = 0 // of the checker there is, or was last
  #isDead = false // the checker, since it wrote that it is one
  #closed = false

  /** `changed`: a member went up or down; null: another host checks. */
  constructor(
    pool: string,
    table: Table,
    needs: HealthNeeds,
    changed: (member: string | null) => void
  ) {
    this.#pool = pool
    this.#table = table
    this.#needs = needs
    this.#changed = changed
    for (const [key, value] of table.entries())
      if (key === CHECKER) this.#term = termOf(value)
      else this.#known.set(key, value)
    this.#unlisten = table.onChange((key, value) => this.#heard(key, value))
  }

  /** A member of which nothing is known counts as up. */
  isHealthy(member: string): boolean {
    const known = this.#known.get(member)
    return known === undefined || isUp(known)
  }

  /** The host that checks. */
  get checker(): string | undefined {
    const checker = this.#table.get(CHECKER)
    return checker === undefined ? undefined : hostOf(checker)
  }

  /** Whether this host is the one that checks. */
  get isChecking(): boolean {
    return this.#holds
  }

  /** What is to be checked from now on. */
  set(duty: Duty): void {
    this.#duty = duty
    for (const member of [...this.#known.keys()])
      if (!duty.targets.has(member)) this.#known.delete(member)
    if (this.#holds) this.#arrange()
    else this.#stand()
  }

  /** A lease is gone, with the session. */
  lost(lease: string): void {
    if (this.#holds && lease === this.#seat) this.#resign()
  }

  /** Another host has died, or answers again. */
  hostChanged(host: string): void {
    if (host !== this.checker || this.#holds) return
    this.#isDead = this.#needs.hosts.isDead(host)
    this.#stand()
  }

  /** Ends its checks and gives the lease back. */
  close(): void {
    this.#closed = true
    this.#unlisten()
    this.#election?.cancel()
    if (!this.#holds) return
    this.#resign()
    for (const [key] of [...this.#table.entries()]) this.#table.remove(key)
    this.#needs.leases.release(this.#seat, 0)
  }

  // --- the table ---

  #heard(key: string, value: string | undefined): void {
    if (key === CHECKER) return this.#seated(value)
    if (value === undefined) return
    const before = this.isHealthy(key)
    this.#known.set(key, value)
    if (before !== isUp(value)) this.#changed(key)
  }

  // --- the seat ---

  get #seat(): string {
    return seatOf(this.#pool, this.#term)
  }

  // Somebody checks from now on, or nobody.  Whoever has just written so is alive.
  #seated(value: string | undefined): void {
    this.#isDead = false
    if (value === undefined) this.#stand()
    else {
      const { checker } = this
      if (this.#holds && checker !== this.#needs.host) this.#giveWay()
      this.#term = termOf(value)
    }
    this.#changed(null)
  }

  #giveWay(): void {
    const seat = this.#seat
    this.#resign()
    this.#needs.leases.release(seat, 0)
  }

  get #isVacant(): boolean {
    const { checker } = this
    return checker === undefined || checker === this.#needs.host || this.#isDead
  }

  // Nobody checks, as far as is known: in a while, not all at once, whoever comes first will.
  #stand(): void {
    if (this.#closed || this.#holds || this.#asking || this.#election !== null) return
    if (!this.#isVacant) return
    const { clock, random } = this.#needs
    this.#election = clock.after(random.below(ELECT_MS), () => {
      this.#election = null
      this.#elect()
    })
  }

  #elect(): void {
    if (this.#closed || this.#holds || this.#duty === null || !this.#isVacant) return
    const { leases, clock } = this.#needs
    const term = this.#isDead ? this.#term + 1 : this.#term
    const seat = seatOf(this.#pool, term)
    this.#asking = true
    const done = (block: number | undefined): void => {
      this.#asking = false
      if (block === undefined) this.#election ??= clock.after(ELECT_MS, () => this.#again())
      else if (this.#closed || !this.#isVacant) leases.release(seat, block)
      else this.#take(term)
    }
    leases.take(seat, 1, done)
  }

  #again(): void {
    this.#election = null
    this.#stand()
  }

  #take(term: number): void {
    this.#holds = true
    this.#term = term
    this.#table.put(CHECKER, checkerText(this.#needs.host, term))
    for (const [member, health] of this.#known) this.#table.put(member, health)
    this.#arrange()
    this.#changed(null)
  }

  #resign(): void {
    this.#holds = false
    for (const member of [...this.#watched.keys()]) this.#leave(member)
    this.#table.remove(CHECKER)
    if (!this.#closed) this.#stand()
  }

  // --- checks ---

  #arrange(): void {
    const { targets } = this.#duty!
    for (const member of [...this.#watched.keys()])
      if (!targets.has(member)) {
        this.#leave(member)
        this.#table.remove(member)
      }
    for (const member of targets.keys()) if (!this.#watched.has(member)) this.#enter(member)
  }

  #enter(member: string): void {
    const { clock, random } = this.#needs
    const known = this.#known.get(member)
    const damping = new Damping(known === undefined ? known : isUp(known), clock.now())
    const watched: Watched = { damping, failures: '', timer: null, running: null }
    this.#watched.set(member, watched)
    // Not all at once.
    this.#next(member, watched, random.below(Math.min(ELECT_MS, this.#intervalMs)))
  }

  #leave(member: string): void {
    const watched = this.#watched.get(member)
    watched?.timer?.cancel()
    watched?.running?.stop()
    this.#watched.delete(member)
  }

  get #intervalMs(): number {
    return this.#duty?.monitor.intervalMs ?? INTERVAL_MS
  }

  #next(member: string, watched: Watched, ms: number): void {
    watched.timer = this.#needs.clock.after(ms, () => this.#check(member, watched))
  }

  #check(member: string, watched: Watched): void {
    const { monitor, targets } = this.#duty!
    const { clock, random, transport, counters, settings } = this.#needs
    const startedMs = clock.now()
    const target = targets.get(member)
    if (target === undefined || transport.size >= settings.checksMax) {
      if (target !== undefined) counters.late.value++
      return this.#next(member, watched, this.#intervalMs)
    }
    counters.checks.value++
    watched.running = check(monitor, target, { transport, clock, random }, failure => {
      watched.running = null
      this.#outcome(member, watched, failure)
      const tookMs = clock.now() - startedMs
      if (this.#watched.get(member) === watched)
        this.#next(member, watched, Math.max(0, this.#intervalMs - tookMs))
    })
  }

  #outcome(member: string, watched: Watched, failure: string | undefined): void {
    const { clock, counters, log } = this.#needs
    if (failure !== undefined) counters.failures.value++
    const isWell = failure === undefined
    if (!watched.damping.heard(isWell, clock.now(), this.#rules)) return
    const why = failure ?? 'well'
    if (isWell) counters.rises.value++
    else counters.falls.value++
    log.info({ pool: this.#pool, member, why }, isWell ? 'a member is up' : 'a member is down')
    this.#write(member, isWell, why)
    if (!isWell && this.#isAlone) this.#stepAside()
  }

  // Nobody in the pool is well: it may be this host that sees nobody.
  get #isAlone(): boolean {
    return [...this.#watched.values()].every(({ damping }) => damping.isUp !== true)
  }

  // Another host is to look, if there is one; else it is us again after a while.
  #stepAside(): void {
    const { clock, leases } = this.#needs
    this.#election?.cancel()
    this.#election = clock.after(SECOND_OPINION_MS, () => this.#again())
    this.#resign()
    leases.release(this.#seat, 0)
  }

  get #rules(): DampingRules {
    const { riseCount = 2, fallCount = 3 } = this.#duty!.monitor
    const {
      flapHoldMs: holdMs,
      flapHoldMsMax: holdMsMax,
      flapCalmMs: calmMs
    } = this.#needs.settings
    return { riseCount, fallCount, holdMs, holdMsMax, calmMs }
  }

  #write(member: string, up: boolean, why: string): void {
    const since = Math.floor(this.#needs.clock.wall() / SECONDS)
    this.#table.put(member, healthText(up, since, why))
  }
}
