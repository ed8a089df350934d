// Where virtual ports are: which interface of this host, or which tunnel to another host.  Bindings
// come with the topology, interfaces from the kernel, in any order; a port is active when both are
// there and the interface is up.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import { derive, egressTag, type Tag, tagOf } from '../../flow/tag.ts'
import type { Port } from '../../simulation/device.ts'
import type { PortModel } from '../../topology/models.ts'
import { activeTable } from '../../topology/ports/port-status.ts'
import type { Table } from '../../topology/tables/table.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'
import { WAIT_FOR_BINDINGS } from '../waits.ts'
import { type Attachments, interfaceTag } from './attachments.ts'
import { Bindable, BindingFaults, type BindingRules } from './bindable.ts'
import type { Interface, InterfaceWatcher } from './interface.ts'
import { PortMtus } from './port-mtus.ts'
import type { Punts } from './punts.ts'
import type { Readiness } from './readiness.ts'
import type { Tunnel, Tunnels } from './tunnels.ts'
import type { UnderlayAddresses } from './underlays.ts'

// Carried by flows that drop what is tunnelled to a port this host does not have.
const STRAY = tagOf('stray-tunnel')
/** Flows that send packets for a port of this number that is not here. */
export const strayTag = (number: number): Tag => derive(STRAY, number)
const bindingsOf = (host: string) => ({ kind: 'port', field: 'host', value: host })

interface Bound {
  readonly port: string
  readonly ifindex: number
  readonly name: string
  readonly peerRedirect: boolean
}

/** What port bindings are made of. */
export interface PortBindingsParts {
  /** Id of this host. */
  readonly host: string
  readonly view: TopologyView
  readonly attachments: Attachments
  readonly watcher: InterfaceWatcher
  readonly tunnels: Tunnels
  readonly clock: Clock
  readonly counters: Counters
  readonly rules: BindingRules
  readonly events: HostEvents
  readonly readiness: Readiness
  /** Told of the interfaces that there are. */
  readonly punts: Pick<Punts, 'look'>
}

/** Where virtual ports are: an interface here, a tunnel to another host, or nowhere. */
export class PortBindings {
  readonly attachments: Attachments
  readonly #host: string
  readonly #view: TopologyView
  readonly #watcher: InterfaceWatcher
  readonly #tunnels: Tunnels
  readonly #events: HostEvents
  readonly #readiness: Readiness
  readonly #clock: Clock
  readonly #punts: Pick<Punts, 'look'>
  readonly #byIfindex = new Map<number, Bound>()
  readonly #byPort = new Map<string, Bound>()
  readonly #byNumber = new Map<number, string>()
  readonly #mtus: PortMtus
  readonly #rules: BindingRules
  readonly #bindable: Bindable
  readonly #faults: BindingFaults
  #isRefreshing = false
  #isClosed = false
  #known = false
  #down: ReadonlySet<string> = new Set() // ports of ours that we have said are down

