// What a router port answers and whom it believes: ARP and neighbour discovery.

import assert from 'node:assert/strict'
import test from 'node:test'
import { arpRequest, eth, solicit } from '../../src/wire/builder.ts'
import { hostIp, hostIp6, hostMac, Lab, portIp, portIp6, portMac, udp } from './fixture.test.ts'

const EVIL = '0a:00:00:00:0e:0e'
const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const ours = portMac('d1')
const DAD_GROUP = 'ff02::1:ff00:1'

const macs = (lab: Lab, table = 'neighbour/d1'): Record<string, string> =>
  Object.fromEntries(
    [...lab.world.store.table(table)].map(([key, { value }]) => [key, value.slice(0, 17)])
  )

const na = (target: string, mac: string | undefined, flags?: number) =>
  eth(mac ?? EVIL, ours)
    .ipv6(target, portIp6.d1, { hopLimit: 255 })
    .na(target, { mac, ...(flags === undefined ? {} : { flags }) })

test('a request for the port is answered by it, and the asker is learned', () => {
  const lab = new Lab({ knows: [] })
  const mac = hostMac('d1')
  assert.deepEqual(lab.told('d1', arpRequest(mac, hostIp.d1, portIp.d1)), [
    `d1: ${ours} > ${mac} ARP ${portIp.d1} is-at ${ours} to ${hostIp.d1}`
  ])
  const [said] = lab.told('d1', solicit(mac, hostIp6.d1, portIp6.d1))
  assert.ok(said?.startsWith(`d1: ${ours} > ${mac} IPv6 ${portIp6.d1} > ${hostIp6.d1}`), said)
  assert.ok(said?.includes(`mac ${ours}`), said)
  assert.deepEqual(macs(lab), { [hostIp.d1]: mac, [hostIp6.d1]: mac })
})

test('RT-03 an ARP reply is believed only from the subnet of the port', () => {
  const lab = new Lab()
  const victim = udp('d2', hostIp.d1)
  for (const ip of [hostIp.d2, '8.8.8.8', '10.0.2.1'])
    lab.exchange('d1', eth(EVIL, ours).arpReply(EVIL, ip, ours, portIp.d1))
  assert.deepEqual(macs(lab), { [hostIp.d1]: hostMac('d1'), [hostIp6.d1]: hostMac('d1') })
  assert.equal(lab.world.counter('router.neighbour-refused'), 3)
  assert.ok(lab.told('d2', victim)[0]!.includes(` > ${hostMac('d1')} `))
  const inside = '10.0.1.33'
  lab.exchange('d1', eth(EVIL, ours).arpReply(EVIL, inside, ours, portIp.d1))
  assert.equal(macs(lab)[inside], EVIL)
})

test('RT-03 an advertisement is believed only from the subnet of the port', () => {
  const lab = new Lab()
  for (const ip of [hostIp6.d2, '2400::8', portIp6.d1]) lab.exchange('d1', na(ip, EVIL))
  assert.equal(lab.world.counter('router.neighbour-refused'), 3)
  const inside = '2001:db8:1::33'
  lab.exchange('d1', na(inside, EVIL))
  assert.equal(macs(lab)[inside], EVIL)
  assert.equal(macs(lab)[hostIp6.d2], undefined)
})

for (const { name, packet } of [
  {
    name: 'a reply for somebody else',
    packet: eth(EVIL, BROADCAST).arpReply(EVIL, '10.0.1.33', EVIL, '10.0.1.44')
  },
  {
    name: 'a reply to another MAC',
    packet: eth(EVIL, BROADCAST).arpReply(EVIL, '10.0.1.33', EVIL, portIp.d1)
  },
  { name: 'a request for a third party', packet: arpRequest(EVIL, '10.0.1.33', '10.0.1.44') },
  { name: 'an asker from another subnet', packet: arpRequest(EVIL, '10.0.9.33', portIp.d1) },
  { name: 'the address of the port itself', packet: arpRequest(EVIL, portIp.d1, portIp.d1) },
  { name: 'the broadcast address', packet: arpRequest(EVIL, '10.0.1.255', portIp.d1) },
  {
    name: 'a group MAC',
    packet: eth(EVIL, ours).arpReply('01:00:5e:00:00:01', '10.0.1.33', ours, portIp.d1)
  },
  {
    name: 'a frame to another MAC',
    packet: eth(EVIL, EVIL).arpReply(EVIL, '10.0.1.33', ours, portIp.d1)
  },
  {
    name: 'an advertisement that crossed a router',
    packet: eth(EVIL, ours)
      .ipv6('2001:db8:1::33', portIp6.d1, { hopLimit: 254 })
      .na('2001:db8:1::33', { mac: EVIL })
  },
  {
    name: 'a solicitation from another subnet',
    packet: solicit(EVIL, '2001:db8:9::33', portIp6.d1)
  }
])
  test(`not learned: ${name}`, () => {
    const lab = new Lab({ knows: [] })
    lab.exchange('d1', packet)
    assert.deepEqual(macs(lab), {})
  })

