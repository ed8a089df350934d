// The control plane of an uplink port beside the walk: BGP, BFD, neighbours and pings of the port's
// own addresses go by a veth pair into a namespace, and what that sends leaves by the interface
// (docs/datapath.md). Here are the rules, and what may be in them. punt.test.ts holds it.

import { fail } from '../core/errors.ts'
import { type Ip, parseIp } from '../wire/address.ts'
import { Protocol } from '../wire/protocol.ts'

/**
 * What is policed each by itself: a peer goes on finding us when others ask for us a million times.
 * MZ_PUNT_CLASSES in abi.h.
 */
export const PUNT_CLASSES = [
  'routing',
  'bfd',
  'neighbour',
  'peer-neighbour',
  'icmp',
  'other'
] as const
/** One of them. */
export type PuntClass = (typeof PUNT_CLASSES)[number]

/** Packets a second that are let through; a quarter of that may come at once. */
export const PUNT_RATES: Readonly<Record<PuntClass, number>> = {
  routing: 20_000,
  bfd: 2_000,
  neighbour: 1_000,
  'peer-neighbour': 1_000,
  icmp: 1_000,
  other: 2_000
}

/** TCP or UDP by its port, from anyone. */
export interface PuntService {
  /** Of IP. */
  readonly protocol: 'tcp' | 'udp'
  /** Where it listens. */
  readonly port: number
}

/** What of an uplink port's packets goes to its control plane, and where that is. */
export interface PuntRules {
  /** Our end of the veth pair, in the namespace of the packets. */
  readonly interface: string
  /** The port's own, IPv4 and IPv6, without length; a link-local one too, if it is to be heard. */
  readonly addresses: readonly string[]
  /** BGP and BFD are heard from these only. */
  readonly peers: readonly string[]
  /** What else is taken. */
  readonly services: readonly PuntService[]
  /** Packets a second; those left out are PUNT_RATES. */
  readonly rates?: Readonly<Partial<Record<PuntClass, number>>>
}

/** The same, read, for a datapath. */
export interface PortPunt {
  /** Id of the port whose rules they are. */
  readonly port: string
  /** The port's: in its name the namespace may send. */
  readonly mac: number
  /** Number of our end of the veth pair. */
  readonly inside: number
  /** As PuntRules.addresses. */
  readonly addresses: readonly Ip[]
  /** As PuntRules.peers. */
  readonly peers: readonly Ip[]
  /** Protocol << 16 | port. */
  readonly services: readonly number[]
  /** Of each class. */
  readonly rates: Readonly<Record<PuntClass, number>>
}

/** Entries of each list of a port's rules. */
export const PUNT_LIST_MAX = { addresses: 64, peers: 256, services: 64 } as const
const INTERFACE_NAME_MAX = 15
const RATE_MAX = 10_000_000

/** Reads rules. Throws INVALID with the field that is wrong. */
export function readPuntRules(rules: PuntRules): Omit<PortPunt, 'port' | 'mac' | 'inside'> {
  const { interface: name } = rules
  if (name === '' || name.length > INTERFACE_NAME_MAX)
    throw wrong('interface', name, `1 to ${INTERFACE_NAME_MAX} characters`)
  for (const [field, max] of Object.entries(PUNT_LIST_MAX)) {
    const { length } = rules[field as keyof typeof PUNT_LIST_MAX]
    if (length > max) throw wrong(field, `a list of ${length}`, `${max} at most`)
  }
  return {
    addresses: rules.addresses.map((text, i) => address(`addresses[${i}]`, text)),
    peers: rules.peers.map((text, i) => address(`peers[${i}]`, text)),
    services: rules.services.map(serviceWord),
    rates: { ...PUNT_RATES, ...ratesOf(rules) }
  }
}

function address(field: string, text: string): Ip {
  try {
    return parseIp(text)
  } catch {
    throw wrong(field, text, 'an IPv4 or IPv6 address')
  }
}

function serviceWord({ protocol, port }: PuntService, i: number): number {
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw wrong(`services[${i}].protocol`, protocol, 'tcp or udp')
  if (!Number.isInteger(port) || port < 1 || port > 0xffff)
    throw wrong(`services[${i}].port`, port, 'a port from 1 to 65535')
  return (Protocol[protocol] << 16) | port
}

function ratesOf({ rates = {} }: PuntRules): Partial<Record<PuntClass, number>> {
  for (const [name, rate] of Object.entries(rates)) {
    if (!PUNT_CLASSES.some(each => each === name))
      throw wrong('rates', name, PUNT_CLASSES.join(', '))
    if (!Number.isInteger(rate) || rate < 1 || rate > RATE_MAX)
      throw wrong(`rates.${name}`, rate, `1 to ${RATE_MAX} packets a second`)
  }
  return rates
}

const wrong = (field: string, value: string | number, expected: string) =>
  fail('INVALID', { field, value, expected })
