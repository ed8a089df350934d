// Tunnels to other hosts.  Two hosts reach each other by the first tunnel zone they share, between
// the addresses they have in it; the underlay's own routing does the rest.  Only members of our
// zones may send us tunnelled frames: anybody on the underlay can write a header and guess a key.
// underlays.test.ts and port-bindings.test.ts hold it.

import type { Datapath } from '../../datapath/datapath.ts'
import { TunnelKind } from '../../flow/actions.ts'
import type { Tag } from '../../flow/tag.ts'
import { derive, tagOf } from '../../flow/tag.ts'
import type { TunnelZoneHostModel, TunnelZoneModel } from '../../topology/models.ts'
import type { TopologyView } from '../../topology/view.ts'
import { parseIpv4 } from '../../wire/address.ts'
import type { HostEvents } from '../events.ts'
import type { OtherHost } from '../replication/peers.ts'
import { WAIT_FOR_SENDERS, waitForTunnel } from '../waits.ts'
import type { Interface } from './interface.ts'
import { UNDERLAYS, UnderlayAddresses } from './underlays.ts'

/** How a host is reached. */
export interface Tunnel {
  /** TunnelKind. */
  readonly kind: number
  /** Int32 addresses. */
  readonly remote: number
  /** Our underlay address towards it, int32. */
  readonly local: number
  /** The underlay interface. */
  readonly ifindex: number
  /** Its MTU, which flows are installed with. */
  readonly mtu: number
  /** tunnelTag(host). */
  readonly tag: Tag
}

/** Carried by flows that leave for a host; stale when the way there changes. */
export const tunnelTag = (host: string): Tag => tagOf('tunnel', host)

// Carried by what came in a tunnel from an address; stale when its membership changes.
const SENDER = tagOf('tunnel-sender')
/** Flows of tunnelled packets from this underlay address. */
export const senderTag = (address: number): Tag => derive(SENDER, address)

/** What tunnels are made of. */
export interface TunnelsParts {
  /** Id of this host. */
  readonly host: string
  readonly view: TopologyView
  /** Takes tunnelled frames of these senders, and of no others. */
  readonly datapath: Pick<Datapath, 'setPeers'>
  readonly events: HostEvents
}

/** Tunnels to the other hosts of our zones. */
export class Tunnels {
  readonly #host: string
  readonly #view: TopologyView
  readonly #datapath: Pick<Datapath, 'setPeers'>
  readonly #events: HostEvents
  readonly #known = new Map<string, Tunnel | null | undefined>()
  #interfaces: readonly Interface[] = []
  // By address, the other members of our zones; undefined: not known yet.
  #senders: ReadonlyMap<number, OtherHost> | undefined
  #addresses = new UnderlayAddresses()

  constructor({ host, view, datapath, events }: TunnelsParts) {
    this.#host = host
    this.#view = view
    this.#datapath = datapath
    this.#events = events
    view.need({ kind: 'tunnel-zone-host', field: 'host', value: host })
  }

