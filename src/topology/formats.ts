// The text formats a model's fields may name, and how each reads in plain words.  They replace
// TypeBox's own of the same name: an address is valid when our own parser takes it, so that what
// the API accepts is what the packet path can use.

import Format from 'typebox/format'
import {
  type Ip,
  ipv4IsMulticast,
  ipv6IsMulticast,
  networkOf,
  parseIp,
  parseMac,
  parseNetwork,
  parsePrefix
} from '../wire/address.ts'

interface TextFormat {
  readonly expected: string
  readonly check: (text: string) => boolean
}

// True when `parse` takes the text and, if asked, its outcome is of the wanted kind.
const parses =
  <T>(parse: (text: string) => T, wanted: (value: T) => boolean = () => true) =>
  (text: string): boolean => {
    try {
      return wanted(parse(text))
    } catch {
      return false
    }
  }

const ofFamily = (family: 4 | 6) => parses(parseIp, ip => ip.family === family)

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const INTERFACE = /^[^/:\s\p{C}]+$/u
const INTERFACE_BYTES_MAX = 15

const isMulticast = ({ family, words }: Ip): boolean =>
  family === 4 ? ipv4IsMulticast(words[3]!) : ipv6IsMulticast(words[0]!)
const isZero = ({ words }: Ip): boolean => words.every(word => word === 0)
const same = (a: Ip, b: Ip): boolean => a.words.every((word, i) => word === b.words[i])

/** Formats of text that schemas name. */
export const formats: Readonly<Record<string, TextFormat>> = {
  // Lower case only: an id is compared as text everywhere.
  uuid: { expected: 'a UUID in lower case', check: text => UUID.test(text) },
  mac: { expected: 'a MAC address such as 02:00:00:00:00:01', check: parses(parseMac) },
  ipv4: { expected: 'an IPv4 address such as 10.0.0.1', check: ofFamily(4) },
  ipv6: { expected: 'an IPv6 address such as 2001:db8::1', check: ofFamily(6) },
  ip: { expected: 'an IPv4 or IPv6 address', check: parses(parseIp) },
  cidr: {
    expected: 'a network such as 10.0.0.0/24 or 2001:db8::/64, its host bits zero',
    check: parses(parsePrefix, prefix => same(prefix, networkOf(prefix)))
  },
  'address-or-network': {
    expected: 'an address or a network such as 10.0.0.5, fd00::5 or 10.0.0.0/24, host bits zero',
    check: parses(parseNetwork, prefix => same(prefix, networkOf(prefix)))
  },
  'interface-address': {
    expected: 'an address and prefix length such as 10.0.0.1/24 or 2001:db8::1/64',
    check: parses(parsePrefix, p => p.length > 0 && !isZero(p) && !isMulticast(p))
  },
  // IFNAMSIZ - 1 bytes; the kernel refuses slashes, colons and white space, and these two names.
  interface: {
    expected: 'the name of a network interface, at most 15 characters',
    check: text =>
      INTERFACE.test(text) &&
      Buffer.byteLength(text) <= INTERFACE_BYTES_MAX &&
      text !== '.' &&
      text !== '..'
  }
}

/** Whether a port may be bound to an interface of this name. */
export const isInterfaceName = (text: string): boolean => formats.interface!.check(text)

for (const [name, { check }] of Object.entries(formats)) Format.Set(name, check)

/** What a field of this format should hold, in plain words. */
export const expectedOf = (format: string): string =>
  formats[format]?.expected ?? `text in the format ${format}`
