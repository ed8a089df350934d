// A rule about what is in a frame is not passed by wrapping it: what cannot be read to its end is
// dropped by the first rule that asks for what is there.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arpRequest, eth } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import { HIDING, inSnap, READABLE, tagged } from '../../test/world/wrappings.ts'
import bridge from '../bridge/index.ts'
import firewall from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const FRAMES = 2

const v4 = eth(A, B).ipv4('10.0.0.66', '10.0.0.2').udp(1000, 53).payload(20).frame()
const v6 = eth(A, B).ipv6('fd00::66', 'fd00::2').udp(1000, 53).payload(20).frame()
const arp = arpRequest(A, '10.0.0.66', '10.0.0.2').frame()
const PACKETS: Readonly<Record<string, Uint8Array>> = { IPv4: v4, IPv6: v6, ARP: arp }

type Rules = readonly Readonly<Record<string, unknown>>[]
const drop = { action: 'drop' }
// Each stops all of PACKETS when nothing is wrapped.
const CHAINS: Readonly<Record<string, Rules>> = {
  'about types': [
    { ...drop, ethType: 0x0800 },
    { ...drop, ethType: 0x86dd },
    { ...drop, ethType: 0x0806 }
  ],
  'about sources': [
    { ...drop, source: '10.0.0.66/32' },
    { ...drop, source: 'fd00::66/128' }
  ],
  'about all but good sources': [
    { action: 'accept', source: '10.0.0.1/32' },
    { action: 'accept', source: 'fd00::1/128' },
    { ...drop, ethType: 0x0806 },
    { ...drop, ethType: 0x0800 },
    { ...drop, ethType: 0x86dd }
  ],
  'about destinations': [
    { ...drop, destination: '10.0.0.2/32' },
    { ...drop, destination: 'fd00::2/128' }
  ],
  'about protocols': [
    { ...drop, protocol: 'udp' },
    { ...drop, ethType: 0x0806, protocol: 1 }
  ],
  'about no fragments': [{ ...drop, fragmentPolicy: 'unfragmented' }],
  inverted: [{ ...drop, source: '10.0.0.1/32', invertSource: true }],
  'inverted as a whole': [{ ...drop, destination: '10.0.0.1/32', condInvert: true }]
}

const PORTS = ['port in', 'port out'] as const

// `where` names what runs the chain.
function world(rules: Rules, where: 'port in' | 'port out' | 'bridge in'): World {
  const topology = new Topology()
    .bridge('br', where === 'bridge in' ? { inFilter: 'c' } : {})
    .edge('a', 'br', 'h1', where === 'port in' ? { inFilter: 'c' } : {})
    .edge('b', 'br', 'h1', where === 'port out' ? { outFilter: 'c' } : {})
    .add('chain', 'c', { name: 'c' })
  for (const [i, { action, ...rest }] of rules.entries())
    topology.rule('c', i + 1, String(action), rest)
  return new World({ plugins: [bridge, firewall], objects: topology.objects })
}

const passed = (to: World, frame: Uint8Array): number => {
  let count = 0
  for (let i = 0; i < FRAMES; i++) count += to.exchange('a', frame).length
  return count
}

for (const [name, rules] of Object.entries(CHAINS))
  for (const where of name === 'about sources' ? PORTS : (['port in'] as const))
    describe(`C2: a chain ${name}, at a ${where}`, () => {
      for (const [wrapping, wrap] of Object.entries({ ...READABLE, ...HIDING }))
        test(`is not passed in ${wrapping}`, () => {
          for (const [kind, packet] of Object.entries(PACKETS))
            assert.equal(passed(world(rules, where), wrap(packet)), 0, kind)
        })
    })

