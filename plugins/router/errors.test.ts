// When a router speaks up and when it keeps silent: filters, fragments, and INV-15.

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { eth } from '../../src/wire/builder.ts'
import type { WorldObject } from '../../test/world/store.ts'
import firewall from '../firewall/index.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  keyOf,
  Lab,
  type LabOptions,
  ping,
  portIp6,
  portMac,
  topology,
  udp
} from './fixture.test.ts'
import router from './index.ts'

const rule = (action: string, fields: Record<string, unknown> = {}): WorldObject[] => [
  { kind: 'chain', value: { id: 'chain', name: 'chain' } },
  { kind: 'rule', value: { id: 'rule', chain: 'chain', position: 1, action, ...fields } }
]

const filtered = (where: string, rules: WorldObject[], options: LabOptions = {}): Lab => {
  const [, ...rest] = topology(...rules)
  const own = { kind: 'router', value: { id: 'r', [where]: 'chain' } }
  return new Lab({ plugins: [router, firewall], objects: [own, ...rest], ...options })
}

// Routes of nobody: every packet that is not for a connected network has no route.
const lost = (options: LabOptions = {}): Lab =>
  new Lab({ objects: topology().filter(({ kind }) => kind !== 'route'), ...options })

for (const where of ['inFilter', 'outFilter']) {
  test(`${where}: REJECT tells the sender 3/13 or 1/1, DROP nothing`, () => {
    const lab = filtered(where, rule('reject', { protocol: 'udp' }))
    assert.match(lab.told('d1', udp('d1', hostIp.d2)).join(), /^d1: .*ICMP unreachable code 13/)
    assert.match(lab.told('d1', udp('d1', hostIp6.d2)).join(), /^d1: .*ICMPv6 unreachable code 1/)
    assert.match(lab.told('d1', ping('d1', hostIp.d2)).join(), /^d2: /)
    lab.change('rule', 'rule', { action: 'drop' })
    assert.deepEqual(lab.told('d1', udp('d1', hostIp.d2)), [])
    lab.change('rule', 'rule', { action: 'accept' })
    assert.equal(lab.exitOf('d1', udp('d1', hostIp.d2)), 'd2')
  })
}

