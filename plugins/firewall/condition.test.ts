// Conditions: each one for a packet that has it and one that does not, straight and inverted; what
// they ask of the packet (laws.test.ts has their laws).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Word } from '../../src/flow/key.ts'
import type { SimulationContext } from '../../src/simulation/context.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { FilterBench, type Place } from '../../test/world/filter.ts'
import { Topology } from '../../test/world/objects.ts'
import firewall from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const v4 = eth(A, B).ipv4('10.1.2.3', '10.9.8.7', { tos: 0x20 })
const v6 = eth(A, B).ipv6('2001:db8:1::3', '2001:db8:2::7', { trafficClass: 0x20 })
const udp = v4.udp(1000, 40_000)
const tcp = v4.tcp(1000, 80)
const other = eth(A, B).ipv4('192.168.0.1', '192.168.0.2').udp(1, 2)
const arp = eth(A, 'ff:ff:ff:ff:ff:ff').arpRequest(A, '10.1.2.3', '10.9.8.7')
const unreachable = eth(A, B).ipv4('8.8.8.8', '10.1.2.3').icmp(3, 1).ipv4('10.1.2.3', '10.9.8.7')
const unreachable6 = eth(A, B)
  .ipv6('2001:db8::8', '2001:db8:1::3')
  .icmpv6(1)
  .ipv6('2001:db8:1::3', '2001:db8:2::7')

const groups = new Topology()
  .add('port-group', 'pg', { name: 'pg', ports: ['in', 'x'] })
  .add('port-group', 'none', { name: 'none' })
  .add('ip-group', 'ig', { name: 'ig', addresses: ['10.1.2.3', '10.9.8.7', '2001:db8:1::3'] })
  .add('ip-group', 'empty', { name: 'empty' }).objects

function drops(condition: object, packet: Packet): boolean {
  const topology = new Topology()
    .add('chain', 'chain', { name: 'chain' })
    .rule('chain', 1, 'drop', condition as Record<string, unknown>)
  const bench = new FilterBench(firewall, [...groups, ...topology.objects])
  const [frame, place] = 'frame' in packet ? [packet, {}] : packet
  return bench.run('chain', frame.frame(), place) === Verdict.drop
}

type Packet = PacketBuilder | readonly [PacketBuilder, Place]
interface Case {
  readonly field: string
  readonly beside?: object
  readonly value: unknown
  readonly yes: readonly Packet[]
  readonly no: readonly Packet[]
}

