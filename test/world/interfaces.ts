// The interfaces of a host of the world: its underlay, and those that ports of the host name.

import type { Interface, InterfaceWatcher } from '../../src/host/ports/interface.ts'
import type { PortModel } from '../../src/topology/models.ts'
import type { World } from './world.ts'

export const UNDERLAY = 1 // ifindex of every host's underlay interface
export const UNDERLAY_NAME = 'underlay'
const MTU = 1500

// Interfaces come into being as soon as a port of the host names them.
export class WorldInterfaces implements InterfaceWatcher {
  readonly #world: World
  readonly #host: string
  readonly #address: string
  readonly #ifindexes = new Map<string, number>()
  readonly #down = new Set<string>()
  readonly #mtus = new Map<string, number>() // of those that differ
  readonly #leading = new Set<string>() // default routes leave by these
  readonly #kinds = new Map<string, string>() // of interfaces that are no veths
  #fire: () => void = () => {}

  constructor(world: World, host: string, address: string) {
    this.#world = world
    this.#host = host
    this.#address = address
  }

  list(): Interface[] {
    const common = { mac: '02:00:00:00:00:01', kind: 'veth', peerElsewhere: false }
    const mtu = (name: string): number => this.#mtus.get(name) ?? MTU
    const underlay = { ...common, ifindex: UNDERLAY, name: UNDERLAY_NAME, up: true }
    const list: Interface[] = [{ ...underlay, mtu: mtu(UNDERLAY_NAME), addresses: [this.#address] }]
    for (const { interface: name } of this.#ports()) {
      if (name === UNDERLAY_NAME) continue
      const place = { ifindex: this.ifindexOf(name!), name: name!, mtu: mtu(name!) }
      const kind = this.#kinds.get(name!) ?? common.kind
      list.push({ ...common, ...place, kind, up: !this.#down.has(name!), addresses: [] })
    }
    return list
  }

  onChange(fire: () => void): void {
    this.#fire = fire
  }

  leadOut(): ReadonlySet<string> {
    return this.#leading
  }

  become(name: string, { kind, leadsOut }: { kind?: string; leadsOut?: true }): void {
    if (kind !== undefined) this.#kinds.set(name, kind)
    if (leadsOut === true) this.#leading.add(name)
    this.#fire()
  }

  close(): void {}

  setMtu(name: string, mtu: number): void {
    this.#mtus.set(name, mtu)
    this.#fire()
  }

  setUp(name: string, up: boolean): void {
    if (up) this.#down.delete(name)
    else this.#down.add(name)
    this.#fire()
  }

  ifindexOf(name: string): number {
    let ifindex = this.#ifindexes.get(name)
    if (ifindex === undefined) this.#ifindexes.set(name, (ifindex = this.#ifindexes.size + 10))
    return ifindex
  }

  portOf(ifindex: number): string {
    for (const port of this.#ports())
      if (this.ifindexOf(port.interface!) === ifindex) return port.id
    return `${this.#host}:${ifindex}`
  }

  #ports(): PortModel[] {
    return this.#world.store.list('port').filter(port => port.host === this.#host) as PortModel[]
  }
}
