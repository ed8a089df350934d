// Tunnels to other hosts.  Two hosts reach each other by the first tunnel zone they share, between
// the addresses they have in it; the underlay's own routing does the rest.

import { TunnelKind } from '../flow/actions.ts'
import type { Tag } from '../flow/tag.ts'
import { tagOf } from '../flow/tag.ts'
import type { TunnelZoneHostModel, TunnelZoneModel } from '../topology/models.ts'
import type { TopologyView } from '../topology/view.ts'
import { parseIpv4 } from '../wire/address.ts'
import type { Interface } from './places.ts'

export interface Tunnel {
  readonly kind: number // TunnelKind
  readonly remote: number // int32 addresses
  readonly local: number
  readonly ifindex: number // the underlay interface
  readonly tag: Tag // tunnelTag(host)
}

// Carried by flows that leave for a host; stale when the way there changes.
export const tunnelTag = (host: string): Tag => tagOf('tunnel', host)
export const waitForTunnel = (host: string): string => `tunnel/${host}`

export class Tunnels {
  readonly #host: string
  readonly #view: TopologyView
  readonly #changed: (host: string) => void
  readonly #known = new Map<string, Tunnel | null | undefined>()
  #interfaces: readonly Interface[] = []

  // `changed` is called when the way to a host is found, changes or goes.
  constructor(host: string, view: TopologyView, changed: (host: string) => void) {
    this.#host = host
    this.#view = view
    this.#changed = changed
    view.need({ kind: 'tunnel-zone-host', field: 'host', value: host })
  }

  // undefined: not known yet, the packet must wait; null: the hosts share no zone.
  to(host: string): Tunnel | null | undefined {
    if (!this.#known.has(host)) this.#known.set(host, this.#find(host))
    return this.#known.get(host)
  }

  // Interfaces that carry an address of ours in some zone.
  underlays(): Interface[] {
    const addresses = this.#memberships(this.#host).map(({ address }) => address)
    return this.#interfaces.filter(each => each.addresses.some(a => addresses.includes(a)))
  }

  refresh(interfaces: readonly Interface[]): void {
    this.#interfaces = interfaces
    for (const [host, before] of this.#known) {
      const now = this.#find(host)
      if (same(before, now)) continue
      this.#known.set(host, now)
      this.#changed(host)
    }
  }

  #memberships(host: string): readonly TunnelZoneHostModel[] {
    return this.#view.where<TunnelZoneHostModel>('tunnel-zone-host', 'host', host)
  }

  #find(host: string): Tunnel | null | undefined {
    const field = 'host'
    let ready = this.#view.need({ kind: 'tunnel-zone-host', field, value: this.#host })
    ready = this.#view.need({ kind: 'tunnel-zone-host', field, value: host }) && ready
    if (!ready) return undefined
    const theirs = new Map(this.#memberships(host).map(each => [each.zone, each]))
    for (const mine of this.#memberships(this.#host)) {
      const remote = theirs.get(mine.zone)
      if (remote === undefined) continue
      if (!this.#view.need({ kind: 'tunnel-zone', id: mine.zone })) return undefined
      const zone = this.#view.get<TunnelZoneModel>('tunnel-zone', mine.zone)
      const at = this.#interfaces.find(each => each.addresses.includes(mine.address))
      if (zone === undefined || at === undefined) continue
      return {
        kind: zone.type === 'gre' ? TunnelKind.gre : TunnelKind.vxlan,
        remote: parseIpv4(remote.address),
        local: parseIpv4(mine.address),
        ifindex: at.ifindex,
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
    a.kind === b.kind && a.remote === b.remote && a.local === b.local && a.ifindex === b.ifindex
  )
}
