// The static uplinks of one port: those that BFD says are up, or that nobody watches, stand as its
// routes. plugins/bgp/static-uplinks.test.ts and test/lab/static-uplink.test.ts hold it.

import type { Clock, Counters, Log } from '../../../src/control.ts'
import type { BfdState, RouteChange, RouteHop } from '../engine/engine.ts'
import type { StaticReport } from '../table.ts'
import type { Damping } from './damping.ts'
import type { LearnedRoutes } from './learned-routes.ts'
import type { PlannedStatic } from './static-plan.ts'

/** What static uplinks are made of. */
export interface StaticParts {
  readonly clock: Clock
  readonly log: Log
  /** Takes their routes. */
  readonly learned: LearnedRoutes
  readonly damping: Damping
  /** Of sessions that were up. */
  readonly flaps: ReturnType<Counters['claim']>
}

/** How a static uplink is, for people. */
export interface StaticStatus extends StaticReport {
  readonly id: string
  /** Its own; its address when it has none. */
  readonly name: string
  /** Of the next hop. */
  readonly address: string
  /** How often it was up and is not any more. */
  readonly flaps: number
  /** An operator wants no traffic by it, or its host is drained. */
  readonly isShut: boolean
  /** BFD has said how it is, or is not asked: until then what was said of it before stands. */
  readonly isKnown: boolean
}

interface Session {
  state: BfdState['state']
  /** Wall clock; null: it is not up. */
  upSinceMs: number | null
  flaps: number
}

/** Those of one port. */
export class StaticUplinks {
  readonly #parts: StaticParts
  readonly #port: string
  readonly #given = new Map<string, readonly RouteHop[]>() // by prefix
  readonly #sessions = new Map<string, Session>() // by address
  #planned: readonly PlannedStatic[] = []
  #states: readonly BfdState[] | null = null // not known yet

  constructor(parts: StaticParts, port: string) {
    this.#parts = parts
    this.#port = port
  }

  /** These from now on; `isDrained`: other ways are to be taken before. */
  plan(planned: readonly PlannedStatic[], isDrained: boolean): void {
    const before = this.#planned
    this.#planned = planned
    this.#parts.learned.setTerms({ own: null, isDrained })
    this.#follow()
    this.#update()
    const gone = before.filter(({ id }) => planned.every(each => each.id !== id))
    for (const { address } of gone) this.#forget(address)
    for (const each of planned) if (isAsked(each)) this.#parts.damping.forget(each.address)
  }

  /** What BFD says of all neighbours; of whom it says nothing nobody knows that he is there. */
  hear(states: readonly BfdState[]): void {
    this.#states = states
    this.#follow()
    this.#update()
  }

  /** Nobody is watched any more: what was said is no word of those that are, or come. */
  unwatch(): void {
    this.#sessions.clear()
    this.#states = this.#planned.some(({ bfd }) => bfd !== null) ? [] : null
    this.#update()
  }