test('there is no proxy ARP: what asks for others is dropped, by a flow', () => {
  const lab = new Lab()
  for (const dst of ['10.0.1.77', hostIp.d2, portIp.d2, '8.8.8.8'])
    assert.deepEqual(lab.told('d1', arpRequest(hostMac('d1'), hostIp.d1, dst)), [])
  assert.equal(lab.drops('router.arp-not-for-us'), 4)
  assert.equal(lab.flows() >= 4, true)
  assert.deepEqual(lab.told('d1', solicit(hostMac('d1'), hostIp6.d1, '2001:db8:1::77')), [])
})

for (const operation of [1, 2])
  test(`GARP-02 an announcement moves a neighbour, and running flows follow (${operation})`, () => {
    const lab = new Lab()
    const packet = udp('d2', hostIp.d1)
    assert.ok(lab.told('d2', packet)[0]!.includes(` > ${hostMac('d1')} `))
    const moved = '0a:00:00:00:0c:0c'
    lab.exchange('d1', eth(moved, BROADCAST).arp(operation, moved, hostIp.d1, moved, hostIp.d1))
    assert.ok(lab.told('d2', packet)[0]!.includes(` > ${moved} `))
    lab.announce('d1')
    assert.ok(lab.told('d2', packet)[0]!.includes(` > ${hostMac('d1')} `))
  })

test('an advertisement without the override flag confirms but does not move', () => {
  const lab = new Lab()
  lab.exchange('d1', na(hostIp6.d1, EVIL, 0))
  assert.equal(macs(lab)[hostIp6.d1], hostMac('d1'))
  lab.exchange('d1', na(hostIp6.d1, EVIL, 0x2000_0000))
  assert.equal(macs(lab)[hostIp6.d1], EVIL)
})

test('RFC 5227: who probes for the address of the port hears that it is taken', () => {
  const lab = new Lab({ knows: [] })
  assert.deepEqual(lab.told('d1', arpRequest(EVIL, '0.0.0.0', portIp.d1)), [
    `d1: ${ours} > ${EVIL} ARP ${portIp.d1} is-at ${ours} to 0.0.0.0`
  ])
  assert.deepEqual(macs(lab), {})
})

test('RFC 4862: a probe for duplicates is answered to all nodes', () => {
  const lab = new Lab({ knows: [] })
  const probe = eth(EVIL, '33:33:ff:00:00:01').ipv6('::', DAD_GROUP, { hopLimit: 255 })
  const [said] = lab.told('d1', probe.ns(portIp6.d1))
  assert.ok(said?.startsWith(`d1: ${ours} > 33:33:00:00:00:01 IPv6 ${portIp6.d1} > ff02::1`), said)
  assert.deepEqual(macs(lab), {})
})

test('a unicast solicitation is answered (reachability)', () => {
  const lab = new Lab()
  const packet = eth(hostMac('d1'), ours)
    .ipv6(hostIp6.d1, portIp6.d1, { hopLimit: 255 })
    .ns(portIp6.d1, { mac: hostMac('d1') })
  assert.equal(lab.told('d1', packet).length, 1)
})

test('a bad checksum is not believed', () => {
  const lab = new Lab({ knows: [] })
  const frame = solicit(EVIL, '2001:db8:1::33', portIp6.d1).frame()
  frame[56]! ^= 0x55
  assert.deepEqual(lab.told('d1', frame), [])
  assert.deepEqual(macs(lab), {})
})
