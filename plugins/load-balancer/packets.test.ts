// Packets that are no plain part of a connection: ICMP errors about one, fragments, and what is
// asked on the link of a VIP.

import assert from 'node:assert/strict'
import test from 'node:test'
import { arpRequest, eth, type PacketBuilder, solicit } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import type { PortName } from '../router/fixture.test.ts'
import {
  BalancedLab,
  CLIENT,
  CLIENT6,
  endsOf,
  hostIp,
  hostIp6,
  hostMac,
  MEMBERS,
  member,
  portMac,
  VIP,
  VIP6,
  vip
} from './fixture.test.ts'

const UDP_VIP = vip({ protocol: 'udp', port: 53 })
const ASK = { udp: true, port: 53 }

const lab4 = (): BalancedLab => new BalancedLab({ vips: [UDP_VIP], members: [member('d2')] })
const lab6 = (): BalancedLab =>
  new BalancedLab({
    vips: [vip({ protocol: 'udp', port: 53, address: VIP6 })],
    members: [member('d2', { address: hostIp6.d2 })]
  })

const said = (lab: BalancedLab, at: PortName, packet: PacketBuilder): string =>
  lab
    .exchange(at, packet)
    .map(({ port, frame }) => `${port}: ${describeFrame(frame)}`)
    .join()

// What a host behind a port says in an error, about a frame without its link layer.
const about = (at: PortName, src: string, dst: string, frame: Uint8Array): PacketBuilder => {
  const l2 = eth(hostMac(at), portMac(at))
  return src.includes(':')
    ? l2.ipv6(src, dst).icmpv6(1, 4).payload(frame.subarray(14))
    : l2.ipv4(src, dst).icmp(3, 3).payload(frame.subarray(14))
}