  /** How they are; `fault`: why they may not be watched. */
  statuses(fault: string | null): StaticStatus[] {
    return this.#planned.map(each => {
      const { id, name, address } = each
      const session = this.#sessions.get(address)
      const since = session?.upSinceMs ?? null
      const reason = this.#reasonOf(each, fault)
      return {
        ...{ id, name, address, flaps: session?.flaps ?? 0, isShut: isAsked(each) },
        ...{ state: stateOf(each, session), isKnown: this.#isKnown(each) || fault !== null },
        ...(since === null ? {} : { since: new Date(since).toISOString() }),
        ...(reason === null ? {} : { reason })
      }
    })
  }

  /** Takes all routes back, for good. */
  close(): void {
    this.#parts.learned.withdraw()
  }

  #forget(address: string): void {
    this.#sessions.delete(address)
    this.#parts.damping.forget(address)
  }

  #follow(): void {
    if (this.#states === null) return
    for (const { address, bfd, name } of this.#planned) {
      if (bfd === null) {
        this.#sessions.delete(address)
        continue
      }
      const said = this.#states.find(each => each.address === address)
      this.#turn(address, name, said)
    }
  }

  #turn(address: string, name: string, said: BfdState | undefined): void {
    const { clock, flaps, log } = this.#parts
    const state = said?.state ?? 'down'
    const session = this.#sessions.get(address) ?? { state: 'down', upSinceMs: null, flaps: 0 }
    this.#sessions.set(address, session)
    const wasUp = session.state === 'up'
    session.state = state
    if (wasUp === (state === 'up')) return
    session.upSinceMs = wasUp ? null : clock.wall()
    const told = { port: this.#port, uplink: name, address }
    if (!wasUp) return log.info(told, 'a static uplink is up')
    // What we have shut ourselves is no failure.
    if (state !== 'admin-down') {
      session.flaps++
      flaps.count()
    }
    log.warn({ ...told, state, reason: said?.reason ?? null }, 'a static uplink is down')
  }

  #update(): void {
    const wanted = new Map<string, RouteHop[]>()
    for (const { address: gateway, prefixes, share, weight } of this.#planned.filter(this.#isUsed))
      for (const prefix of prefixes) {
        const hop = { gateway, share, ...(weight === undefined ? {} : { weight }) }
        wanted.set(prefix, [...(wanted.get(prefix) ?? []), hop])
      }
    const changes: RouteChange[] = []
    const awaited = new Set(this.#planned.filter(this.#isAwaited).flatMap(each => each.prefixes))
    for (const prefix of new Set([...this.#given.keys(), ...wanted.keys()])) {
      const hops = wanted.get(prefix) ?? []
      // An earlier agent may have led there by one that is up.
      if (awaited.has(prefix) && !this.#given.has(prefix)) continue
      if (JSON.stringify(hops) === JSON.stringify(this.#given.get(prefix))) continue
      changes.push({ prefix, hops })
      if (hops.length > 0) this.#given.set(prefix, hops)
      else this.#given.delete(prefix)
    }
    const isComplete = this.#planned.every(this.#isKnown)
    if (isComplete || changes.length > 0) this.#parts.learned.take({ changes, isComplete })
  }

  readonly #isKnown = ({ bfd }: PlannedStatic): boolean => this.#states !== null || bfd === null

  readonly #isAwaited = (each: PlannedStatic): boolean => !each.isShut && !this.#isKnown(each)

  readonly #isUsed = ({ address, bfd, isShut }: PlannedStatic): boolean =>
    !isShut && (bfd === null || this.#sessions.get(address)?.state === 'up')

  #reasonOf(each: PlannedStatic, fault: string | null) {
    const { address, bfd, isShut, reasons } = each
    if (isShut) return 'adminStateUp is false'
    const damped = this.#parts.damping.reason(address)
    if (damped !== null) return damped
    if (bfd === null) return isPassable(each) ? null : reasons.join(', ')
    if (reasons.length > 0) return reasons.join(', ')
    if (!this.#isKnown(each)) return fault ?? 'BFD has not said yet how it is'
    const isUp = this.#sessions.get(address)?.state === 'up'
    const said = this.#states?.find(each => each.address === address)?.reason ?? null
    return isUp ? null : (fault ?? said)
  }
}

// An operator has said so; an interface that is down was not taken away by anybody.
const ASKED = ['host-drained', 'router-down', 'port-down']

const isAsked = ({ isShut, reasons }: PlannedStatic): boolean =>
  isShut || reasons.some(reason => ASKED.includes(reason))

// Nobody leaves by a port that takes no packets.
const IMPASSABLE = ['port-inactive', 'port-down', 'router-down']

const isPassable = ({ isShut, reasons }: PlannedStatic): boolean =>
  !isShut && !reasons.some(reason => IMPASSABLE.includes(reason))

function stateOf(each: PlannedStatic, session: Session | undefined): string {
  if (each.bfd === null) return isPassable(each) ? 'unwatched' : 'down'
  return session?.state ?? 'down'
}
