// The virtual topology as one packet worker sees it.  A walk that meets a port or device the
// worker does not know yet is told so (undefined) and postponed; the view asks for the object and
// for what it needs, and wakes the walk when all of it is there.  Every change that arrives is
// given to the devices that named it, and what they say became stale goes to the flow table.

import type { Clock } from '../core/clock.ts'
import { deviceTag, egressTag, type Tag } from '../flow/tag.ts'
import type { Port, PortId, Topology } from '../simulation/device.ts'
import { waitForDevice, waitForPort } from '../simulation/waits.ts'
import { type Assembly, NO_PLUGINS } from './assembly/assembly.ts'
import type { DeviceFactory, LiveDevice, Models } from './factory.ts'
import { type Interest, interestKey } from './interest.ts'
import type { Stored } from './model.ts'
import type { PortModel } from './models.ts'
import { compilePort, portChange } from './ports/port.ts'
import { PortActivity } from './ports/port-activity.ts'
import { activeTable, hostOfActiveTable } from './ports/port-status.ts'
import { Renewals } from './renewals.ts'
import { objectKey, Replica } from './replica.ts'
import type { TableEvent, WatchEvent } from './store.ts'
import { type Slot, Sweeper } from './sweeper.ts'
import { Estates } from './tables/estates.ts'
import { SharedTable, type TableLink } from './tables/shared-table.ts'

/** The way to whoever holds the store. */
export interface ViewLink extends TableLink {
  /** Id of the store's session. */
  readonly session: string
  /** Asks for an interest, once. */
  want(interest: Interest): void
  /** Nobody here needs it; answered by `unwanted`, after which nothing of it comes. */
  unwant(interest: Interest): void
}

/** What a view tells the host. */
export interface ViewListener {
  /** Flows that carry one of these tags rest on what is no longer so. */
  outdate(tags: readonly Tag[]): void
  /** What walks were postponed for is here. */
  wake(waitingFor: string): void
  /** Something of what was asked for has come, changed or gone. */
  topologyChanged(): void
}

/** The topology as a packet thread knows it: what was asked for, and what became of it. */
export class TopologyView implements Topology, Models {
  readonly filterKind: string
  readonly #assembly: Assembly
  readonly #factories: ReadonlyMap<string, DeviceFactory>
  readonly #link: ViewLink
  readonly #listener: ViewListener
  readonly #replica = new Replica()
  readonly #ports = new Map<PortId, Port>()
  readonly #byNumber = new Map<number, Port>()
  readonly #slots = new Map<string, Map<string, Slot>>() // by kind, then id
  readonly #users = new Map<string, Set<Slot>>() // interest key → who named it
  readonly #tables = new Map<string, SharedTable>()
  readonly #estates: Estates
  readonly #activity: PortActivity
  readonly #pinned = new Set<string>() // interest keys that others than devices have asked for
  readonly #leaving = new Map<string, boolean>() // interest key → somebody wants it again
  #asking: Slot | null = null // the device that is made or updated
  readonly #renewals: Renewals
  readonly #sweeper: Sweeper
  #isClosed = false