test('an error of the member about a client: as if the VIP said it, about the VIP', () => {
  const lab = lab4()
  const [out] = lab.exchange('up', lab.packet(1000, ASK))
  assert.equal(out!.port, 'd2')
  const text = said(lab, 'd2', about('d2', hostIp.d2, CLIENT, out!.frame))
  assert.match(text, /^up: .*IPv4 200\.0\.0\.1 > 50\.0\.0\.7 /)
  assert.match(text, /about \{IPv4 50\.0\.0\.7 > 200\.0\.0\.1 .*UDP 1000 > 53/)
})

test('B1: an error of a router before the member: as if the VIP said it', () => {
  const lab = lab4()
  const [out] = lab.exchange('up', lab.packet(1000, ASK))
  const text = said(lab, 'd2', about('d2', '10.0.2.77', CLIENT, out!.frame))
  assert.match(text, /^up: .*IPv4 200\.0\.0\.1 > 50\.0\.0\.7 /)
  assert.match(text, /about \{IPv4 50\.0\.0\.7 > 200\.0\.0\.1 .*UDP 1000 > 53/)
})

test('an error on the way to the client: reaches the member, about what it sent', () => {
  const lab = lab4()
  const given = lab.try(1000, ASK)!
  const l2 = eth(hostMac('d2'), portMac('d2'))
  const answer = l2.ipv4(given.packet.dst, CLIENT).udp(8080, 1000).payload('answer')
  const [out] = lab.exchange('d2', answer)
  assert.equal(endsOf(out!).src, VIP)
  const text = said(lab, 'up', about('up', '60.0.0.1', VIP, out!.frame))
  assert.match(text, /^d2: .*IPv4 60\.0\.0\.1 > 10\.0\.2\.10 /)
  assert.match(text, /about \{IPv4 10\.0\.2\.10 > 50\.0\.0\.7 .*UDP 8080 > 1000/)
})

test('errors of IPv6, both ways', () => {
  const lab = lab6()
  const [out] = lab.exchange('up', lab.packet(1000, { ...ASK, to: VIP6 }))
  const back = said(lab, 'd2', about('d2', hostIp6.d2, CLIENT6, out!.frame))
  assert.match(back, /^up: .*IPv6 2001:db8:200::1 > 2001:db8:50::7 /)
  assert.match(back, /about \{IPv6 2001:db8:50::7 > 2001:db8:200::1 .*UDP 1000 > 53/)
  const l2 = eth(hostMac('d2'), portMac('d2'))
  const answer = l2.ipv6(hostIp6.d2, CLIENT6).udp(8080, 1000).payload('answer')
  const [sent] = lab.exchange('d2', answer)
  const there = said(lab, 'up', about('up', '2001:db8:60::1', VIP6, sent!.frame))
  assert.match(there, /^d2: .*IPv6 2001:db8:60::1 > 2001:db8:2::10 /)
  assert.match(there, /about \{IPv6 2001:db8:2::10 > 2001:db8:50::7 .*UDP 8080 > 1000/)
})

test('an error about a connection that is not known is none of it', () => {
  const lab = lab4()
  const stray = eth(hostMac('d2'), portMac('d2')).ipv4(CLIENT, '1.2.3.4').udp(1, 2).payload('')
  assert.match(
    said(lab, 'd2', about('d2', hostIp.d2, CLIENT, stray.frame())),
    /^up: .*10\.0\.2\.10 >/
  )
})

test('fragments go where their first one goes', () => {
  const lab = new BalancedLab({ vips: [UDP_VIP] })
  const l2 = eth(hostMac('up'), portMac('up'))
  for (let sport = 1; sport <= 6; sport++) {
    const packet = l2.ipv4(CLIENT, VIP).udp(sport, 53).payload(2000)
    const out = packet.fragments(1500, sport).flatMap(frame => lab.exchange('up', frame))
    assert.equal(out.length, 2)
    assert.equal(out[0]!.port, out[1]!.port)
    const [first, second] = out.map(endsOf)
    assert.equal(first!.dst, second!.dst)
    assert.equal(first!.dport, 8080)
  }
  const [, alone] = l2.ipv4(CLIENT, VIP).udp(1, 53).payload(2000).fragments(1500, 99)
  assert.deepEqual(lab.exchange('up', alone!), [])
  assert.equal(lab.drops('load-balancer.fragment'), 0, 'its first may still come')
  lab.world.settle(5000)
  assert.equal(lab.drops('load-balancer.fragment'), 1)
})

test('a VIP on the link of a port: the router answers ARP and ND for it, while it is up', () => {
  const near4 = '10.0.1.99'
  const near6 = '2001:db8:1::99'
  const vips = [vip({ address: near4 }), vip({ address: near6 }, 'w')]
  const lab = new BalancedLab({ vips })
  const arp = (at: PortName): string => said(lab, at, arpRequest(hostMac(at), hostIp[at], near4))
  const nd = (): string => said(lab, 'd1', solicit(hostMac('d1'), hostIp6.d1, near6))
  assert.match(arp('d1'), /^d1: .*ARP .*10\.0\.1\.99 is-at 0a:00:00:00:01:01/)
  assert.match(nd(), /^d1: .*2001:db8:1::99/)
  assert.equal(arp('d2'), '', 'not on this link')
  for (const id of ['v', 'w']) lab.change('vip', id, { adminStateUp: false })
  assert.equal(arp('d1'), '')
  assert.equal(nd(), '')
})

test('a client on the link of a VIP reaches members on other links', () => {
  const lab = new BalancedLab({ vips: [vip({ address: '10.0.1.99' })], members: [member('d2')] })
  const syn = eth(hostMac('d1'), portMac('d1')).ipv4(hostIp.d1, '10.0.1.99')
  const [out] = lab.exchange('d1', syn.tcp(1000, 80, { flags: 'S' }))
  assert.equal(out!.port, 'd2')
  const back = eth(hostMac('d2'), portMac('d2')).ipv4(hostIp.d2, hostIp.d1)
  const [answer] = lab.exchange('d2', back.tcp(8080, 1000, { flags: 'SA' }))
  assert.equal(answer!.port, 'd1')
  assert.equal(endsOf(answer!).src, '10.0.1.99')
})

test('what is not for a VIP and not from a member is asked no more than it takes to know', () => {
  const lab = new BalancedLab({ members: MEMBERS.map(port => member(port)) })
  const l2 = eth(hostMac('d1'), portMac('d1'))
  lab.exchange('d1', l2.ipv4('10.0.1.50', hostIp.d2).udp(1, 2).payload(''))
  const before = lab.flows()
  for (let i = 0; i < 20; i++)
    lab.exchange(
      'd1',
      l2
        .ipv4('10.0.1.50', hostIp.d2)
        .udp(100 + i, 200)
        .payload('')
    )
  assert.equal(lab.flows(), before)
})
