// What the tests of port security share: a bridge with a secured port `a`, a victim at `b`, and
// somebody else at `c`; and what an honest station sends.

import { parseMac } from '../../src/wire/address.ts'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import firewall from '../firewall/index.ts'
import router from '../router/index.ts'
import bridge from './index.ts'

export const A = '02:00:00:00:00:0a' // of the secured port
export const OTHER = '02:00:00:00:00:0f' // the second one it may use
export const B = '02:00:00:00:00:0b' // the victim
export const ALL = 'ff:ff:ff:ff:ff:ff'
export const LINK_LOCAL = 'fe80::ff:fe00:a'
export const ALL_NODES = 'ff02::1'
export const OVERRIDE = 0x2000_0000 // of an advertisement that nobody asked for
export const FRAMES = 50

export const ALLOWED = [
  { mac: A, ips: ['10.0.0.5', '10.0.1.0/24', 'fd00::5', 'fd00:1::/64'] },
  { mac: OTHER, ips: ['10.0.0.100', 'fd00::100'] }
]

export type Fields = Readonly<Record<string, unknown>>

export const worldOf = (fields: Fields, more: (topology: Topology) => Topology = t => t): World =>
  new World({
    plugins: [bridge, firewall, router],
    objects: more(
      new Topology().bridge('br').edge('a', 'br', 'h1', fields).edge('b', 'br').edge('c', 'br')
    ).objects
  })

export const secured = (): World => worldOf({ allowedAddresses: ALLOWED })

// How many of FRAMES the victim gets.
export function got(world: World, frame: PacketBuilder | Uint8Array): number {
  const bytes = frame instanceof Uint8Array ? frame : frame.frame()
  let count = 0
  for (let i = 0; i < FRAMES; i++)
    count += world.exchange('a', bytes).filter(({ port }) => port === 'b').length
  return count
}

export const ip = (src: string, dst = '10.0.0.9', mac = A): PacketBuilder =>
  eth(mac, B).ipv4(src, dst)
export const ip6 = (src: string, dst = 'fd00::9', mac = A): PacketBuilder =>
  eth(mac, B).ipv6(src, dst)
export const nd = (src: string, dst = ALL_NODES, mac = A): PacketBuilder =>
  eth(mac, '33:33:00:00:00:01').ipv6(src, dst, { hopLimit: 255 })
export const rawMac = parseMac

export const cut = (frame: Uint8Array, length: number): Uint8Array => {
  const copy = frame.slice(0, length)
  new DataView(copy.buffer).setUint16(14 + 4, length - 14 - 40)
  return copy
}

export const udp = (from: PacketBuilder): PacketBuilder => from.udp(1000, 2000).payload(20)

export const HONEST: Readonly<Record<string, PacketBuilder>> = {
  'IPv4 from an address of its own': udp(ip('10.0.0.5')),
  'IPv4 from a network of its own': udp(ip('10.0.1.77')),
  'IPv4 of its second station': udp(ip('10.0.0.100', '10.0.0.9', OTHER)),
  'IPv6 from an address of its own': udp(ip6('fd00::5')),
  'IPv6 from a network of its own': udp(ip6('fd00:1::77')),
  'IPv6 from the link-local address of its MAC': udp(ip6(LINK_LOCAL)),
  'a ping': ip('10.0.0.5').icmpEcho(1, 1),
  'a ping of IPv6': ip6('fd00::5').icmpv6Echo(1, 1),
  'a question for a neighbour': arpRequest(A, '10.0.0.5', '10.0.0.9'),
  'an answer about itself': eth(A, B).arpReply(A, '10.0.0.5', B, '10.0.0.9'),
  'an answer about its other station': eth(A, B).arpReply(OTHER, '10.0.0.100', B, '10.0.0.9'),
  'a probe for an address of its own': arpRequest(A, '0.0.0.0', '10.0.0.5'),
  'an announcement': arpRequest(A, '10.0.0.5', '10.0.0.5'),
  'a question of DHCP': eth(A, ALL).ipv4('0.0.0.0', '255.255.255.255').udp(68, 67).payload(50),
  'a renewal of DHCP': ip('10.0.0.5').udp(68, 67).payload(50),
  'a question of DHCPv6': nd(LINK_LOCAL, 'ff02::1:2').udp(546, 547).payload(20),
  'a neighbour solicitation': nd('fd00::5').ns('fd00::9', { mac: rawMac(A) }),
  'one without an option': nd('fd00::5').ns('fd00::9'),
  'a probe for duplicates': nd('::', 'ff02::1:ff00:5').ns('fd00::5'),
  'a probe for its link-local address': nd('::', 'ff02::1:ff00:a').ns(LINK_LOCAL),
  'an advertisement': nd('fd00::5').na('fd00::5', { mac: rawMac(A), flags: OVERRIDE }),
  'an advertisement without an option': nd('fd00::5').na('fd00::5', { flags: OVERRIDE }),
  'an advertisement of its other station': nd('fd00::5').na('fd00::100', {
    mac: rawMac(OTHER),
    flags: OVERRIDE
  }),
  'a router solicitation': nd(LINK_LOCAL).icmpv6(133),
  'a router solicitation from nobody': nd('::').icmpv6(133),
  'a report of groups': nd('::', 'ff02::16').extension('hop-by-hop').icmpv6(143),
  'DNS to a high port': ip('10.0.0.5').udp(53, 40_000),
  'to port 67 and 69': ip('10.0.0.5').udp(5000, 69),
  'another protocol': eth(A, B, 0x88b5).payload(46)
}
