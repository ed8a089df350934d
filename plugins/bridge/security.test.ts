// Port security, by real worlds: what a hostile station tries, and what an honest one needs.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { HIDING, READABLE } from '../../test/world/wrappings.ts'
import {
  A,
  ALL_NODES,
  B,
  cut,
  FRAMES,
  got,
  HONEST,
  ip,
  ip6,
  LINK_LOCAL,
  nd,
  OVERRIDE,
  rawMac,
  secured,
  udp
} from './secured.test.ts'

describe('C7: what an honest station sends goes through', () => {
  for (const [name, frame] of Object.entries(HONEST))
    test(name, () => {
      const world = secured()
      assert.equal(got(world, frame), FRAMES)
      assert.deepEqual(world.drops(), {})
    })

  test('fragments of its own', () => {
    const world = secured()
    for (const from of [ip('10.0.0.5'), ip6('fd00::5')]) {
      const fragments = from.udp(1000, 2000).payload(3000).fragments(1280)
      for (const fragment of fragments) assert.equal(got(world, fragment), FRAMES)
    }
  })
})

// The reason, and what is tried.
const HOSTILE: Readonly<Record<string, readonly [string, PacketBuilder | Uint8Array]>> = {
  "another's MAC": ['mac', udp(ip('10.0.0.5', '10.0.0.9', B))],
  "another's MAC, no IP": ['mac', eth('02:00:00:00:00:66', B, 0x88b5).payload(46)],
  'a group as MAC': ['mac', udp(ip('10.0.0.5', '10.0.0.9', '03:00:00:00:00:0a'))],
  "another's IPv4": ['ip', udp(ip('10.0.0.66'))],
  "another's IPv6": ['ip', udp(ip6('fd00::66'))],
  "the other station's IPv4": ['ip', udp(ip('10.0.0.100'))],
  "the other station's IPv6": ['ip', udp(ip6('fd00::100'))],
  "another's link-local address": ['ip', udp(ip6('fe80::66'))],
  'IPv4 from nobody': ['ip', udp(ip('0.0.0.0'))],
  'IPv6 from nobody': ['ip', udp(ip6('::'))],
  'a ping from nobody': ['ip', ip6('::').icmpv6Echo(1, 1)],
  "another's TCP": ['ip', ip('10.0.0.66').tcp(1, 2)],
  "another's options": [
    'ip',
    eth(A, B)
      .ipv4('10.0.0.66', '10.0.0.9', { options: new Uint8Array(8).fill(1) })
      .udp(1, 2)
  ],
  'IPv6 behind extension headers': [
    'ip',
    ip6('fd00::66').extension('hop-by-hop').extension('destination').udp(1, 2)
  ],
  "ARP: another's address at its own MAC": [
    'arp',
    eth(A, B).arpReply(A, '10.0.0.1', B, '10.0.0.9')
  ],
  'ARP: asked the same way': ['arp', arpRequest(A, '10.0.0.1', '10.0.0.9')],
  'ARP: announced': ['arp', arpRequest(A, '10.0.0.1', '10.0.0.1')],
  "ARP: its own address at another's MAC": [
    'arp',
    eth(A, B).arpReply(B, '10.0.0.5', B, '10.0.0.9')
  ],
  'ARP: addresses of two stations mixed': [
    'arp',
    eth(A, B).arpReply(A, '10.0.0.100', B, '10.0.0.9')
  ],
  "ARP: a probe for another's address": ['arp', arpRequest(A, '0.0.0.0', '10.0.0.9')],
  'ARP: an answer of nobody': ['arp', eth(A, B).arpReply(A, '0.0.0.0', B, '10.0.0.5')],
  "ND: another's address": ['nd', nd('fd00::5').na('fd00::1', { mac: rawMac(A), flags: OVERRIDE })],
  "ND: another's address, no option": ['nd', nd('fd00::5').na('fd00::1', { flags: OVERRIDE })],
  "ND: its own address at another's MAC": [
    'nd',
    nd('fd00::5').na('fd00::5', { mac: rawMac(B), flags: OVERRIDE })
  ],
  "ND: another's address from there": [
    'ip',
    nd('fd00::1').na('fd00::1', { mac: rawMac(A), flags: OVERRIDE })
  ],
  "ND: a probe for another's address": ['nd', nd('::', 'ff02::1:ff00:9').ns('fd00::9')],
  'ND: a solicitation that lies of its MAC': [
    'nd',
    nd('fd00::5').ns('fd00::9', { mac: rawMac(B) })
  ],
  "ND: a solicitation from another's address": [
    'ip',
    nd('fd00::1').ns('fd00::9', { mac: rawMac(A) })
  ],
  'ND: an advertisement from nobody': [
    'ip',
    nd('::').na('fd00::5', { mac: rawMac(A), flags: OVERRIDE })
  ],
  'ND: in a hop limit that crossed a router': [
    'nd',
    eth(A, B)
      .ipv6('fd00::5', ALL_NODES, { hopLimit: 64 })
      .na('fd00::5', { mac: rawMac(A), flags: OVERRIDE })
  ],
  'ND: in a fragment': [
    'nd',
    nd('fd00::5')
      .fragment6(7, 0, false)
      .na('fd00::1', { mac: rawMac(A), flags: OVERRIDE })
  ],
  'ND: behind options': [
    'nd',
    nd('fd00::5')
      .extension('destination')
      .na('fd00::1', { mac: rawMac(A), flags: OVERRIDE })
  ],
  'a router advertisement': ['ra', nd(LINK_LOCAL).icmpv6(134)],
  'a redirect': ['ra', nd(LINK_LOCAL).icmpv6(137)],
  'a router advertisement behind options': [
    'ra',
    nd(LINK_LOCAL).extension('hop-by-hop').icmpv6(134)
  ],
  'an answer of DHCP': ['dhcp', ip('10.0.0.5').udp(67, 68).payload(50)],
  'one from another port': ['dhcp', ip('10.0.0.5').udp(1067, 68).payload(50)],
  'an answer of DHCPv6': ['dhcp', ip6('fd00::5').udp(547, 546).payload(50)],
  'an answer of DHCPv6 behind options': [
    'dhcp',
    ip6('fd00::5').extension('destination').udp(547, 546).payload(50)
  ],
  'the first fragment of an answer of DHCP': [
    'dhcp',
    ip('10.0.0.5').udp(67, 68).payload(2000).fragments(1280)[0]!
  ],
  "a later fragment of another's IPv4": [
    'ip',
    udp(ip('10.0.0.66')).payload(2000).fragments(1280)[1]!
  ],
  "a later fragment of another's IPv6": [
    'ip',
    udp(ip6('fd00::66')).payload(2000).fragments(1280)[1]!
  ],
  'a first fragment without its ports': [
    'hidden',
    ip6('fd00::5')
      .fragment6(7, 0, true, 60)
      .payload(Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0))
  ],
  'IPv6 headers that lead nowhere': [
    'hidden',
    cut(ip6('fd00::5').extension('destination').udp(1, 2).frame(), 14 + 40 + 4)
  ]
}

describe('C7: what a hostile one tries does not', () => {
  for (const [name, [reason, frame]] of Object.entries(HOSTILE))
    for (const wrapping of ['plain', 'a priority tag', 'a VLAN', 'QinQ'])
      test(`${name}, in ${wrapping}`, () => {
        const world = secured()
        const bytes = frame instanceof Uint8Array ? frame : frame.frame()
        assert.equal(got(world, READABLE[wrapping]!(bytes)), 0)
        const drops = world.drops()
        assert.deepEqual(Object.keys(drops), [`drop.bridge.port-security-${reason}`])
        assert.equal(world.store.table('mac/br').size, 0, 'nothing is learned of it')
      })

  for (const [wrapping, wrap] of Object.entries(HIDING))
    test(`nothing in ${wrapping}`, () => {
      const world = secured()
      for (const frame of [udp(ip('10.0.0.5')), arpRequest(A, '10.0.0.1', '10.0.0.9')])
        assert.equal(got(world, wrap(frame.frame())), 0)
      assert.ok(world.counter('drop.bridge.port-security-hidden') > 0)
    })
})
