// Who takes a packet on the network a port is on: the MAC a sender would write as destination.
// Addresses of router ports come first; for what is not on the network, the router.  undefined: a
// neighbour on the network, whose MAC only ARP or ND could tell.  For traces only.

import type { Store, Versioned } from '../../topology/store.ts'
import { type Ip, parseMac, parsePrefix, prefixContains } from '../../wire/address.ts'

const BRIDGES_MAX = 16

export async function gatewayMac(
  store: Store,
  port: Versioned,
  from: Ip,
  to: Ip
): Promise<number | undefined> {
  if (port.value.type === 'router') return macOf(port)
  const routers = await routersOn(store, port)
  const own = routers.find(router => prefixes(router).some(prefix => same(prefix, to)))
  if (own !== undefined) return macOf(own)
  const onLink = routers.some(router => prefixes(router).some(p => prefixContains(p, to)))
  if (onLink) return undefined
  const near = routers.find(router => prefixes(router).some(p => prefixContains(p, from)))
  const gateway = near ?? routers[0]
  return gateway === undefined ? undefined : macOf(gateway)
}

// The router ports linked to the port's bridge, or to a bridge linked to that one, and so on.
async function routersOn(store: Store, port: Versioned): Promise<Versioned[]> {
  const bridges = [String(port.value.device)]
  const routers: Versioned[] = []
  for (let i = 0; i < bridges.length && i < BRIDGES_MAX; i++)
    for await (const each of store.list('port', { field: 'device', value: bridges[i]! })) {
      if (typeof each.value.peer !== 'string') continue
      const peer = await store.read('port', each.value.peer)
      if (peer?.value.type === 'router') routers.push(peer)
      else if (peer !== undefined && !bridges.includes(String(peer.value.device)))
        bridges.push(String(peer.value.device))
    }
  return routers
}

const prefixes = ({ value }: Versioned) =>
  Array.isArray(value.addresses) ? value.addresses.map(text => parsePrefix(String(text))) : []

const macOf = ({ value }: Versioned): number | undefined =>
  typeof value.mac === 'string' ? parseMac(value.mac) : undefined

const same = (a: Ip, b: Ip): boolean =>
  a.family === b.family && a.words.every((word, i) => word === b.words[i])