  constructor(parts: PortBindingsParts) {
    this.#host = parts.host
    this.#view = parts.view
    this.attachments = parts.attachments
    this.#watcher = parts.watcher
    this.#tunnels = parts.tunnels
    this.#events = parts.events
    this.#readiness = parts.readiness
    this.#clock = parts.clock
    this.#punts = parts.punts
    this.#mtus = new PortMtus(parts.view, parts.events, parts.host)
    this.#rules = parts.rules
    this.#bindable = new Bindable(parts.rules)
    this.#faults = new BindingFaults(parts.view, parts.host)
    parts.counters.gauge('agent.ports-bound', () => this.#byPort.size, 'Ports bound and up here')
    this.#view.need(bindingsOf(this.#host))
    const { events, watcher } = parts
    events.topologyChanged.on(() => this.#refreshSoon())
    events.bindingsChanged.on(() => this.#refreshSoon())
    events.portReady.on(() => this.#refreshSoon())
    watcher.onChange(events.bindingsChanged)
  }

  // What this host says of its ports.
  get #active(): Table {
    return this.#view.table(activeTable(this.#host))
  }

  /** Looks at interfaces for the first time. */
  start(): void {
    this.refresh()
  }

  /**
   * Whether the bindings of this host and the activity of ports are known, and seen to. Until then
   * a port that is not here may yet be.
   */
  get known(): boolean {
    return this.#known
  }

  /** The port behind an interface. */
  entry(ifindex: number): Port | undefined {
    const bound = this.#byIfindex.get(ifindex)
    return bound === undefined ? undefined : (this.#view.port(bound.port) ?? undefined)
  }

  /** The port of this host whose number a tunnelled frame carries. */
  numbered(number: number): Port | undefined {
    const id = this.#byNumber.get(number)
    return id === undefined ? undefined : (this.#view.port(id) ?? undefined)
  }

  /** The port's interface; undefined when it is not here, or not active. */
  local(port: Port): { ifindex: number; peerRedirect: boolean; mtu: number } | undefined {
    const bound = this.#byPort.get(port.id)
    return bound === undefined ? undefined : { ...bound, mtu: this.#mtus.of(port.id) }
  }

  /** Of the interface of a port of another host, as that says; 0: it has not. */
  mtuElsewhere(port: Port): number {
    return this.#mtus.elsewhere(port)
  }

  /** Whether this is the port's host, whatever its interface does. */
  isHere(port: Port): boolean {
    return port.host === this.#host
  }

  /** The tunnel to the port's host; undefined: not known yet, null: there is none. */
  tunnel(port: Port): Tunnel | null | undefined {
    return this.#tunnels.to(port.host!)
  }

  /** The addresses of our hosts. */
  get underlays(): UnderlayAddresses {
    return this.#tunnels.addresses
  }

  /** Whether an underlay address may send to us. undefined: not known yet. */
  isSender(address: number): boolean | undefined {
    return this.#tunnels.isSender(address)
  }

  /** Why an interface may not be bound; undefined: it may. */
  refusal(each: Interface): string | undefined {
    const isUnderlay = this.attachments.isUnderlay(each.ifindex)
    const leadsOut = (): boolean => this.#watcher.leadOut().has(each.name)
    return this.#bindable.refusal(each, { isUnderlay, leadsOut })
  }

  // Many changes arrive together: one look for all of them.
  #refreshSoon(): void {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    this.#clock.soon(() => {
      this.#isRefreshing = false
      if (!this.#isClosed) this.refresh()
    })
  }

  /** Compares what is bound with what should be. Called when bindings or interfaces change. */
  refresh(): void {
    const interfaces = this.#watcher.list()
    this.#punts.look(interfaces)
    this.#tunnels.refresh(interfaces)
    this.attachments.setUnderlays(this.#tunnels.underlays())
    const models = this.#view.where<PortModel>('port', 'host', this.#host)
    const present = this.#presentOf(models, interfaces)
    const ours = new Set(models.map(({ id }) => id))
    this.#mtus.keep(ours)
    for (const bound of [...this.#byPort.values()])
      if (present.get(bound.port)?.ifindex !== bound.ifindex)
        this.#unbind(bound, ours.has(bound.port))
    this.attachments.keep(present)
    this.#renumber(models)
    const waiting = this.#bindReady(models, present)
    if (!this.#known) this.#learn()
    if (this.#known) this.#tellDown(ours, waiting)
    if (waiting.size > 0) return // an earlier agent's programs go on until ours are there
    if (this.#known && this.#tunnels.known) this.attachments.detachOthers()
  }

  // Of the ports that should be here, those whose interfaces are, and up, and may be bound.
  #presentOf(models: readonly PortModel[], interfaces: readonly Interface[]) {
    const byName = new Map(interfaces.map(each => [each.name, each]))
    const present = new Map<string, Interface>()
    const faults = new Map<string, string>()
    for (const { id, interface: name = '' } of models) {
      const found = byName.get(name)
      const fault = this.#faultOf(id, name, found)
      if (fault !== undefined) faults.set(id, fault)
      else if (found !== undefined) present.set(id, found)
    }
    this.#faults.tell(faults)
    return present
  }

  // Why a port cannot be at its interface.
  #faultOf(id: string, name: string, found: Interface | undefined): string | undefined {
    const { hostName } = this.#rules
    if (found === undefined) return `waiting for interface ${name} on host ${hostName}`
    // What has become an underlay, or is another interface of the name, is judged anew.
    const isOurs = this.#byPort.get(id)?.ifindex === found.ifindex
    const why =
      isOurs && !this.attachments.isUnderlay(found.ifindex) ? undefined : this.refusal(found)
    if (why !== undefined) return `interface ${name} of host ${hostName} is refused: ${why}`
    return found.up ? undefined : `interface ${name} of host ${hostName} is down`
  }

  // Gives the ports that lack something yet: the state of their flows, or the program.
  #bindReady(models: readonly PortModel[], present: ReadonlyMap<string, Interface>): Set<string> {
    const waiting = new Set<string>()
    for (const model of models) {
      const { id } = model
      const at = present.get(id)
      if (at !== undefined) this.#mtus.put(id, at.mtu)
      if (at === undefined || this.#byPort.has(id)) continue
      const isReady = this.#readiness.isReady(model)
      if (this.#prepare(id, at) && isReady) this.#bind(id, at)
      else waiting.add(id)
    }
    return waiting
  }

  // Whether the program is there.
  #prepare(id: string, at: Interface): boolean {
    if (this.#byIfindex.has(at.ifindex)) return false // two ports want it
    return this.attachments.prepare(id, this.#view.port(id) ?? null, at, () => this.refresh())
  }

  // Silence is not an answer: whoever asks takes it for an agent that will be back.
  #tellDown(ours: ReadonlySet<string>, waiting: ReadonlySet<string>): void {
    const active = this.#active
    const down = new Set([...ours].filter(id => !this.#byPort.has(id) && !waiting.has(id)))
    for (const id of down) active.put(id, '')
    for (const id of this.#down) {
      if (ours.has(id)) continue
      active.remove(id)
      const port = this.#view.port(id)
      if (port) this.#events.portGone(port)
    }
    this.#down = down
  }

  #learn(): void {
    const bindings = this.#view.need(bindingsOf(this.#host))
    this.#known = this.#view.need({ table: activeTable(this.#host) }) && bindings
    if (this.#known) this.#events.wake(WAIT_FOR_BINDINGS)
  }

  /**
   * Kept: the kernel goes on forwarding, so the ports stay announced until the next agent speaks.
   */
  close(kept: boolean): void {
    this.#isClosed = true
    const active = this.#active
    if (!kept) for (const { port } of this.#byPort.values()) active.put(port, '')
    this.#watcher.close()
  }

  // A frame that came before its port was known here was dropped; from now on it is not.
  #renumber(models: readonly PortModel[]): void {
    const before = new Map(this.#byNumber)
    this.#byNumber.clear()
    for (const { id, number = 0 } of models) {
      this.#byNumber.set(number, id)
      if (before.get(number) !== id) this.#events.outdate([strayTag(number)])
    }
  }

  #bind(id: string, at: Interface): void {
    const { ifindex, name, peerElsewhere: peerRedirect } = at
    const bound = { port: id, ifindex, name, peerRedirect }
    this.#byIfindex.set(ifindex, bound)
    this.#byPort.set(id, bound)
    this.#active.put(id, this.#host)
    this.#events.outdate([egressTag(id), interfaceTag(ifindex)])
    this.attachments.activated(ifindex)
  }

  // Of a port that has moved to another host only that host may speak: it may have spoken already.
  #unbind(bound: Bound, isOurs: boolean): void {
    this.#byIfindex.delete(bound.ifindex)
    this.#byPort.delete(bound.port)
    this.attachments.detach(bound.ifindex)
    const active = this.#active
    if (isOurs) active.put(bound.port, '')
    else active.remove(bound.port)
    const port = this.#view.port(bound.port)
    if (!isOurs && port) this.#events.portGone(port)
    this.#events.outdate([egressTag(bound.port), interfaceTag(bound.ifindex)])
  }
}