  constructor(
    factories: ReadonlyMap<string, DeviceFactory>,
    link: ViewLink,
    listener: ViewListener,
    clock: Clock,
    host = '',
    assembly: Assembly = NO_PLUGINS
  ) {
    this.filterKind = assembly.filterKind
    this.#assembly = assembly
    this.#factories = factories
    this.#link = link
    this.#listener = listener
    this.#estates = new Estates(host, link.session, clock)
    const told = (): void => listener.topologyChanged()
    this.#renewals = new Renewals({ renew: slot => this.#refresh(slot), changed: told })
    const changed = (port: PortId): void => this.#portMoved(port)
    const [estates, ports] = [this.#estates, this.#ports]
    const met = (host: string): void => this.#listenTo(host)
    const late = (host: string): void => this.#refreshUsers({ table: activeTable(host) })
    this.#activity = new PortActivity({ clock, estates, ports, changed, met, late })
    this.#sweeper = new Sweeper({
      ...{ clock, ports, replica: this.#replica, slots: this.#slots, users: this.#users },
      ...{ pinned: this.#pinned, leaving: this.#leaving, tables: this.#tables },
      isOurs: device => this.portsOf(device).some(port => port.host === host),
      gone: slot => listener.outdate([deviceTag(slot.id)]),
      unwant: interest => link.unwant(interest)
    })
  }

  /** Id of the store's session. */
  get session(): string {
    return this.#link.session
  }

  /** How many ports are up, by host, of the hosts of which a port was met here. */
  get activePorts(): Readonly<Record<string, number>> {
    return this.#activity.counts
  }

  // --- for the walk ------------------------------------------------------------------------------

  port(id: PortId): Port | undefined | null {
    const port = this.#ports.get(id)
    if (port !== undefined) return port
    return this.#ask({ kind: 'port', id }) ? null : undefined
  }

  device(kind: string, id: string): LiveDevice | undefined | null {
    let slots = this.#slots.get(kind)
    const slot = slots?.get(id)
    if (slot !== undefined) {
      this.#renewals.beforeUse(slot)
      slot.isUsed = true
      return slot.device
    }
    const factory = this.#factories.get(kind)
    if (factory === undefined) return null
    if (this.#isClosed) return undefined
    const fresh: Slot = {
      ...{ kind, id, factory, needs: new Set(), tables: new Set() },
      ...{ isUsed: true, idle: 0, device: undefined }
    }
    if (slots === undefined) this.#slots.set(kind, (slots = new Map()))
    slots.set(id, fresh)
    this.#refresh(fresh)
    return fresh.device
  }

  // --- for devices: Models -----------------------------------------------------------------------

  get<T extends Stored>(kind: string, id: string): T | undefined {
    return this.#replica.get(kind, id) as T | undefined
  }

  where<T extends Stored>(kind: string, field: string, value: string): readonly T[] {
    return this.#replica.where(kind, field, value) as T[]
  }

  portsOf(device: string): readonly Port[] {
    return this.where('port', 'device', device)
      .map(({ id }) => this.#ports.get(id)!)
      .sort((a, b) => a.number - b.number)
  }

  table(name: string, rows?: 'lasting'): SharedTable {
    const table = this.#openTable(name)
    if (this.#asking === null) this.need({ table: name })
    else {
      this.#asking.tables.add(interestKey({ table: name }))
      this.#ask({ table: name })
    }
    if (rows === 'lasting') table.last()
    return table
  }

  // --- for the agent -----------------------------------------------------------------------------

  /** Asks for something the first time, for good; true once it is all here. */
  need(interest: Interest): boolean {
    this.#pinned.add(interestKey(interest))
    return this.#ask(interest)
  }

  /** Nothing more comes of what was let go. */
  unwanted(interest: Interest): void {
    const key = interestKey(interest)
    const isWanted = this.#leaving.get(key)
    if (isWanted === undefined || this.#isClosed) return
    this.#leaving.delete(key)
    for (const object of this.#replica.remove(key))
      if (object.startsWith('port/')) this.#recompile(object)
    if ('table' in interest && isWanted) this.#tables.get(interest.table)?.forget()
    else if ('table' in interest) this.#tables.delete(interest.table)
    if (isWanted) this.#ask(interest)
  }

  /** The port of this number, among those that are known here. */
  numbered(number: number): Port | undefined {
    return this.#byNumber.get(number)
  }

  /** A host stopped answering, or answers again. */
  hostAnswers(host: string, answers: boolean): void {
    this.#activity.hostAnswers(host, answers)
  }

  /** The agent of a host that answers is gone, or there again. */
  agentAway(host: string, isAway: boolean): void {
    this.#activity.agentAway(host, isAway)
  }

  /** How many ports and devices are here. */
  known(): { ports: number; devices: number; interests: number; letGo: number } {
    let devices = 0
    for (const slots of this.#slots.values()) devices += slots.size
    const { size: interests } = this.#replica
    return { ports: this.#ports.size, devices, interests, letGo: this.#sweeper.letGo }
  }

  /** What the work brings is taken in together: a device hears of it once, at the end. */
  together(work: () => void): void {
    this.#renewals.together(work)
  }

  /** Objects of an interest changed; `ready`: all that there are have been told. */
  apply(key: string, events: readonly WatchEvent[], ready: boolean): void {
    const watched = this.#replica.watched(key)
    if (watched === undefined || this.#isClosed) return
    const { interest, ready: wasReady } = watched
    const changed = this.#replica.apply(key, events, ready)
    const dirty = new Set<Slot>(this.#users.get(key))
    for (const object of changed) {
      if (object.startsWith('port/')) this.#recompile(object)
      for (const by of this.#replica.namedBy(object)) this.#addUsers(by, dirty)
      // An object that is gone for one interest may last a moment longer for another: those who
      // named it by its id must hear of its end too.
      this.#addUsers(object, dirty)
    }
    this.#renewals.add(dirty)
    if (ready && !wasReady && 'id' in interest && interest.kind === 'port')
      this.#listener.wake(waitForPort(interest.id))
  }

  /** Entries of a shared table changed; `ready` likewise. */
  applyTable(name: string, events: readonly TableEvent[], ready: boolean): void {
    if (this.#isClosed) return
    const key = interestKey({ table: name })
    this.#openTable(name).apply(events)
    const host = hostOfActiveTable(name)
    if (host !== undefined) for (const event of events) this.#spoke(event)
    const watched = this.#replica.watched(key)
    if (!ready || watched === undefined || watched.ready) return
    watched.ready = true
    if (host !== undefined) this.#activity.ready(host)
    this.#refreshUsers({ table: name })
  }

  /** The store has taken, or refused, the oldest write of this worker under the key. */
  tableWritten(name: string, key: string): void {
    if (!this.#isClosed) this.#tables.get(name)?.written(key)
  }

  /** What comes later changes nothing, and nothing is made any more. */
  close(): void {
    this.#isClosed = true
    this.#renewals.close()
    this.#sweeper.close()
    this.#activity.close()
    this.#estates.close()
    for (const slots of this.#slots.values())
      for (const { device } of slots.values()) device?.close?.()
    this.#slots.clear()
  }

  // --- inside ------------------------------------------------------------------------------------

  // What a host says of its ports, from now on.
  #listenTo(host: string): void {
    const name = activeTable(host)
    this.need({ table: name })
    const table = this.#openTable(name)
    for (const [port, said] of table.entries()) this.#activity.heard(host, port, said)
    table.onChange((port, said) => this.#activity.heard(host, port, said))
  }

  #refreshUsers(interest: Interest): void {
    this.#renewals.add([...(this.#users.get(interestKey(interest)) ?? [])])
  }

  // Who speaks for a host is known by what it says of its ports.
  #spoke(event: TableEvent): void {
    if (event.op !== 'put' || event.entry.value === '') return
    const { owner, value } = event.entry
    if (!this.#estates.speaks(owner, value)) return
    for (const table of this.#tables.values()) table.inherit()
  }

  #openTable(name: string): SharedTable {
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = new SharedTable(name, this.#link.session, this.#link, this.#estates)
      this.#tables.set(name, table)
    }
    return table
  }

  #addUsers(key: string, into: Set<Slot>): void {
    for (const slot of this.#users.get(key) ?? []) into.add(slot)
  }

  // A port's model came, changed or went.
  #recompile(key: string): void {
    const id = key.slice('port/'.length)
    const before = this.#ports.get(id)
    const model = this.#replica.value(key) as PortModel | undefined
    if (before !== undefined) this.#byNumber.delete(before.number)
    if (model === undefined) {
      this.#ports.delete(id)
      if (before !== undefined) this.#listener.outdate([before.tag, egressTag(id)])
      return
    }
    const activity = this.#activity
    const [isActive, isAttended] = [activity.isActive(model), activity.isAttended(model)]
    const after = compilePort(model, isActive, isAttended, this.#assembly)
    this.#ports.set(id, after)
    this.#byNumber.set(after.number, after)
    if (before === undefined) return this.#listener.wake(waitForPort(id))
    const change = portChange(before, after)
    if (change === 'walk') this.#listener.outdate([after.tag, egressTag(id)])
    if (change === 'place') this.#listener.outdate([egressTag(id)])
  }

  // A bound port's interface went up or down, here or elsewhere.
  #portMoved(id: PortId): void {
    if (!this.#ports.has(id)) return
    const key = objectKey('port', id)
    this.#recompile(key)
    const dirty = new Set<Slot>()
    for (const by of this.#replica.namedBy(key)) this.#addUsers(by, dirty)
    this.#renewals.add(dirty)
  }

  // Brings a device up to date with the models it named.
  #refresh(slot: Slot): void {
    if (!this.#renew(slot)) return
    const { kind, id, device } = slot
    if (this.#replica.get(kind, id) === undefined) {
      slot.device = null
      if (device !== undefined && device !== null) {
        device.close?.()
        this.#listener.outdate([deviceTag(id)])
      }
    } else if (device === undefined || device === null) {
      slot.device = this.#asked(slot, () => slot.factory.make(id, this))
      if (device === null) this.#listener.outdate([deviceTag(id)])
    } else {
      const stale = this.#asked(slot, () => device.update(this))
      if (stale.length > 0) this.#listener.outdate(stale)
      return
    }
    this.#listener.wake(waitForDevice(kind, id))
  }

  // Asks the factory what the device needs now.  True when all of it is there.
  #renew(slot: Slot): boolean {
    const { kind, id, factory } = slot
    const interests: Interest[] = [{ kind, id }]
    if (this.#replica.get(kind, id) !== undefined) interests.push(...factory.interests(id, this))
    let ready = true
    const needs = new Set<string>()
    for (const interest of interests) {
      needs.add(interestKey(interest))
      ready = this.#ask(interest) && ready
    }
    for (const { host } of this.portsOf(id)) {
      if (host === null || this.#activity.isHeard(host)) continue
      needs.add(interestKey({ table: activeTable(host) }))
      ready = false
    }
    for (const key of needs) this.#use(key, slot)
    for (const key of slot.needs) if (!needs.has(key)) this.#users.get(key)?.delete(slot)
    slot.needs = needs
    return ready
  }

  // Tables that a device asks for meanwhile are needed as long as it is.
  #asked<T>(slot: Slot, work: () => T): T {
    const before = this.#asking
    this.#asking = slot
    try {
      return work()
    } finally {
      this.#asking = before
      for (const key of slot.tables) this.#use(key, slot)
    }
  }

  #ask(interest: Interest): boolean {
    const key = interestKey(interest)
    if (this.#leaving.has(key)) {
      this.#leaving.set(key, true)
      return false
    }
    if (this.#replica.add(interest)) this.#link.want(interest)
    return this.#replica.watched(key)!.ready
  }

  #use(key: string, slot: Slot): void {
    const users = this.#users.get(key)
    if (users === undefined) this.#users.set(key, new Set([slot]))
    else users.add(slot)
  }
}
