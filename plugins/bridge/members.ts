// A bridge's ports as forwarding sees them: who gets a flood, where the routers are.  Made anew
// from the models at every change and never edited, so that two of them can be compared.
//
//   trunk    no VLAN of its own: frames pass as they are, tagged or not
//   access   `vlan` set: untagged outside, that VLAN inside
//   router   linked to a router: gets what is for its MAC, and ARP and ND, but no other flood
// bridge.test.ts holds it.

import type { DeviceId, Models, Port, PortId, Tag } from '../../src/plugin.ts'

/** What is behind a port: a station, another bridge, a router, or nothing. */
export type Role = 'edge' | 'bridge' | 'router' | 'free'

/** A port of a bridge, with what the bridge has to know of it. */
export interface Member {
  readonly port: Port
  readonly role: Role
  /** The other end of its link; null: there is none, or it is not loaded. */
  readonly peer: Port | null
}

// Where a flood goes: without and with the links to routers.
interface Floods {
  readonly plain: PortId[]
  readonly all: PortId[]
}

const NOBODY: Floods = { plain: [], all: [] }

/** The ports of a bridge, by what they are. */
export class Members {
  readonly #byId = new Map<PortId, Member>()
  readonly #trunks: Floods = { plain: [], all: [] }
  readonly #access = new Map<number, Floods>()
  readonly #routers = new Map<number, Member>()
  readonly #listedMacs = new Map<number, Port[]>()
  readonly #listedIps = new Map<string, Port[]>()
  /** Left out of floods while they are down. */
  readonly downTags: Tag[] = []
  /** Changes when a flood would go elsewhere. */
  readonly floodSignature: string

  constructor(models: Models, bridge: DeviceId) {
    const signature: string[] = []
    for (const port of models.portsOf(bridge)) {
      const member = memberOf(models, port)
      this.#byId.set(port.id, member)
      if (member.role === 'edge') this.#list(port)
      if (member.role === 'router') this.#routers.set(member.peer!.mac, member)
      signature.push(`${port.id} ${member.role} ${port.vlan} ${port.adminStateUp}`)
      if (member.role === 'free') continue
      if (port.adminStateUp) this.#join(member)
      else this.downTags.push(port.tag)
    }
    this.floodSignature = signature.join()
  }

  /** The port; undefined: it is none of this bridge's. */
  get(port: PortId): Member | undefined {
    return this.#byId.get(port)
  }

  /** All of them. */
  all(): IterableIterator<Member> {
    return this.#byId.values()
  }

  /** The link to the router port with this MAC. */
  router(mac: number): Member | undefined {
    return this.#routers.get(mac)
  }

  /**
   * Whether the address may be believed to be at this port: it is listed (port security) there, or
   * nowhere in the VLAN.
   */
  mayHave(mac: number, at: Port, vlan: number): boolean {
    const listed = this.#listedMacs.get(mac)
    if (listed === undefined) return true
    const rivals = listed.filter(port => port.vlan === 0 || port.vlan === vlan)
    return rivals.length === 0 || rivals.some(({ id }) => id === at.id)
  }

  /** The same of an IP address, as text. */
  mayAnnounce(ip: string, at: Port): boolean {
    return this.#listedIps.get(ip)?.some(({ id }) => id === at.id) ?? true
  }

  /** MACs that port security names. */
  listedMacs(): IterableIterator<number> {
    return this.#listedMacs.keys()
  }

  /** The MACs of routers' ports, with the port that leads to each. */
  routers(): IterableIterator<[number, Member]> {
    return this.#routers.entries()
  }

  /** Ports that carry tagged frames. */
  trunks(withRouters: boolean): readonly PortId[] {
    return withRouters ? this.#trunks.all : this.#trunks.plain
  }

  /** Ports of a VLAN. */
  access(vlan: number, withRouters: boolean): readonly PortId[] {
    const floods = this.#access.get(vlan) ?? NOBODY
    return withRouters ? floods.all : floods.plain
  }

  #list(port: Port): void {
    for (const [mac, networks] of port.security?.addresses ?? []) {
      append(this.#listedMacs, mac, port)
      for (const { text } of networks ?? []) append(this.#listedIps, text, port)
    }
  }

  #join({ port, role }: Member): void {
    let floods: Floods | undefined = this.#trunks
    if (port.vlan !== 0) {
      floods = this.#access.get(port.vlan)
      if (floods === undefined) this.#access.set(port.vlan, (floods = { plain: [], all: [] }))
    }
    floods.all.push(port.id)
    if (role !== 'router') floods.plain.push(port.id)
  }
}

function append<K>(to: Map<K, Port[]>, key: K, port: Port): void {
  const ports = to.get(key)
  if (ports === undefined) to.set(key, [port])
  else ports.push(port)
}

function memberOf(models: Models, port: Port): Member {
  if (port.host !== null) return { port, role: 'edge', peer: null }
  const peer = port.peer === null ? null : (models.port(port.peer) ?? null)
  if (peer === null) return { port, role: 'free', peer: null }
  return { port, role: peer.kind === 'router' ? 'router' : 'bridge', peer }
}
