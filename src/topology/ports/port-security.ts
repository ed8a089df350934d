// Port security, as data: which addresses whoever is behind a port may use, and which answers
// may come from there.  A list that is absent restricts nothing; an empty one lets nothing through.
// The port's device enforces it (Device.admit).

import Type from 'typebox'
import type { AllowedNetwork, PortSecurity } from '../../simulation/device.ts'
import * as address from '../../wire/address.ts'
import type { Fault, Stored } from '../model.ts'

const PAIRS_MAX = 64
const IPS_MAX = 64

/** Answers that hosts believe whoever sends them: DHCP, and router advertisements and redirects. */
export const Service = { dhcp: 'dhcp', ra: 'ra' } as const

/** Field of a port: addresses that may come in by it. */
export const allowedAddresses = Type.Optional(
  Type.Array(
    Type.Object(
      {
        mac: Type.String({ format: 'mac', description: 'an address frames may come from' }),
        ips: Type.Optional(
          Type.Array(Type.String({ format: 'address-or-network' }), {
            maxItems: IPS_MAX,
            description: 'addresses and networks it may use; absent: any'
          })
        )
      },
      { additionalProperties: false }
    ),
    {
      maxItems: PAIRS_MAX,
      description: 'what may come in by its interface; absent: anything, []: nothing'
    }
  )
)

/** Field of a port: services that may be offered by it. */
export const allowedServices = Type.Optional(
  Type.Array(Type.Union([Type.Literal(Service.dhcp), Type.Literal(Service.ra)]), {
    uniqueItems: true,
    description:
      'answers that may come in by its interface, of DHCP and of routers; absent: both, none ' +
      'with allowedAddresses'
  })
)

interface Secured {
  readonly allowedAddresses?: readonly { readonly mac: string; readonly ips?: readonly string[] }[]
  readonly allowedServices?: readonly string[]
}

/** Faults of `allowedAddresses`. */
export function securityFaults(port: Stored): Fault[] {
  const faults: Fault[] = []
  for (const [i, { mac, ips = [] }] of ((port as Secured).allowedAddresses ?? []).entries()) {
    const field = `allowedAddresses[${i}]`
    if (!isStation(address.parseMac(mac)))
      faults.push({ field: `${field}.mac`, value: mac, expected: 'the address of one station' })
    for (const [n, ip] of ips.entries())
      if (!isSource(address.parseNetwork(ip)))
        faults.push({ field: `${field}.ips[${n}]`, value: ip, expected: 'no group or broadcast' })
  }
  return faults
}

const isStation = (mac: number): boolean => mac !== 0 && !address.macIsGroup(mac)

// A single `::` or 0.0.0.0 is nobody's; as a network of length 0 it is everybody.
function isSource({ family, words, length }: address.Prefix): boolean {
  const [first, , , last] = words
  if (family === 6) return !address.ipv6IsMulticast(first!) && (length === 0 || !isZero(words))
  if (address.ipv4IsMulticast(last!) || last === address.IPV4_BROADCAST) return false
  return length === 0 || last !== 0
}

const isZero = (words: Int32Array): boolean => words.every(word => word === 0)

/** null: nothing is restricted. */
export function compileSecurity(port: Secured): PortSecurity | null {
  const { allowedAddresses: pairs, allowedServices: services } = port
  if (pairs === undefined && services === undefined) return null
  return Object.freeze({
    addresses: pairs === undefined ? null : compilePairs(pairs),
    services: new Set(services ?? [])
  })
}

function compilePairs(pairs: NonNullable<Secured['allowedAddresses']>) {
  const byMac = new Map<number, AllowedNetwork[] | null>()
  for (const { mac, ips } of pairs) {
    const key = address.parseMac(mac)
    const known = byMac.get(key)
    if (ips === undefined || known === null) byMac.set(key, null)
    else byMac.set(key, [...(known ?? []), ...ips.map(compileNetwork)])
  }
  return byMac
}

function compileNetwork(text: string): AllowedNetwork {
  const { family, words, length } = address.networkOf(address.parseNetwork(text))
  const masks = words.map((_, i) =>
    address.maskWord(family === 6 ? length - 32 * i : i === 3 ? length : 0)
  )
  const single = length === (family === 4 ? 32 : 128)
  const shown = single
    ? address.formatIp({ family, words })
    : address.formatPrefix({ family, words, length })
  return Object.freeze({ family, words, masks, text: shown })
}

const texts = new WeakMap<PortSecurity, string>()

/** The same for two that say the same. */
export function securityText(security: PortSecurity | null): string {
  if (security === null) return ''
  let text = texts.get(security)
  if (text === undefined) {
    const { addresses, services } = security
    const pairs =
      addresses && [...addresses].map(([mac, all]) => [mac, all?.map(each => each.text)])
    text = JSON.stringify([pairs, [...services]])
    texts.set(security, text)
  }
  return text
}
