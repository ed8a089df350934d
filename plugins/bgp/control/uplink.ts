// One uplink port: brings its speaker, the packets it is given and what it has learned to what is
// planned, one step at a time, and tries again what failed. gateway.test.ts holds it.

import {
  type Clock,
  type Counters,
  type Log,
  type Punt,
  Retry,
  type Store
} from '../../../src/control.ts'
import type { Routes } from '../../router/token.ts'
import type { BfdState, BgpEngine, SessionState, Speaker } from '../engine/engine.ts'
import type { BgpPeerModel } from '../peer/model.ts'
import { placeOf, reportsOf } from '../table.ts'
import { Damping, type DampingSettings } from './damping.ts'
import { LearnedRoutes } from './learned-routes.ts'
import { OwnNetworks } from './own-networks.ts'
import { ownAddresses, type Planned, type UplinkPlan } from './plan.ts'
import { Reports } from './reports.ts'
import { StaticUplinks } from './static-uplinks.ts'
import { UplinkLog } from './uplink-log.ts'
import { sessionReport, type UplinkStatus } from './uplink-status.ts'

/** Service that an uplink port takes for itself. */
interface TakenService {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

/** What uplinks are made of. */
export interface UplinkParts {
  readonly engine: BgpEngine
  readonly punt: Punt
  readonly routes: Routes
  /** Of the agent's session. */
  readonly store: Pick<Store, 'table'>
  readonly clock: Clock
  readonly log: Log
  readonly counters: UplinkCounters
  /** This one. */
  readonly host: { readonly name: string; readonly netns?: string | null }
  /** Taken by the ports besides, from anyone. */
  readonly services: readonly TakenService[]
  /** How ways out are damped that come and go. */
  readonly damping: DampingSettings
}

/** What is counted of uplinks. */
export type UplinkCounters = ReturnType<typeof uplinkCounters>

/** Claims them. */
export const uplinkCounters = (counters: Counters) => ({
  faults: counters.claim(
    'bgp.faults',
    'Times that a speaker could not be brought to what it is for'
  ),
  flaps: counters.claim('bgp.flaps', 'Sessions that were established and are not any more'),
  full: counters.claim('bgp.routes-full', 'Learned routes beyond what one port may learn'),
  ours: counters.claim(
    'bgp.routes-ours',
    'Times that a peer told a network of ours or a part of it'
  ),
  staticFlaps: counters.claim(
    'bgp.static-flaps',
    'Static uplinks that were up and are not any more'
  ),
  damped: counters.claim(
    'bgp.damped',
    'Times that a next hop came back, and is taken last at first'
  )
})

/** A port of this host, from when it is known until it is not bound here any more. */
export class Uplink {
  readonly #parts: UplinkParts
  readonly #port: string
  readonly #router: string
  readonly #reports: Reports
  readonly #log: UplinkLog
  readonly #damping: Damping
  readonly #staticRoutes: LearnedRoutes
  readonly #statics: StaticUplinks
  readonly #learned: LearnedRoutes
  readonly #retry: Retry
  #planned: Planned = NOTHING
  #config = '' // as planned, as JSON
  #mayApply = true
  #speaker: Speaker | null = null
  #done = { place: '', config: '', rules: '' } // as JSON
  #sessions: readonly SessionState[] = []
  #hasAsked = false // for them
  #reason: string | null = null
  #isOver = false
  #isShut = false // nothing of it is left here
  #isNew = false // no packet was ever led to it
  #isDirty = false
  #turn: Promise<void> = Promise.resolve()
  #isBusy = false
  #isLooking = false