test('a filter of a port: REJECT is told by the port the packet came in by', () => {
  for (const where of ['inFilter', 'outFilter'] as const) {
    const lab = new Lab({ plugins: [router, firewall], objects: topology(...rule('reject')) })
    lab.change('port', where === 'inFilter' ? 'd1' : 'd2', { [where]: 'chain' })
    const [said] = lab.told('d1', udp('d1', hostIp.d2, 1, 64))
    assert.match(said!, /^d1: .*IPv4 10\.0\.1\.1 > 10\.0\.1\.10 .*unreachable code 13/)
    // As it entered: the hop that it lost since is not in the quote.
    assert.match(said!, /about \{IPv4 10\.0\.1\.10 > 10\.0\.2\.10 ttl 64 /)
  }
})

test('SR-18 a ping passes the in-filter, and its answer the out-filter', () => {
  for (const filter of ['inFilter', 'outFilter'] as const) {
    const closed = filtered(filter, rule('drop'))
    assert.equal(closed.exitOf('d1', ping('d1', '10.0.2.1')), '', filter)
    const open = filtered(filter, rule('accept'))
    assert.equal(open.exitOf('d1', ping('d1', '10.0.2.1')), 'd1', filter)
  }
  const fromThere = filtered('outFilter', rule('drop', { source: '10.0.2.1/32' }))
  assert.equal(fromThere.exitOf('d1', ping('d1', '10.0.2.1')), '')
  assert.equal(fromThere.exitOf('d1', ping('d1', '10.0.1.1')), 'd1')
})

test('B7: FRAG-02 a fragment that the in-filter drops is dropped in silence', () => {
  const rules = rule('drop', { fragmentPolicy: 'any', protocol: 'udp' })
  const lab = filtered('inFilter', rules)
  const all = udp('d1', hostIp.d2).payload(2000).fragments(1500)
  const all6 = udp('d1', hostIp6.d2).payload(2000).fragments(1500)
  for (const fragment of [...all, ...all6]) assert.deepEqual(lab.told('d1', fragment), [])
  lab.delete('rule', 'rule')
  for (const fragment of all) assert.equal(lab.exitOf('d1', fragment), 'd2')
})

const unreachable4 = (): Uint8Array =>
  from('d1').ipv4(hostIp.d1, '8.8.8.8').icmp(3, 1).payload(28).frame()

for (const { name, packet } of [
  { name: 'an ICMP error', packet: unreachable4() },
  { name: 'an ICMPv6 error', packet: from('d1').ipv6(hostIp6.d1, '2400::8').icmpv6(1, 3) },
  { name: 'an ICMPv6 redirect', packet: from('d1').ipv6(hostIp6.d1, '2400::8').icmpv6(137) },
  { name: 'an unknown ICMP type', packet: from('d1').ipv4(hostIp.d1, '8.8.8.8').icmp(99) },
  { name: 'a later fragment', packet: udp('d1', '8.8.8.8').payload(2000).fragments(1500)[1]! },
  {
    name: 'a frame to everyone',
    packet: eth(hostMac('d1'), 'ff:ff:ff:ff:ff:ff').ipv4(hostIp.d1, '8.8.8.8')
  },
  {
    name: 'a frame to another MAC',
    packet: eth(hostMac('d1'), portMac('d2')).ipv4(hostIp.d1, '8.8.8.8')
  },
  { name: 'a sender that is a group', packet: from('d1').ipv4('224.0.0.9', '8.8.8.8') },
  { name: 'a sender in loopback', packet: from('d1').ipv4('127.0.0.9', '8.8.8.8') },
  { name: 'no sender', packet: from('d1').ipv4('0.0.0.0', '8.8.8.8') },
  { name: 'no IPv6 sender', packet: from('d1').ipv6('::', '2400::8') },
  { name: 'an IPv6 sender that is a group', packet: from('d1').ipv6('ff02::5', '2400::8') },
  { name: 'limited broadcast', packet: from('d1').ipv4(hostIp.d1, '255.255.255.255') }
])
  test(`INV-15 no error about ${name}`, () => {
    const lab = lost()
    assert.deepEqual(lab.told('d1', packet instanceof Uint8Array ? packet : packet.udp(1, 2)), [])
  })

test('INV-15 silence about one packet is not silence about the next of the same sender', () => {
  const fragments = lost()
  const later = udp('d1', '8.8.8.8').payload(2000).fragments(1500)[1]!
  assert.deepEqual(fragments.told('d1', later), [])
  assert.equal(fragments.flows() > 0, true)
  assert.equal(fragments.told('d1', udp('d1', '8.8.8.8')).length, 1)
  const lab = lost()
  assert.deepEqual(lab.told('d1', unreachable4()), [])
  assert.equal(lab.told('d1', ping('d1', '8.8.8.8')).length, 1)
})

test('INV-15 no error about a packet to the broadcast address of the subnet it came from', () => {
  const lab = lost()
  lab.change('router', 'r', { adminStateUp: false })
  assert.deepEqual(lab.told('d1', udp('d1', '10.0.1.255')), [])
  assert.equal(lab.told('d1', udp('d1', '10.0.1.254')).length, 1)
})

test('an error is not given for want of an address to speak from', () => {
  const lab = lost()
  lab.change('port', 'd1', { addresses: [`${portIp6.d1}/64`] })
  assert.deepEqual(lab.told('d1', udp('d1', '8.8.8.8')), [])
  assert.equal(lab.told('d1', udp('d1', '2400::8')).length, 1)
})

test('INV-15 a flow gets a few errors at once, then one per interval; others get theirs', () => {
  const lab = lost()
  const errors = (sport: number, times: number): number => {
    let count = 0
    for (let i = 0; i < times; i++) count += lab.told('d1', udp('d1', '8.8.8.8', sport)).length
    return count
  }
  assert.equal(errors(1, 100), 3)
  assert.equal(errors(2, 1), 1)
  assert.equal(lab.world.counter('router.errors-limited'), 97)
  lab.world.settle(1100)
  assert.equal(errors(1, 100), 1)
})

test('INV-15 whatever comes in, no error about errors, groups, later fragments', () => {
  const lab = lost()
  const byte = fc.nat(255)
  const packet = fc.record({
    dstMac: fc.constantFrom(portMac('d1'), portMac('d2'), 'ff:ff:ff:ff:ff:ff', '01:00:5e:01:01:01'),
    src: fc.constantFrom(
      hostIp.d1,
      '0.0.0.0',
      '127.0.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '9.9.9.9'
    ),
    dst: fc.constantFrom('8.8.8.8', '224.0.0.1', '255.255.255.255', '10.0.1.255', '127.0.0.1'),
    protocol: fc.constantFrom(1, 6, 17, 47),
    offset: fc.constantFrom(0, 0, 8),
    type: byte,
    ttl: byte
  })
  let answered = 0
  fc.assert(
    fc.property(packet, p => {
      const base = eth(hostMac('d1'), p.dstMac)
      const ip = base.ipv4(p.src, p.dst, {
        ttl: p.ttl,
        protocol: p.protocol,
        fragmentOffset: p.offset
      })
      const frame = ip.payload(Uint8Array.of(p.type, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)).frame()
      lab.world.settle(1000)
      const said = lab.exchange('d1', frame).filter(each => keyOf(each.frame).ipProto === 1)
      answered += said.length
      const isQuery = [0, 8, 13, 14, 15, 16, 17, 18].includes(p.type)
      const deserves =
        p.dstMac === portMac('d1') &&
        (p.src === hostIp.d1 || p.src === '9.9.9.9') &&
        p.dst === '8.8.8.8' &&
        p.offset === 0 &&
        (p.protocol !== 1 || isQuery)
      assert.ok(said.length <= (deserves ? 1 : 0), JSON.stringify(p))
    }),
    { numRuns: 400, seed: 15 }
  )
  assert.ok(answered > 0)
})