const cases: readonly Case[] = [
  {
    field: 'inPorts',
    value: ['p', 'in'],
    yes: [udp, arp, [udp, { inPort: 'p' }]],
    no: [[udp, { inPort: 'q' }]]
  },
  { field: 'inPorts', value: [], yes: [], no: [udp] },
  {
    field: 'outPorts',
    value: ['p', 'out'],
    yes: [[udp, { outPort: 'p' }]],
    no: [udp, [udp, { outPort: 'q' }]]
  },
  { field: 'inPortGroup', value: 'pg', yes: [udp], no: [[udp, { inPort: 'q' }]] },
  { field: 'inPortGroup', value: 'none', yes: [], no: [udp] },
  {
    field: 'outPortGroup',
    value: 'pg',
    yes: [[udp, { outPort: 'x' }]],
    no: [udp, [udp, { outPort: 'q' }]]
  },
  {
    field: 'portGroup',
    value: 'pg',
    yes: [[udp, { entry: 'x', inPort: 'q' }]],
    no: [udp, [udp, { entry: 'q' }]]
  },
  { field: 'traversedDevice', value: 'chain', yes: [udp], no: [] },
  { field: 'traversedDevice', value: 'elsewhere', yes: [], no: [udp] },
  { field: 'ethType', value: 0x0800, yes: [udp, v4], no: [arp, v6.udp(1, 2)] },
  { field: 'ethType', value: 0x86dd, yes: [v6.udp(1, 2)], no: [udp] },
  { field: 'ethType', value: 0xfffe, yes: [eth(A, B, 0xfffe).payload(50)], no: [udp] },
  { field: 'ethSrc', value: A, yes: [udp], no: [eth(B, A).payload(50)] },
  { field: 'ethDst', value: B, yes: [udp], no: [arp] },
  {
    field: 'ethSrc',
    beside: { ethSrcMask: '00:00:00:00:00:01' },
    value: '00:00:00:00:00:00',
    yes: [udp],
    no: [eth(B, A).payload(50)]
  },
  {
    field: 'ethDst', // CH-02
    beside: { ethDstMask: '01:00:00:00:00:00' },
    value: '01:00:00:00:00:00',
    yes: [arp, eth(A, '01:00:5e:00:00:01').payload(50)],
    no: [udp]
  },
  { field: 'tos', value: 0x20, yes: [udp, v6.udp(1, 2)], no: [other] },
  { field: 'tos', value: 0, yes: [other], no: [udp, arp] },
  { field: 'protocol', value: 'udp', yes: [udp, v6.udp(1, 2)], no: [tcp, arp] },
  { field: 'protocol', value: 6, yes: [tcp], no: [udp] },
  { field: 'protocol', value: 'icmp', yes: [v4.icmpEcho(1, 1)], no: [arp, v6.icmpv6Echo(1, 1)] },
  { field: 'protocol', value: 'icmpv6', yes: [v6.icmpv6Echo(1, 1)], no: [v4.icmpEcho(1, 1)] },
  {
    field: 'protocol',
    beside: { ethType: 0x0806 },
    value: 1,
    yes: [arp],
    no: [eth(A, B).arpReply(A, '10.0.0.1', B, '10.0.0.2')]
  },
  { field: 'source', value: '10.1.0.0/16', yes: [udp, arp], no: [other, v6.udp(1, 2)] },
  { field: 'source', value: '10.1.2.3/32', yes: [udp], no: [other] },
  { field: 'source', value: '0.0.0.0/0', yes: [udp, other, arp], no: [v6.udp(1, 2)] },
  { field: 'source', value: '2001:db8:1::/48', yes: [v6.udp(1, 2)], no: [udp, arp] },
  { field: 'source', value: '2001:db8:1::2/127', yes: [v6.udp(1, 2)], no: [udp] },
  { field: 'source', value: '::/0', yes: [v6.udp(1, 2)], no: [udp] },
  { field: 'destination', value: '10.9.8.0/24', yes: [udp, arp], no: [other] },
  { field: 'destination', value: '2001:db8:2::/49', yes: [v6.udp(1, 2)], no: [udp] },
  { field: 'destination', value: '2001:db8:1::/48', yes: [], no: [v6.udp(1, 2)] },
  { field: 'sourcePorts', value: { start: 999, end: 1000 }, yes: [udp, tcp], no: [other, arp] },
  { field: 'destinationPorts', value: { start: 40_000, end: 65_535 }, yes: [udp], no: [tcp] },
  { field: 'destinationPorts', value: { start: 81 }, yes: [udp], no: [tcp, arp, v4] },
  { field: 'destinationPorts', value: { end: 80 }, yes: [tcp, other], no: [udp, arp] },
  {
    field: 'sourcePorts',
    beside: { protocol: 'icmp' },
    value: { start: 8, end: 8 },
    yes: [v4.icmpEcho(1, 1)],
    no: [unreachable, v4.icmpEcho(1, 1, { reply: true })]
  },
  {
    field: 'destinationPorts',
    beside: { protocol: 'icmp', sourcePorts: { start: 3, end: 3 } },
    value: { start: 1, end: 1 },
    yes: [unreachable],
    no: [v4.icmp(3, 3)]
  },
  { field: 'ipGroupSource', value: 'ig', yes: [udp, arp, v6.udp(1, 2)], no: [other] },
  { field: 'ipGroupDestination', value: 'ig', yes: [udp], no: [other, v6.udp(1, 2)] },
  { field: 'ipGroupSource', value: 'empty', yes: [], no: [udp, v6.udp(1, 2)] },
  { field: 'icmpDataSource', value: '10.1.2.0/24', yes: [unreachable], no: [udp, unreachable6] },
  { field: 'icmpDataDestination', value: '10.9.8.7/32', yes: [unreachable], no: [udp] },
  { field: 'icmpDataDestination', value: '10.1.2.3/32', yes: [], no: [unreachable, v4.icmp(3, 1)] },
  { field: 'icmpDataSource', value: '2001:db8:1::/48', yes: [unreachable6], no: [unreachable] },
  { field: 'icmpDataDestination', value: '2001:db8:2::/48', yes: [unreachable6], no: [v6] }
]

const inverted = (field: string): string =>
  `invert${field.charAt(0).toUpperCase()}${field.slice(1)}`

describe('4.4 conditions', () => {
  for (const { field, beside = {}, value, yes, no } of cases)
    test(`${field} ${JSON.stringify(value)} ${Object.keys(beside)}`, () => {
      const rule = { ...beside, [field]: value }
      for (const packet of yes) {
        assert.equal(drops(rule, packet), true)
        assert.equal(drops({ ...rule, [inverted(field)]: true }, packet), false)
        assert.equal(drops({ ...rule, condInvert: true }, packet), false)
      }
      for (const packet of no) {
        assert.equal(drops(rule, packet), false)
        assert.equal(drops({ ...rule, condInvert: true }, packet), true)
      }
    })

  test('inverted, a field the packet does not have matches', () => {
    assert.equal(drops({ source: '10.0.0.0/8', invertSource: true }, v6.udp(1, 2)), true)
    assert.equal(drops({ tos: 0, invertTos: true }, arp), true)
    const ports = { destinationPorts: { start: 80 }, invertDestinationPorts: true }
    assert.equal(drops(ports, arp), true)
  })

  test('INV-24 what is gone, empty or unknown matches nothing', () => {
    for (const rule of [
      { ipGroupSource: 'gone' },
      { ipGroupDestination: 'gone' },
      { ipGroupSource: 'empty' },
      { portGroup: 'gone' },
      { inPortGroup: 'gone' },
      { outPortGroup: 'gone' },
      { traversedDevice: 'gone' },
      { inPorts: [] },
      { outPorts: [] }
    ])
      assert.equal(drops(rule, udp), false, JSON.stringify(rule))
  })

  test('VLANs: none, or the outer tag', () => {
    const tagged = (vid: number): PacketBuilder => eth(A, B).vlan(vid).ipv4('1.1.1.1', '2.2.2.2')
    const stacked = eth(A, B).qinq(5).vlan(6).payload(50)
    const truth = [udp, tagged(5), tagged(0), stacked].map(packet => [
      drops({ noVlan: true }, packet),
      drops({ vlan: 5 }, packet),
      drops({ vlan: 6 }, packet),
      drops({ noVlan: false }, packet)
    ])
    assert.deepEqual(truth, [
      [true, false, false, true],
      [false, true, false, true],
      [true, false, false, true],
      [false, true, false, true]
    ])
  })

  test('several conditions must all hold; condInvert turns the whole', () => {
    const rule = { protocol: 'udp', source: '10.1.0.0/16' }
    assert.deepEqual(
      [udp, tcp, other].map(packet => drops(rule, packet)),
      [true, false, false]
    )
    const turned = { ...rule, condInvert: true }
    assert.deepEqual(
      [udp, tcp, other].map(packet => drops(turned, packet)),
      [false, true, true]
    )
    assert.equal(drops({ condInvert: true }, udp), false)
  })
})

