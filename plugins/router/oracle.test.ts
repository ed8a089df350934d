// The two oracles on a routed network: a world that caches flows delivers what one that walks every
// packet delivers, and many hosts deliver what one host does.  Routes, ports and neighbours change
// on the way.

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { casesOf } from '../../test/cases.ts'
import bridge from '../bridge/index.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  type LabOptions,
  PORTS,
  type PortName,
  ping,
  portIp,
  portIp6,
  portObject,
  route,
  tell,
  topology,
  udp
} from './fixture.test.ts'
import router from './index.ts'

const DSTS = [
  ...PORTS.flatMap(port => [hostIp[port], hostIp6[port], portIp[port], portIp6[port]]),
  ...['77.1.2.3', '77.1.3.3', '77.9.9.9', '2a00:1::3', '2a00:2::3', '8.8.8.8', '2400::8']
]
const ROUTES = [
  { destination: '77.0.0.0/8', port: 'd2', gateway: hostIp.d2 },
  { destination: '77.1.0.0/16', type: 'blackhole' },
  { destination: '77.1.2.0/24', port: 'd3', gateway: hostIp.d3, source: '10.0.1.0/24' },
  { destination: '77.1.2.0/24', type: 'reject' },
  { destination: '0.0.0.0/0', port: 'd3', gateway: hostIp.d3, weight: 1 },
  { destination: '2a00::/16', port: 'd2', gateway: hostIp6.d2 },
  { destination: '2a00:1::/32', type: 'reject' },
  { destination: '::/0', port: 'd1', gateway: hostIp6.d1, weight: 1 }
]

// An ICMP error of the host behind a port, about something.
const about = (port: PortName, dst: string, ttl: number): PacketBuilder =>
  dst.includes(':')
    ? from(port).ipv6(hostIp6[port], dst, { hopLimit: ttl }).icmpv6(1, 3).payload(48)
    : from(port).ipv4(hostIp[port], dst, { ttl }).icmp(3, 1).payload(28)

type Step = (lab: Lab) => string[]

const port: fc.Arbitrary<PortName> = fc.constantFrom(...PORTS)
const packetStep: fc.Arbitrary<Step> = fc
  .record({
    port,
    dst: fc.constantFrom(...DSTS),
    sport: fc.nat(2),
    ttl: fc.constantFrom(1, 2, 3, 64, 255),
    kind: fc.constantFrom('udp', 'udp', 'ping', 'error', 'fragment')
  })
  .map(({ port, dst, sport, ttl, kind }) => {
    if (kind === 'ping') return lab => lab.told(port, ping(port, dst, sport))
    if (kind === 'error') return lab => lab.told(port, about(port, dst, ttl))
    const packet = udp(port, dst, sport, ttl)
    if (kind === 'udp') return lab => lab.told(port, packet)
    const pieces = packet.payload(1000).fragments(600)
    return lab => pieces.flatMap(piece => lab.told(port, piece))
  })
const routeStep: fc.Arbitrary<Step> = fc.nat(ROUTES.length - 1).map(i => lab => {
  if (lab.world.store.get('route', `r${i}`) === undefined) lab.add(route(`r${i}`, ROUTES[i]!))
  else lab.delete('route', `r${i}`)
  return []
})
const moveStep: fc.Arbitrary<Step> = fc.tuple(port, fc.nat(2)).map(([port, n]) => lab => {
  const mac = n === 0 ? hostMac(port) : `0a:00:00:00:0c:0${n}`
  const ip = hostIp[port]
  return lab.told(port, eth(mac, 'ff:ff:ff:ff:ff:ff').arpReply(mac, ip, mac, ip))
})
const closeStep: fc.Arbitrary<Step> = fc.tuple(port, fc.boolean()).map(([port, up]) => lab => {
  lab.change('port', port, { adminStateUp: up })
  return []
})
const waitStep: fc.Arbitrary<Step> = fc.constantFrom(10, 5000).map(ms => lab => {
  lab.world.settle(ms)
  return lab.world.delivered.splice(0).map(tell)
})
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: packetStep },
    { weight: 2, arbitrary: routeStep },
    { weight: 1, arbitrary: moveStep },
    { weight: 1, arbitrary: closeStep },
    { weight: 1, arbitrary: waitStep }
  ),
  { minLength: 5, maxLength: 40 }
)

function assertAlike(a: LabOptions, b: LabOptions, script: readonly Step[]): void {
  const one = new Lab(a)
  const other = new Lab(b)
  script.forEach((step, i) => {
    assert.deepEqual(step(other).sort(), step(one).sort(), `step ${i}`)
  })
}

const atHosts = (hosts: readonly string[]): LabOptions => ({
  objects: topology().map(object => {
    const i = PORTS.indexOf(object.value.id as PortName)
    return i < 0 ? object : portObject(PORTS[i]!, { host: hosts[i % hosts.length] })
  })
})

test('INV-01 the cache is transparent: routes, ports and neighbours change on the way', () => {
  fc.assert(
    fc.property(steps, script => assertAlike({ cache: false }, { cache: true }, script)),
    { numRuns: casesOf(60), seed: 1 }
  )
})

test('many hosts are one: the ports of a router on one, two and four hosts', () => {
  const hosts = fc.constantFrom(['h1', 'h2'], ['h1', 'h2', 'h3', 'h4'])
  fc.assert(
    fc.property(steps, hosts, (script, spread) =>
      assertAlike(atHosts(['h1']), atHosts(spread), script)
    ),
    { numRuns: casesOf(40), seed: 2 }
  )
})

test('a neighbour behind a bridge answers at one host, a packet at another goes on', () => {
  const lab = new Lab({
    plugins: [router, bridge],
    knows: ['d1'],
    objects: topology(
      { kind: 'bridge', value: { id: 'b', name: 'b' } },
      { kind: 'port', value: { id: 'bp', type: 'bridge', device: 'b', number: 50, peer: 'rp' } },
      {
        kind: 'port',
        value: {
          ...{ id: 'vm', type: 'bridge', device: 'b', number: 51, host: 'h2' },
          interface: 'vm'
        }
      },
      {
        kind: 'port',
        value: {
          ...{ id: 'rp', type: 'router', device: 'r', number: 52, peer: 'bp' },
          ...{ mac: '0a:00:00:00:01:52', addresses: ['10.5.0.1/24', 'fd05::1/64'] }
        }
      }
    )
  })
  const mac = '0a:00:00:00:05:05'
  for (const dst of ['10.5.0.5', 'fd05::5']) {
    const [asked] = lab.told('d1', udp('d1', dst))
    assert.ok(asked?.startsWith('vm: ') && asked.includes(`who-has ${dst}`), asked)
    const to = eth(mac, '0a:00:00:00:01:52')
    const answer = dst.includes(':')
      ? to.ipv6(dst, 'fd05::1', { hopLimit: 255 }).na(dst, { mac })
      : to.arpReply(mac, dst, '0a:00:00:00:01:52', '10.5.0.1')
    const [said] = lab.told('vm', answer)
    assert.ok(said?.startsWith(`vm: 0a:00:00:00:01:52 > ${mac}`), said)
  }
})
