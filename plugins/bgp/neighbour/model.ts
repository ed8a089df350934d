// What routers outside have in common, with BGP or without: where they can be, and BFD.

import Type from 'typebox'
import {
  address,
  type Fault,
  type ObjectReader,
  object,
  type Stored
} from '../../../src/resource.ts'

/** How fast a silent neighbour is missed. */
export const bfdPart = object({
  intervalMs: Type.Integer({ minimum: 50, maximum: 60_000, default: 300 }),
  multiplier: Type.Integer({ minimum: 2, maximum: 255, default: 3 })
})

/** Kinds of objects that stand for a router outside. */
const KINDS = ['bgp-peer', 'static-uplink'] as const

/** What is looked at of one. */
export interface Neighbour {
  readonly id: string
  /** Id of ours. */
  readonly router: string
  /** The only port. */
  readonly port?: string
  /** IPv4 or IPv6. */
  readonly address: string
}

/** It is the address of one node, which others than its link know. */
export function isReachable(text: string): boolean {
  const ip = address.parseIp(text)
  const isLocal = ip.family === 6 && address.ipv6IsLinkLocal(ip.words[0]!)
  return address.isNode(ip) && !isLocal
}

/** Two that would be one at some port. */
export async function twinFault(own: Neighbour, others: ObjectReader): Promise<Fault | undefined> {
  const ours = canonical(own.address)
  const of = { field: 'router', value: own.router }
  for (const kind of KINDS)
    for await (const { value } of others.list(kind, of)) {
      const { id, port, address: theirs } = value as unknown as Neighbour
      if (id === own.id || canonical(theirs) !== ours) continue
      if (port !== undefined && own.port !== undefined && port !== own.port) continue
      const all = `one that no other ${KINDS.join(' or ')} of the router has`
      return {
        ...{ field: 'address', value: own.address },
        expected: `${all}; ${kind} ${id} has this one`
      }
    }
  return undefined
}

const LISTED = 8

/** A neighbour is in the network of a port, and is not the port; `expected` says what else fits. */
export async function strayFault(
  own: Neighbour,
  others: ObjectReader,
  expected = 'the address of a neighbour'
): Promise<Fault | undefined> {
  const fault = (why: string): Fault => ({
    ...{ field: 'address', value: own.address, expected: `${expected}; ${why}` }
  })
  const ip = address.parseIp(own.address)
  const networks: string[] = []
  for await (const { value } of others.list('port', { field: 'device', value: own.router })) {
    const { id, addresses = [] } = value as Stored & { addresses?: readonly string[] }
    if (own.port !== undefined && id !== own.port) continue
    for (const text of addresses) {
      const prefix = address.parsePrefix(text)
      if (address.formatIp(prefix) === address.formatIp(ip)) return fault(`it is our port's`)
      if (address.prefixContains(prefix, ip)) return undefined
      networks.push(address.formatPrefix(address.networkOf(prefix)))
    }
  }
  const which = own.port === undefined ? 'a port of the router' : 'the port'
  const there = networks.length === 0 ? 'there are none' : networks.slice(0, LISTED).join(', ')
  return fault(`this is in no network of ${which}: ${there}`)
}

const canonical = (text: string): string => address.formatIp(address.parseIp(text))