describe('C2: what hides is dropped by name', () => {
  for (const [wrapping, wrap] of Object.entries(HIDING))
    test(wrapping, () => {
      const at = world([{ action: 'drop', source: '192.0.2.0/24' }], 'port in')
      assert.equal(passed(at, wrap(arp)), 0)
      assert.ok(at.counter('drop.firewall.hidden-network') > 0)
    })

  test('a bridge chain, which sees what is untagged or has priority tags', () => {
    const at = world([{ action: 'drop', source: '10.0.0.66/32' }], 'bridge in')
    for (const packet of Object.values(PACKETS).filter(each => each !== v6))
      for (const tags of [1, 2, 3, 4])
        for (const type of [0x8100, 0x88a8]) {
          const list = Array.from({ length: tags }, () => [type, 0] as const)
          assert.equal(passed(at, tagged(packet, ...list)), 0)
        }
    assert.equal(passed(at, inSnap(v4)), 0)
  })
})

describe('C2: headers that do not hold together', () => {
  const edited = (frame: Uint8Array, edit: (view: DataView) => void): Uint8Array => {
    const copy = frame.slice()
    edit(new DataView(copy.buffer))
    return copy
  }
  const broken: Readonly<Record<string, Uint8Array>> = {
    'IPv4 with a header length of four words': edited(v4, view => view.setUint8(14, 0x44)),
    'IPv4 with a header length of none': edited(v4, view => view.setUint8(14, 0x40)),
    'IPv4 of version 6': edited(v4, view => view.setUint8(14, 0x65)),
    'IPv4 longer than its frame': edited(v4, view => view.setUint16(16, 1500)),
    'IPv4 shorter than its header': edited(v4, view => view.setUint16(16, 19)),
    'IPv4 with options beyond its end': edited(v4, view => view.setUint8(14, 0x4f)),
    'IPv4 cut short': v4.slice(0, 14 + 12),
    'IPv6 cut short': v6.slice(0, 14 + 30),
    'IPv6 longer than its frame': edited(v6, view => view.setUint16(18, 1500)),
    'IPv6 of version 4': edited(v6, view => view.setUint8(14, 0x45)),
    'ARP cut short': arp.slice(0, 14 + 20),
    'ARP of 802 hardware, which Linux takes': edited(arp, view => view.setUint16(14, 6)),
    'ARP of another protocol': edited(arp, view => view.setUint16(16, 0x0801)),
    'ARP of other address lengths': edited(arp, view => view.setUint8(19, 16))
  }
  for (const [name, frame] of Object.entries(broken))
    test(name, () => {
      for (const wrap of [READABLE.plain!, READABLE['a VLAN']!, READABLE.QinQ!]) {
        const at = world([{ action: 'drop', source: '192.0.2.0/24' }], 'port in')
        assert.equal(passed(at, wrap(frame)), 0)
        assert.ok(at.counter('drop.firewall.hidden-network') > 0)
        const open = world([{ action: 'drop', ethSrc: B }], 'port in')
        assert.equal(passed(open, wrap(frame)), FRAMES, 'where no rule asks, it passes')
      }
    })

  test('options are no disguise', () => {
    const options = new Uint8Array(40).fill(1)
    const frame = eth(A, B).ipv4('10.0.0.66', '10.0.0.2', { options }).udp(1000, 53).frame()
    const at = world([{ action: 'drop', protocol: 'udp', source: '10.0.0.66/32' }], 'port in')
    assert.equal(passed(at, frame), 0)
  })
})

describe('C2: what is a payload of its own stays one', () => {
  const rules = [{ action: 'drop', source: '10.0.0.66/32' }]
  test('frames of other types, and of LLC that carries no network', () => {
    for (const type of [0x88cc, 0x8863, 0x8864, 0x8847, 0x88e5])
      assert.equal(passed(world(rules, 'port in'), eth(A, B, type).payload(60).frame()), FRAMES)
    const bpdu = eth(A, B, 38)
      .payload(Uint8Array.of(0x42, 0x42, 3, 0, 0))
      .frame()
    assert.equal(passed(world(rules, 'port in'), bpdu), FRAMES)
  })

  test('what is in GRE', () => {
    const gre = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').gre().payload(v4).frame()
    assert.equal(passed(world(rules, 'port in'), gre), FRAMES)
  })
})