  constructor(parts: UplinkParts, router: string, port: string) {
    const { store, log, host, clock } = parts
    this.#log = new UplinkLog(log, clock, port)
    this.#parts = parts
    this.#retry = new Retry(clock, () => this.#step())
    this.#router = router
    this.#port = port
    this.#reports = new Reports(store, log, router, placeOf(host.name, port))
    this.#damping = new Damping(parts.clock, parts.damping, way => this.#released(way))
    this.#learned = this.#newLearned('bgp')
    this.#staticRoutes = this.#newLearned('static')
    const made = { clock: parts.clock, log, learned: this.#staticRoutes, damping: this.#damping }
    this.#statics = new StaticUplinks({ ...made, flaps: parts.counters.staticFlaps }, port)
  }

  /** What is to be from now on; without `mayApply` what speaks stays as it was left. */
  plan(planned: Planned, isDrained: boolean, mayApply = true): void {
    for (const ip of this.#planned.plan?.peers.keys() ?? [])
      if (!isWanted(planned.plan?.peers.get(ip))) this.#damping.forget(ip)
    this.#planned = planned
    this.#config = planned.plan === null ? '' : textOf(planned.plan)
    this.#mayApply = mayApply
    this.#learned.setTerms({ own: planned.plan?.own ?? null, isDrained })
    this.#statics.plan(planned.statics, isDrained)
    this.#log.networks(planned.plan?.networks ?? [])
    this.#retry.reset()
    this.#step()
    this.#report()
  }

  /** Looks how the sessions are; one that is still looking goes on. */
  async poll(): Promise<void> {
    const speaker = this.#speaker
    if (speaker === null || this.#done.config === '' || this.#isLooking) return
    this.#isLooking = true
    const sessions = await speaker.sessions().catch(error => this.#unknown(error))
    this.#isLooking = false
    if (speaker !== this.#speaker) return
    for (const session of sessions) {
      const before = this.#sessions.find(({ address }) => address === session.address)
      this.#parts.counters.flaps.value += flapsSince(before, session)
    }
    const { plan } = this.#planned
    this.#log.sessions(sessions, each => plan?.peers.get(each)?.adminStateUp === false)
    this.#sessions = sessions
    this.#hasAsked = true
    this.#report()
  }

  // Of a session that nobody can ask for it is not said that it is up.
  #unknown(error: unknown): SessionState[] {
    this.#parts.log.debug({ err: error, port: this.#port }, 'its sessions are not known')
    const lastError = `not known: ${reasonOf(error)}`
    return this.#sessions.map(each => ({ ...each, state: 'idle', upSinceMs: null, lastError }))
  }

  /** Lets go: what speaks goes on for the next agent. Resolves when nothing is under way. */
  async leave(): Promise<void> {
    this.#isOver = true
    this.#retry.close()
    await this.#turn
    const speaker = this.#speaker
    this.#speaker = null
    this.#damping.forgetAll()
    await speaker?.leave()
  }

  /** Ends what speaks and takes back what was learned, whatever the plan. */
  async close(): Promise<void> {
    this.#planned = NOTHING
    this.#retry.reset()
    this.#step()
    await this.#turn
    await this.leave()
    this.#statics.close()
    this.#reports.set(new Map())
  }

  /** How it is. */
  get status(): UplinkStatus {
    const { plan } = this.#planned
    const reason = this.#reason ?? this.#planned.reason
    const working = this.#pending.length === 0 ? 'working' : 'opening'
    const fine = plan === null ? 'none' : working
    return {
      port: this.#port,
      router: this.#router,
      state: reason === null ? fine : 'failed',
      reason,
      asn: plan?.config?.asn ?? null,
      routerId: plan?.config?.routerId ?? null,
      routes: this.#learned.count + this.#staticRoutes.count,
      defaults: [...new Set([...this.#learned.defaults, ...this.#staticRoutes.defaults])].sort(),
      refusedCount: this.#learned.refusedCount,
      refused: this.#refused(plan?.place.addresses ?? []),
      sessions: this.#sessions.flatMap(session => {
        const peer = plan?.peers.get(session.address)
        if (peer === undefined) return []
        const isShut = peer.adminStateUp === false
        const damped = this.#damping.reason(session.address)
        return [{ ...session, peer: peer.id, name: peer.name ?? peer.address, isShut, damped }]
      }),
      networks: plan?.networks ?? [],
      statics: this.#statics.statuses(reason)
    }
  }

  #refused(addresses: readonly string[]): UplinkStatus['refused'] {
    const link = new OwnNetworks(addresses)
    const isLink = (prefix: string): boolean => link.covering(prefix) === prefix
    return this.#learned.refused.map(each => ({ ...each, isLink: isLink(each.prefix) }))
  }

  // What is wanted is not given to a speaker yet.
  get #pending(): string[] {
    const { plan } = this.#planned
    return plan === null || this.#done.config === this.#config ? [] : ['opening']
  }

  // --- towards the plan

  #step(): void {
    if (this.#isOver) return
    this.#isDirty = true
    if (this.#isBusy) return
    this.#isBusy = true
    this.#turn = this.#work()
  }

  async #work(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false
      try {
        const { plan } = this.#planned
        if (plan === null) await this.#shut()
        else await this.#bring(plan)
        this.#reason = null
      } catch (error) {
        this.#failed(error)
      }
      this.#report()
    }
    this.#isBusy = false
  }

  #failed(error: unknown): void {
    const { log, counters } = this.#parts
    const reason = reasonOf(error)
    counters.faults.count()
    if (reason !== this.#reason)
      log.warn({ err: error, port: this.#port }, 'its speaker is not well')
    this.#reason = reason
    if (this.#speaker === null) this.#statics.hear([]) // nobody watches
    if (this.#isOver || this.#isDirty) return
    this.#retry.later()
  }

  async #bring(plan: UplinkPlan): Promise<void> {
    const { engine, punt, host, services } = this.#parts
    const { place, config, watched } = plan
    const configText = this.#config // of this plan: there may be another before it is brought
    const placeText = JSON.stringify(place)
    if (this.#speaker !== null && this.#done.place !== placeText) await this.#letGo()
    if (this.#speaker === null) {
      this.#isShut = false
      this.#isNew = !(await engine.places()).includes(this.#port)
      const speaker = await engine.open({ ...place, packetNetns: host.netns ?? null })
      this.#speaker = speaker
      this.#done = { place: placeText, config: '', rules: '' }
      this.#learned.replay()
      speaker.onRoutes(update => {
        if (speaker === this.#speaker) this.#learned.take(update)
      })
      speaker.onBfd(states => this.#hear(speaker, states))
    }
    const rules = {
      interface: this.#speaker.interface,
      addresses: ownAddresses(place),
      peers: [...(config?.peers ?? []), ...watched].map(({ address }) => address),
      services
    }
    const rulesText = JSON.stringify(rules)
    if (this.#done.rules !== rulesText) {
      await punt.set(this.#port, rules).catch(error => this.#unheard(error))
      this.#done = { ...this.#done, rules: rulesText }
      this.#isNew = false
    }
    // Meanwhile it may have been asked for something else, or to go.
    if (this.#done.config === configText || !this.#mayApply || this.#isDirty) return
    await this.#speaker.apply(config, watched)
    this.#done = { ...this.#done, config: configText }
  }

  // What nobody can hear is no speaker; one that was heard before may be again.
  async #unheard(error: unknown): Promise<never> {
    if (this.#isNew) {
      await this.#speaker?.close()
      this.#speaker = null
    }
    throw error
  }

  // The next one is opened where it stands, and finds what has changed.
  async #letGo(): Promise<void> {
    const speaker = this.#speaker
    this.#speaker = null
    await speaker?.leave()
  }

  // Also what an earlier agent has left.
  async #shut(): Promise<void> {
    if (this.#isShut) return
    const { engine, punt, log } = this.#parts
    const speaker = this.#speaker
    this.#speaker = null
    this.#sessions = []
    this.#done = { place: '', config: '', rules: '' }
    this.#statics.unwatch()
    this.#learned.withdraw()
    // Rules that another plugin has given a port of its own are none of ours.
    const clear = (): Promise<void> =>
      punt
        .clear(this.#port)
        .catch(error => log.debug({ err: error, port: this.#port }, 'there is nothing to clear'))
    // It says goodbye to its peers while they can hear it.
    if (speaker !== null) await speaker.close(clear)
    else if ((await engine.places()).includes(this.#port)) await engine.remove(this.#port, clear)
    this.#isShut = true
  }

  #newLearned(origin: 'bgp' | 'static'): LearnedRoutes {
    const { routes, log, counters } = this.#parts
    const { full, ours, damped } = counters
    const made = { routes, log, full, ours, damped, damping: this.#damping }
    return new LearnedRoutes(made, this.#router, this.#port, origin)
  }

  #hear(speaker: Speaker, states: readonly BfdState[]): void {
    if (speaker !== this.#speaker) return
    this.#statics.hear(states)
    this.#report()
  }

  #released(way: string): void {
    for (const routes of [this.#learned, this.#staticRoutes]) routes.released(way)
    this.#report()
  }

  // --- what is said of it

  #report(): void {
    if (this.#isOver) return
    const reports = new Map<string, object>()
    const { plan } = this.#planned
    for (const [ip, peer] of plan?.peers ?? []) {
      const session = this.#sessions.find(each => each.address === ip)
      const isShut = peer.adminStateUp === false
      // As it was left by an agent before this one, which has said how it is.
      if (!this.#hasAsked && !isShut && this.#reason === null) continue
      const damped = this.#damping.reason(ip)
      const report = sessionReport(session, { isShut, fault: this.#reason, damped })
      reports.set(reportsOf('peer', peer.id), report)
    }
    const fault = this.#reason === null ? this.#pending : [`speaker: ${this.#reason}`]
    for (const { id, reasons } of plan?.networks ?? []) {
      // As it was left by an agent before this one, which has said what it was.
      if (!this.#mayApply && this.#reason === null) continue
      const why = [...reasons, ...fault]
      const report = why.length === 0 ? { announced: true } : { announced: false, reasons: why }
      reports.set(reportsOf('network', id), report)
    }
    for (const { id, state, since, reason, isKnown } of this.#statics.statuses(this.#reason))
      if (isKnown) reports.set(reportsOf('static', id), { state, since, reason })
    this.#reports.set(reports)
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

const NOTHING: Planned = { plan: null, reason: null, statics: [] }

const textOf = ({ config, watched }: UplinkPlan): string => JSON.stringify([config, watched])

const isWanted = (peer: BgpPeerModel | undefined): boolean =>
  peer !== undefined && peer.adminStateUp !== false

const flapsSince = (before: SessionState | undefined, now: SessionState): number =>
  before === undefined ? 0 : Math.max(0, now.flaps - before.flaps)