describe('4.4 fragment policy', () => {
  const [first, later] = v4.udp(1, 80).payload(3000).fragments(1500)
  const [first6, later6] = v6.udp(1, 80).payload(3000).fragments(1500)
  const truth = {
    any: [true, true, true],
    header: [true, true, false],
    nonheader: [false, false, true],
    unfragmented: [true, false, false]
  }
  const dropsFrame = (condition: object, frame: Uint8Array): boolean => {
    const topology = new Topology()
      .add('chain', 'chain', { name: 'chain' })
      .rule('chain', 1, 'drop', condition as Record<string, unknown>)
    return new FilterBench(firewall, topology.objects).run('chain', frame) === Verdict.drop
  }
  for (const [fragmentPolicy, expected] of Object.entries(truth))
    test(`FRAG-01 ${fragmentPolicy}: unfragmented, first, later`, () => {
      for (const frames of [
        [udp.frame(), first!, later!],
        [v6.udp(1, 80).frame(), first6!, later6!]
      ]) {
        assert.deepEqual(
          frames.map(frame => dropsFrame({ fragmentPolicy }, frame)),
          expected
        )
        // Not turned by condInvert: what the policy excludes never matches.
        const turned = { fragmentPolicy, condInvert: true, protocol: 'tcp' }
        assert.deepEqual(
          frames.map(frame => dropsFrame(turned, frame)),
          expected
        )
      }
    })

  test('FRAG-01: a rule with ports looks at first fragments unless told otherwise', () => {
    const rule = { destinationPorts: { start: 80, end: 80 } }
    assert.deepEqual(
      [first!, later!].map(frame => dropsFrame(rule, frame)),
      [true, false]
    )
    const whole = { ...rule, fragmentPolicy: 'unfragmented' }
    assert.deepEqual(
      [first!, later!].map(frame => dropsFrame(whole, frame)),
      [false, false]
    )
  })
})

describe('what is asked', () => {
  const maskOf = (condition: object, packet: PacketBuilder): SimulationContext => {
    const topology = new Topology()
      .add('chain', 'chain', { name: 'chain' })
      .rule('chain', 1, 'drop', condition as Record<string, unknown>)
    const bench = new FilterBench(firewall, [...groups, ...topology.objects])
    bench.run('chain', packet.frame())
    return bench.ctx
  }

  test('a prefix asks for its own bits, up to the first word that differs', () => {
    const mask = maskOf({ source: '10.1.0.0/12' }, udp).key.mask
    assert.equal(mask[Word.ipSrc + 3], 0xfff00000 | 0)
    const v6mask = maskOf({ source: '2001:db8:1:8000::/49' }, v6.udp(1, 2)).key.mask
    assert.deepEqual([...v6mask.slice(Word.ipSrc, Word.ipSrc + 4)], [-1, 0xffff8000 | 0, 0, 0])
    const early = maskOf({ source: '2002::/128' }, v6.udp(1, 2)).key.mask
    assert.deepEqual([...early.slice(Word.ipSrc, Word.ipSrc + 4)], [-1, 0, 0, 0])
  })

  test('a condition that fails keeps the later ones from asking', () => {
    const mask = maskOf({ inPorts: ['q'], destinationPorts: { end: 80 } }, udp).key.mask
    assert.deepEqual(
      [...mask].filter((bits, i) => bits !== 0 && i !== Word.ipMisc),
      []
    )
  })

  test('only an ICMP error is opened, and then the outcome is not cached', () => {
    const rule = { icmpDataSource: '10.0.0.0/8' }
    assert.equal(maskOf(rule, udp).outcome.cacheable, true)
    assert.equal(maskOf(rule, v4.icmpEcho(1, 1)).outcome.cacheable, true)
    assert.equal(maskOf(rule, unreachable).outcome.cacheable, false)
  })
})
