// Fields of ports that the walk knows, for the kinds of devices whose ports have them. What may be
// asked of their values is said beside each; port.ts compiles them.

import Type from 'typebox'
import {
  formatIp,
  isNode,
  macIsStation,
  maskWord,
  parseMac,
  parsePrefix
} from '../../wire/address.ts'
import type { Fault, Stored } from '../model.ts'
import { allowedAddresses, allowedServices } from '../ports/port-security.ts'

/** Fields of a port whatever device it belongs to. */
export const portFields = {
  /** What may come in by the interface; see `securityFaults`. */
  allowedAddresses,
  allowedServices,
  /** Of a port whose frames carry this tag outside and none inside. */
  vlan: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 4094, description: 'the tag its frames have outside' })
  ),
  /** Of a port that is a station itself: packets are sent to it. See `stationFaults`. */
  mac: Type.Optional(Type.String({ format: 'mac', description: 'its own; made when left out' })),
  addresses: Type.Optional(
    Type.Array(Type.String({ format: 'interface-address' }), {
      maxItems: 64,
      description: 'address/length, IPv4 or IPv6'
    })
  )
} as const

const STATION = 'the MAC of one interface: neither a group nor 00:00:00:00:00:00'

/** Faults of `mac`, which must be there, and of `addresses`. */
export function stationFaults({ mac, addresses = [] }: Stored): Fault[] {
  const faults: Fault[] = []
  if (mac === undefined) faults.push({ field: 'mac', value: mac, expected: 'a MAC address' })
  else if (!macIsStation(parseMac(mac as string)))
    faults.push({ field: 'mac', value: mac, expected: STATION })
  return [...faults, ...addressFaults(addresses as readonly string[])]
}

function addressFaults(addresses: readonly string[]): Fault[] {
  const faults: Fault[] = []
  const known = new Set<string>()
  addresses.forEach((value, i) => {
    const expected = wrongAddress(value, known)
    if (expected !== '') faults.push({ field: `addresses[${i}]`, value, expected })
  })
  return faults
}

// What is expected instead; '' when nothing is wrong.  Text that is no address has been refused by
// its format already.  A /31 and a /32 have no address that is nobody's (RFC 3021); nor has IPv6.
function wrongAddress(text: string, known: Set<string>): string {
  const { family, words, length } = parsePrefix(text)
  const name = formatIp({ family, words })
  if (known.has(name)) return 'an address that the port does not have yet'
  known.add(name)
  if (!isNode({ family, words })) return 'the address of one node'
  if (family === 6 || length > 30) return ''
  const host = words[3]! & ~maskWord(length)
  if (host === 0) return "an address of one node in the network, not the network's own"
  if (host === ~maskWord(length))
    return 'an address of one node in the network, not its broadcast address'
  return ''
}
