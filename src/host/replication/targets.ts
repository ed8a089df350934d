// Which hosts may see the other half of a connection: those of the ports it leaves by, and those of
// every port in a stateful group with the ports it enters and leaves by.  They are the hosts that
// get its state before its first packet leaves. test/state/gateways.test.ts holds it.

import type { Port } from '../../simulation/device.ts'
import { waitForPort } from '../../simulation/waits.ts'
import { hostHash } from '../../state/record.ts'
import type { PortGroupModel, PortModel } from '../../topology/models.ts'
import type { TopologyView } from '../../topology/view.ts'
import { WAIT_FOR_GROUPS } from '../waits.ts'

const CACHED_MAX = 65_536
const NOBODY: readonly number[] = Object.freeze([])

/** Which hosts get the records of which connection: those that may see its other half. */
export class ReplicationTargets {
  readonly #host: string
  readonly #view: TopologyView
  readonly #ofPort = new Map<string, readonly string[]>()
  readonly #before = new Map<string, readonly string[]>() // before the last changes
  readonly #ofWay = new Map<string, Map<string, readonly number[]>>() // by entry and outs
  #pathCount = 0
  /** What `of` lacked when it gave undefined: the cause to wait for. */
  waitingFor = ''

  constructor(host: string, view: TopologyView) {
    this.#host = host
    this.#view = view
  }

  /**
   * hostHash of each host that may see the other half of what enters by `entry` and leaves by
   * `outs`, this one aside; undefined: not known yet, see `waitingFor`.
   */
  of(entry: Port | null, outs: readonly Port[]): readonly number[] | undefined {
    const from = entry === null ? '' : entry.id
    const to = outs.length === 1 ? outs[0]!.id : outs.map(({ id }) => id).join(' ')
    const known = this.#ofWay.get(from)?.get(to)
    if (known !== undefined) return known
    const hosts = new Set<string>()
    for (const port of entry === null ? outs : [entry, ...outs]) {
      const of = this.#hostsOf(port)
      if (of === undefined) return undefined
      for (const host of of) hosts.add(host)
    }
    hosts.delete(this.#host)
    const words = hosts.size === 0 ? NOBODY : [...hosts].map(hostHash)
    this.#keep(from, to, words)
    return words
  }

  /**
   * Of a record that names its ports by number; ports that are not known here do not count.
   * undefined: what is known of them is being loaded.
   */
  ofNumbers(ingress: number, egress: number): readonly number[] | undefined {
    const ports: Port[] = []
    for (const number of [ingress, egress]) {
      const port = this.#view.numbered(number)
      if (port !== undefined) ports.push(port)
    }
    return this.of(null, ports)
  }

  /** Whether the port with this number is known here. */
  knows(number: number): boolean {
    return this.#view.numbered(number) !== undefined
  }

  /**
   * Numbers of the ports whose flows this host has to know: those bound here, and those of their
   * stateful groups.  undefined: not known yet.
   */
  ours(): ReadonlySet<number> | undefined {
    if (!this.#view.need({ kind: 'port', field: 'host', value: this.#host })) return undefined
    const numbers = new Set<number>()
    for (const { id } of this.#view.where<PortModel>('port', 'host', this.#host)) {
      const group = this.#groupOf(id)
      if (group === undefined) return undefined
      for (const { number } of group) numbers.add(number)
    }
    return numbers
  }

  /** Call it when the topology has changed: what was found out is forgotten. */
  refresh(): void {
    for (const [port, hosts] of this.#ofPort)
      if (!this.#before.has(port)) this.#before.set(port, hosts)
    this.#ofPort.clear()
    this.#forgetPaths()
  }

  /**
   * Hosts that have become targets of a port since the last look: what there is of its flows is
   * new to them.
   */
  newcomers(): ReadonlySet<string> {
    const found = new Set<string>()
    for (const [id, before] of this.#before) {
      const port = this.#view.port(id)
      const now = port === undefined || port === null ? [] : this.#hostsOf(port)
      if (port === undefined || now === undefined) continue // looked at when it is known
      for (const host of now) if (host !== this.#host && !before.includes(host)) found.add(host)
      this.#before.delete(id)
    }
    return found
  }

  #keep(from: string, to: string, words: readonly number[]): void {
    if (this.#pathCount >= CACHED_MAX) this.#forgetPaths()
    this.#pathCount++
    const known = this.#ofWay.get(from)
    if (known === undefined) this.#ofWay.set(from, new Map([[to, words]]))
    else known.set(to, words)
  }

  #forgetPaths(): void {
    this.#ofWay.clear()
    this.#pathCount = 0
  }

  #hostsOf(port: Port): readonly string[] | undefined {
    const known = this.#ofPort.get(port.id)
    if (known !== undefined) return known
    const group = this.#groupOf(port.id)
    if (group === undefined) return undefined
    const hosts = group.flatMap(({ host }) => host ?? [])
    this.#ofPort.set(port.id, hosts)
    return hosts
  }

  // A port and those that share a stateful group with it.
  #groupOf(port: string): Port[] | undefined {
    const interest = { kind: 'port-group', field: 'ports', value: port }
    if (!this.#view.need(interest)) {
      this.waitingFor = WAIT_FOR_GROUPS
      return undefined
    }
    const groups = this.#view.where<PortGroupModel>('port-group', 'ports', port)
    const ids = groups.flatMap(({ stateful, ports }) => (stateful === true ? (ports ?? []) : []))
    const members: Port[] = []
    for (const id of [port, ...ids]) {
      const member = this.#view.port(id)
      if (member === undefined) {
        this.waitingFor = waitForPort(id)
        return undefined
      }
      // Connections may come to leave by it instead: whoever sees that is to know at once.
      this.#view.need({ ...interest, value: id })
      if (member !== null) members.push(member)
    }
    return members
  }
}
