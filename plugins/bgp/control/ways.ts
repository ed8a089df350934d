// How peers over several hops are reached from an uplink port. plan.test.ts holds it.

import { address, type PortModel } from '../../../src/control.ts'
import type { PlaceRoute } from '../engine/engine.ts'

/** A route of a router's, as far as it leads to peers. */
export interface StaticRoute {
  /** Network with prefix length. */
  readonly destination: string
  /** Senders it is for. */
  readonly source?: string
  /** It leaves by. */
  readonly port?: string
  /** Next hop. */
  readonly gateway?: string
}

/** To peers over several hops as the router itself is told: by the longest of its routes. */
export function waysTo(
  port: PortModel,
  peers: readonly string[],
  routes: readonly StaticRoute[]
): PlaceRoute[] {
  const networks = (port.addresses ?? []).map(address.parsePrefix)
  const ours = routes
    .filter(each => each.port === port.id && each.source === undefined)
    .map(({ destination, gateway }) => ({ to: address.parsePrefix(destination), gateway }))
    .sort((a, b) => b.to.length - a.to.length)
  return peers.flatMap(to => {
    const ip = address.parseIp(to)
    if (networks.some(network => address.prefixContains(network, ip))) return []
    const via = ours.find(route => address.prefixContains(route.to, ip))?.gateway
    return via === undefined ? [] : [{ to, via }]
  })
}
