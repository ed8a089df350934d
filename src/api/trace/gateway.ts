// Who takes a packet on the network a port is on: the MAC a sender would write as destination.
// Addresses of ports that are stations themselves (they have a MAC) come first; for what is not on
// the network, such a port.  undefined: a neighbour on the network, whose MAC only ARP or ND could
// tell.  For traces only.

import type { Store, Versioned } from '../../topology/store.ts'
import { type Ip, parseMac, parsePrefix, prefixContains } from '../../wire/address.ts'

const DEVICES_MAX = 16

/** The MAC a station would send to for this destination; undefined: none is known. */
export async function gatewayMac(
  store: Store,
  port: Versioned,
  from: Ip,
  to: Ip
): Promise<number | undefined> {
  if (isStation(port)) return macOf(port)
  const stations = await stationsOn(store, port)
  const own = stations.find(each => prefixes(each).some(prefix => same(prefix, to)))
  if (own !== undefined) return macOf(own)
  const onLink = stations.some(each => prefixes(each).some(p => prefixContains(p, to)))
  if (onLink) return undefined
  const near = stations.find(each => prefixes(each).some(p => prefixContains(p, from)))
  const gateway = near ?? stations[0]
  return gateway === undefined ? undefined : macOf(gateway)
}

// Those linked to the port's device, or to another that is linked to that one, and so on.
async function stationsOn(store: Store, port: Versioned): Promise<Versioned[]> {
  const devices = [String(port.value.device)]
  const stations: Versioned[] = []
  for (let i = 0; i < devices.length && i < DEVICES_MAX; i++)
    for await (const each of store.list('port', { field: 'device', value: devices[i]! })) {
      if (typeof each.value.peer !== 'string') continue
      const peer = await store.read('port', each.value.peer)
      if (peer !== undefined && isStation(peer)) stations.push(peer)
      else if (peer !== undefined && !devices.includes(String(peer.value.device)))
        devices.push(String(peer.value.device))
    }
  return stations
}

const isStation = ({ value }: Versioned): boolean => typeof value.mac === 'string'

const prefixes = ({ value }: Versioned) =>
  Array.isArray(value.addresses) ? value.addresses.map(text => parsePrefix(String(text))) : []

const macOf = ({ value }: Versioned): number | undefined =>
  typeof value.mac === 'string' ? parseMac(value.mac) : undefined

const same = (a: Ip, b: Ip): boolean =>
  a.family === b.family && a.words.every((word, i) => word === b.words[i])