  /** undefined: not known yet, the packet must wait; null: the hosts share no zone. */
  to(host: string): Tunnel | null | undefined {
    if (!this.#known.has(host)) this.#known.set(host, this.#find(host))
    return this.#known.get(host)
  }

  /** Interfaces that carry an address of ours in some zone. */
  underlays(): Interface[] {
    const addresses = this.#memberships(this.#host).map(({ address }) => address)
    return this.#interfaces.filter(each => each.addresses.some(a => addresses.includes(a)))
  }

  /** These are the interfaces now: by which of them tunnels go is found out anew. */
  refresh(interfaces: readonly Interface[]): void {
    this.#interfaces = interfaces
    this.#refreshSenders()
    for (const [host, before] of this.#known) {
      const now = this.#find(host)
      if (same(before, now)) continue
      this.#known.set(host, now)
      this.#events.outdate([tunnelTag(host)])
      this.#events.wake(waitForTunnel(host))
    }
  }

  /** Of all members of our zones, this host as well. */
  get addresses(): UnderlayAddresses {
    return this.#addresses
  }

  /** Whether our zones, and who is in them, are known. */
  get known(): boolean {
    return this.#senders !== undefined
  }

  /** Whether a member of our zones has the address. undefined: not known yet. */
  isSender(address: number): boolean | undefined {
    return this.#senders?.has(address)
  }

  /** The addresses of all other members. */
  senders(): number[] {
    return [...(this.#senders?.keys() ?? [])]
  }

  /** Each host once, by its address in the first zone we share. */
  others(): OtherHost[] {
    const byHost = new Map<string, OtherHost>()
    for (const other of this.#senders?.values() ?? [])
      if (!byHost.has(other.host)) byHost.set(other.host, other)
    return [...byHost.values()]
  }

  #refreshSenders(): void {
    const before = this.#senders
    const now = this.#findSenders()
    if (now === undefined) return // what is known stands until it is known better
    this.#senders = now
    const ours = this.#memberships(this.#host).map(({ address }) => parseIpv4(address))
    const addresses = new UnderlayAddresses([...now.keys(), ...ours])
    if (!addresses.same(this.#addresses)) {
      this.#addresses = addresses
      this.#events.outdate([UNDERLAYS])
    }
    const changed = [...now.keys()].filter(address => before?.has(address) !== true)
    for (const address of before?.keys() ?? []) if (!now.has(address)) changed.push(address)
    if (before === undefined || changed.length > 0) this.#sendersChanged(changed)
  }

  // These addresses may send to us from now on, or may no longer.
  #sendersChanged(addresses: readonly number[]): void {
    this.#events.stale(addresses.map(senderTag))
    this.#events.peers(this.others())
    this.#datapath.setPeers(this.senders())
    this.#events.wake(WAIT_FOR_SENDERS)
  }

  #findSenders(): Map<number, OtherHost> | undefined {
    const kind = 'tunnel-zone-host'
    if (!this.#view.need({ kind, field: 'host', value: this.#host })) return undefined
    const senders = new Map<number, OtherHost>()
    let ready = true
    for (const { zone, address } of this.#memberships(this.#host)) {
      ready = this.#view.need({ kind, field: 'zone', value: zone }) && ready
      ready = this.#view.need({ kind: 'tunnel-zone', id: zone }) && ready
      const local = parseIpv4(address)
      for (const each of this.#view.where<TunnelZoneHostModel>(kind, 'zone', zone)) {
        const { host } = each
        const remote = parseIpv4(each.address)
        if (host !== this.#host) senders.set(remote, { host, address: remote, local })
      }
    }
    return ready ? senders : undefined
  }

  #memberships(host: string): readonly TunnelZoneHostModel[] {
    return this.#view.where<TunnelZoneHostModel>('tunnel-zone-host', 'host', host)
  }

  #memberOf(zone: string, host: string): TunnelZoneHostModel | undefined {
    const members = this.#view.where<TunnelZoneHostModel>('tunnel-zone-host', 'zone', zone)
    return members.find(each => each.host === host)
  }

  #find(host: string): Tunnel | null | undefined {
    // Who is in our zones is known already: no way has to be loaded when a packet asks for it.
    if (this.#senders === undefined) return undefined
    for (const mine of this.#memberships(this.#host)) {
      const remote = this.#memberOf(mine.zone, host)
      if (remote === undefined) continue
      const zone = this.#view.get<TunnelZoneModel>('tunnel-zone', mine.zone)
      const at = this.#interfaces.find(each => each.addresses.includes(mine.address))
      if (zone === undefined || at === undefined) continue
      return {
        kind: zone.type === 'gre' ? TunnelKind.gre : TunnelKind.vxlan,
        remote: parseIpv4(remote.address),
        local: parseIpv4(mine.address),
        ifindex: at.ifindex,
        mtu: at.mtu,
        tag: tunnelTag(host)
      }
    }
    return null
  }
}

function same(a: Tunnel | null | undefined, b: Tunnel | null | undefined): boolean {
  if (a === b) return true
  if (a === null || b === null || a === undefined || b === undefined) return false
  return (
    a.kind === b.kind &&
    a.remote === b.remote &&
    a.local === b.local &&
    a.ifindex === b.ifindex &&
    a.mtu === b.mtu
  )
}
