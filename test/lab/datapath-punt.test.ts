// Which frames of an uplink go to the control plane beside it, frame by frame: an interface, our
// end of a veth pair and the frames that arrive at either's other end. Runs on old kernels too.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { SeededRandom } from '../../src/core/random.ts'
import type { EbpfDatapath } from '../../src/datapath/ebpf/ebpf.ts'
import { type PortPunt, PUNT_RATES, readPuntRules } from '../../src/datapath/punt.ts'
import { parseMac } from '../../src/wire/address.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../../src/wire/builder.ts'
import { type Arrival, FrameBench, hex } from './datapath-frames.ts'
import { canRun } from './datapath-lab.ts'

const PORT_MAC = '02:00:00:00:09:01'
const PEER_MAC = '02:00:00:00:09:02'
const [V4, PEER4, OTHER4] = ['10.9.0.1', '10.9.0.2', '10.9.0.9']
const [V6, PEER6, OTHER6] = ['fd09::1', 'fd09::2', 'fd09::9']
const [UPLINK, BESIDE] = [0, 1]
const PORT = '7a1d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
const rules = {
  ...{ interface: 'h1', addresses: [V4, V6], peers: [PEER4, PEER6] },
  services: [{ protocol: 'udp', port: 161 }]
} as const

const frame = (): PacketBuilder => eth(PEER_MAC, PORT_MAC)
const v4 = (from = PEER4, to = V4, ttl = 64): PacketBuilder => frame().ipv4(from, to, { ttl })
const v6 = (from = PEER6, to = V6, hopLimit = 64): PacketBuilder =>
  frame().ipv6(from, to, { hopLimit })

type Fate = 'taken' | 'copied' | 'ordinary' | 'strangers' | 'fragments'
type Case = readonly [Fate, string, string, PacketBuilder]

const cases: readonly Case[] = [
  ['taken', 'peer-neighbour', 'ARP request for our address', arpRequest(PEER_MAC, PEER4, V4)],
  ['taken', 'neighbour', 'the same of a stranger', arpRequest(PEER_MAC, OTHER4, V4)],
  ['ordinary', '', 'ARP request for another', arpRequest(PEER_MAC, PEER4, OTHER4)],
  ['copied', 'peer-neighbour', 'ARP reply to us', frame().arpReply(PEER_MAC, PEER4, PORT_MAC, V4)],
  ['ordinary', '', 'ARP reply to another', frame().arpReply(PEER_MAC, PEER4, PORT_MAC, OTHER4)],
  ['copied', 'peer-neighbour', 'ARP that tells of a new MAC', arpRequest(PEER_MAC, PEER4, PEER4)],
  ['ordinary', '', 'ARP that is cut short', eth(PEER_MAC, PORT_MAC, 0x0806).payload(20)],
  ['taken', 'peer-neighbour', 'solicitation of our address', solicit(PEER_MAC, PEER6, V6)],
  ['ordinary', '', 'solicitation of another', solicit(PEER_MAC, PEER6, OTHER6)],
  ['taken', 'peer-neighbour', 'solicitation sent to us alone', v6(PEER6, V6, 255).ns(V6)],
  ['copied', 'peer-neighbour', 'advertisement to us', v6(PEER6, V6, 255).na(PEER6)],
  ['copied', 'peer-neighbour', 'advertisement to all', v6(PEER6, 'ff02::1', 255).na(PEER6)],
  ['ordinary', '', 'advertisement to another', v6(PEER6, OTHER6, 255).na(PEER6)],
  ['ordinary', '', 'router advertisement', v6(PEER6, 'ff02::1', 255).icmpv6(134)],
  ['taken', 'icmp', 'echo request', v4(OTHER4).icmpEcho(1, 1).payload(56)],
  ['taken', 'icmp', 'echo request, IPv6', v6(OTHER6).icmpv6Echo(1, 1).payload(56)],
  ['ordinary', '', 'echo request to another', v4(PEER4, OTHER4).icmpEcho(1, 1)],
  ['ordinary', '', 'echo reply', v4().icmpEcho(1, 1, { reply: true })],
  ['ordinary', '', 'echo reply, IPv6', v6().icmpv6Echo(1, 1, { reply: true })],
  ['ordinary', '', 'port unreachable', v4().icmp(3, 3).payload(28)],
  ['ordinary', '', 'packet too big', v6().icmpv6(2, 0, 1400).payload(48)],
  ['taken', 'icmp', 'too big: BGP of ours to a peer', tooBig4(PEER4, [40000, 179])],
  ['taken', 'icmp', 'too big: an answer of ours to a peer', tooBig4(PEER4, [179, 40000])],
  ['taken', 'icmp', 'too big: the same, IPv6', tooBig6(PEER6, [40000, 179])],
  ['ordinary', '', 'too big: to a stranger', tooBig4(OTHER4, [40000, 179])],
  ['ordinary', '', 'too big: to a stranger, IPv6', tooBig6(OTHER6, [40000, 179])],
  ['ordinary', '', 'too big: no BGP', tooBig4(PEER4, [40000, 80])],
  ['ordinary', '', 'too big: no BGP, IPv6', tooBig6(PEER6, [40000, 80])],
  ['ordinary', '', 'too big: UDP', tooBig4(PEER4, [179, 179], 'udp')],
  ['ordinary', '', 'too big, for another', v4(OTHER4, OTHER4).icmp(3, 4, 1400).payload(inner4())],
  ['ordinary', '', 'unreachable: BGP of ours', v4(OTHER4).icmp(3, 1).payload(inner4())],
  ['taken', 'routing', 'BGP of a peer', v4().tcp(40000, 179)],
  ['taken', 'routing', 'BGP of a peer that was called', v4().tcp(179, 40000)],
  ['taken', 'routing', 'BGP of a peer, IPv6', v6().tcp(40000, 179)],
  ['taken', 'routing', 'BGP of a peer, IP options', frame().ipv4(PEER4, V4, options()).tcp(1, 179)],
  ['strangers', '', 'BGP of a stranger', v4(OTHER4).tcp(40000, 179)],
  ['strangers', '', 'BGP of a stranger, IPv6', v6(OTHER6).tcp(40000, 179)],
  ['ordinary', '', 'an answer from port 179 to whom we translated', v4(OTHER4).tcp(179, 40000)],
  ['ordinary', '', 'BGP that passes by', v4(PEER4, OTHER4).tcp(40000, 179)],
  ['ordinary', '', 'TCP of a peer to another port', v4().tcp(40000, 80)],
  ['ordinary', '', 'UDP 179', v4().udp(40000, 179)],
  ['taken', 'bfd', 'BFD', v4(PEER4, V4, 255).udp(49152, 3784).payload(24)],
  ['taken', 'bfd', 'BFD, IPv6', v6(PEER6, V6, 255).udp(49152, 3784).payload(24)],
  ['strangers', '', 'BFD that was routed', v4(PEER4, V4, 254).udp(49152, 3784).payload(24)],
  ['strangers', '', 'BFD of a stranger', v4(OTHER4, V4, 255).udp(49152, 3784).payload(24)],
  ['taken', 'bfd', 'BFD over several hops', v4(PEER4, V4, 250).udp(49152, 4784).payload(24)],
  ['strangers', '', 'that of a stranger', v6(OTHER6, V6, 255).udp(49152, 4784).payload(24)],
  ['taken', 'other', 'a service, of anyone', v4(OTHER4).udp(9, 161)],
  ['taken', 'other', 'a service, IPv6', v6(OTHER6).udp(9, 161)],
  ['ordinary', '', 'TCP to the port of a UDP service', v4().tcp(9, 161)],
  ['ordinary', '', 'a tagged ping', frame().vlan(7).ipv4(PEER4, V4).icmpEcho(1, 1)],
  [
    'ordinary',
    '',
    'a tagged ARP request',
    eth(PEER_MAC, PORT_MAC).vlan(7).arpRequest(PEER_MAC, PEER4, V4)
  ],
  ['ordinary', '', 'no IP at all', eth(PEER_MAC, PORT_MAC, 0x88cc).payload(60)],
  ['taken', 'routing', 'behind an extension header', v6().extension('destination').tcp(9, 179)],
  ['ordinary', '', 'to a later hop of a routing header', routed().tcp(9, 179)]
]

type Ports = readonly [number, number]

// The header of what was too big, without those of the frame that it came in.
function inner4(to = PEER4, [from, port]: Ports = [40000, 179], kind: 'tcp' | 'udp' = 'tcp') {
  return frame()
    .ipv4(V4, to)
    [kind](from, port)
    .frame()
    .subarray(14, 14 + 28)
}

function tooBig4(to: string, ports: Ports, kind: 'tcp' | 'udp' = 'tcp') {
  return v4(OTHER4)
    .icmp(3, 4, 1400)
    .payload(inner4(to, ports, kind))
}

function tooBig6(to: string, [from, port]: Ports): PacketBuilder {
  const inner = frame().ipv6(V6, to).tcp(from, port).frame().subarray(14)
  return v6(OTHER6).icmpv6(2, 0, 1400).payload(inner)
}

function options() {
  return { options: Uint8Array.of(1, 1, 1, 0) }
}

// Type 0 with a segment left: the address is that of a hop on the way.
function routed(): PacketBuilder {
  return v6().extension('routing', Uint8Array.of(0, 1, 0, 0, 0, 0))
}

describe('datapath: punts', { skip: canRun }, () => {
  let at: FrameBench
  before(() => {
    at = new FrameBench(4)
    at.datapath.detach(at.ports[BESIDE]!)
    at.datapath.detach(at.ports[3]!)
    at.decide(() => null)
    at.datapath.punt(at.ports[UPLINK]!, punt())
  })
  afterEach(() => {
    at.under.seen.length = 0
    at.outside.seen.length = 0
  })
  after(() => at.close())

  const punt = (more: Partial<PortPunt> = {}): PortPunt => ({
    ...readPuntRules(rules),
    ...{ port: PORT, mac: parseMac(PORT_MAC), inside: at.ports[BESIDE]!, ...more }
  })
  const counter = (name: string): number => at.datapath.counters()[name]!
  const marker = v4().tcp(40001, 179).payload('the last one').frame()

  // Sends frames, then one that is known to be taken: what came before that is all. The kernel says
  // how many have gone up: they may be read later.
  const sent = async (...frames: Uint8Array[]): Promise<{ beside: string[]; up: string[] }> => {
    const before = counter('upcalls')
    at.send(UPLINK, ...frames, marker)
    const seen: Arrival[] = []
    while (!seen.some(({ bytes }) => hex(bytes) === hex(marker))) {
      const more = await at.arrivals(1)
      assert.notEqual(more.length, 0, 'even the last frame does not come')
      seen.push(...more)
    }
    assert.ok(seen.every(({ port }) => port === BESIDE))
    const beside = seen.map(({ bytes }) => hex(bytes)).slice(0, -1)
    const up = await at.upcalls(counter('upcalls') - before)
    return { beside, up: up.map(({ bytes }) => hex(bytes)) }
  }

  for (const [fate, class_, name, builder] of cases)
    test(`${fate} ${class_}: ${name}`, async () => {
      const bytes = builder.frame(60)
      const isTaken = fate === 'taken' || fate === 'copied'
      const counted = isTaken ? `punted-${class_}` : `punt-${fate}`
      const before = fate === 'ordinary' ? 0 : counter(counted)
      const isMarker = counted === 'punted-routing' ? 1 : 0 // the marker
      const { beside, up } = await sent(bytes)
      assert.deepEqual(beside, isTaken ? [hex(bytes)] : [])
      assert.deepEqual(up, fate === 'copied' || fate === 'ordinary' ? [hex(bytes)] : [])
      if (fate !== 'ordinary') assert.equal(counter(counted) - before, 1 + isMarker)
    })

  test('of a packet in pieces the first is dropped, the others go the ordinary way', async () => {
    for (const whole of [v4().tcp(9, 179), v6().tcp(9, 179), v4().icmpEcho(1, 1)]) {
      const pieces = whole.payload(2000).fragments(1280)
      const before = counter('punt-fragments')
      const { beside, up } = await sent(...pieces)
      assert.deepEqual([beside, up], [[], pieces.slice(1).map(hex)])
      assert.equal(counter('punt-fragments') - before, 1)
    }
  })

  test("what the namespace sends in the port's name leaves by the interface alone", async () => {
    const ours = eth(PORT_MAC, PEER_MAC).ipv4(V4, PEER4).tcp(179, 40000).frame(60)
    const hello = arpRequest(PORT_MAC, V4, PEER4).frame(60)
    const before = [counter('punt-injected'), counter('punt-inject-refused')]
    at.send(BESIDE, eth(PEER_MAC, PORT_MAC).ipv4(V4, PEER4).tcp(179, 1).frame(60))
    at.send(BESIDE, eth('02:00:00:00:09:03', PEER_MAC).ipv4(V4, PEER4).tcp(179, 1).frame(60))
    at.send(BESIDE, ours, hello)
    const seen = await at.arrivals(2)
    assert.deepEqual(
      seen.map(({ port, bytes }) => [port, hex(bytes)]),
      [ours, hello].map(bytes => [UPLINK, hex(bytes)])
    )
    assert.deepEqual(await at.upcalls(0), [])
    const more = [counter('punt-injected'), counter('punt-inject-refused')]
    assert.deepEqual(
      more.map((n, i) => n - before[i]!),
      [2, 2]
    )
  })

  test('a class beyond its rate is dropped and counted, others are not', async () => {
    const rates = { ...PUNT_RATES, icmp: 4 }
    at.datapath.punt(at.ports[UPLINK]!, punt({ rates }))
    const before = [counter('punted-icmp'), counter('punt-policed-icmp')]
    const ping = v4(OTHER4).icmpEcho(1, 1).payload(56).frame()
    const { beside } = await sent(...Array.from({ length: 50 }, () => ping))
    assert.ok(beside.length >= 1 && beside.length < 50, `${beside.length}`)
    const [taken, policed] = [counter('punted-icmp'), counter('punt-policed-icmp')].map(
      (n, i) => n - before[i]!
    )
    assert.deepEqual([taken, policed], [beside.length, 50 - beside.length])
    at.datapath.punt(at.ports[UPLINK]!, punt())
  })

  test('a peer finds us, however many others ask for us', async () => {
    const rates = { ...PUNT_RATES, neighbour: 1 }
    at.datapath.punt(at.ports[UPLINK]!, punt({ rates }))
    const others = [arpRequest(PEER_MAC, OTHER4, V4), solicit(PEER_MAC, OTHER6, V6)]
    const flood = Array.from({ length: 40 }, (_, i) => others[i % 2]!.frame(60))
    const asked = [arpRequest(PEER_MAC, PEER4, V4), solicit(PEER_MAC, PEER6, V6)]
    const peers = asked.map(each => each.frame(60))
    const before = counter('punt-policed-neighbour')
    const { beside } = await sent(...flood, ...peers)
    assert.deepEqual(beside.slice(-2), peers.map(hex))
    assert.equal(counter('punt-policed-neighbour') - before, 40 - (beside.length - 2))
    assert.ok(beside.length < 20, `${beside.length}`)
    at.datapath.punt(at.ports[UPLINK]!, punt())
  })

  test('rules change, and go', async () => {
    const stranger = v4(OTHER4).tcp(9, 179).frame(60)
    const peers = readPuntRules({ ...rules, peers: [PEER4, OTHER4] }).peers
    at.datapath.punt(at.ports[UPLINK]!, punt({ peers }))
    assert.deepEqual(await sent(stranger), { beside: [hex(stranger)], up: [] })
    at.datapath.punt(at.ports[UPLINK]!, punt())
    assert.deepEqual(await sent(stranger), { beside: [], up: [] })
    at.datapath.punt(at.ports[UPLINK]!, null)
    at.send(UPLINK, stranger, marker)
    const up = await at.upcalls(2)
    assert.deepEqual(
      up.map(({ bytes }) => hex(bytes)),
      [hex(stranger), hex(marker)]
    )
    at.datapath.punt(at.ports[UPLINK]!, punt())
    assert.deepEqual(await sent(), { beside: [], up: [] })
  })

  test('frames cut short and of random bytes are accounted for, and harm nothing', async () => {
    const random = new SeededRandom(12)
    const below = (n: number): number => random.below(n)
    const mangled = (): Uint8Array => {
      const bytes = cases[below(cases.length)]![3].frame()
      for (let i = below(4); i > 0; i--) bytes[12 + below(bytes.length - 12)] = below(256)
      // The kernel itself drops what has a tag and not two bytes more.
      const least = [0x8100, 0x88a8].includes((bytes[12]! << 8) | bytes[13]!) ? 20 : 15
      return bytes.slice(0, below(3) === 0 ? least + below(bytes.length - least) : bytes.length)
    }
    const judged = (): number => {
      const all = Object.entries(at.datapath.counters())
      const fates = /^(?:misses|punted-.*|punt-(?:policed-.*|strangers|fragments)|not-ethernet)$/
      return all.reduce((sum, [name, n]) => (fates.test(name) ? sum + n : sum), 0)
    }
    for (let round = 0; round < 40; round++) {
      const before = judged()
      await sent(...Array.from({ length: 30 }, mangled))
      assert.ok(judged() - before >= 31)
    }
    assert.equal(counter('errors'), 0)
  })

  test('rules of an interface wait for its program; those in use are refused', async () => {
    const [, beside, vm, free] = at.ports as [number, number, number, number]
    assert.throws(() => at.datapath.punt(vm, punt()), /EBUSY|busy/i)
    assert.throws(() => at.datapath.punt(beside, punt({ inside: free })), /EBUSY|busy/i)
    assert.throws(() => at.datapath.punt(vm, punt({ inside: vm })), /EINVAL|invalid/i)
    assert.deepEqual(await sent(), { beside: [], up: [] })
    at.datapath.punt(at.ports[UPLINK]!, null)
    at.datapath.punt(free, punt({ port: 'of the interface that is free' }))
    const port = 'of the interface that is free'
    const physical = { ifindex: free, name: 'h3', portClass: 1, peerRedirect: false, port }
    at.bench.inside('h', () => at.datapath.attach(physical))
    at.send(3, marker)
    const seen = await at.arrivals(1)
    assert.deepEqual(
      seen.map(each => [each.port, hex(each.bytes)]),
      [[BESIDE, hex(marker)]]
    )
  })
})

describe('datapath: punts across agents', { skip: canRun }, () => {
  const PINS = '/run/mz-dp-pins4'
  const marker = v4().tcp(40001, 179).frame(60)
  const back = eth(PORT_MAC, PEER_MAC).ipv4(V4, PEER4).tcp(179, 40001).frame(60)

  for (const clsact of [false, true])
    test(`they go on, and the next agent has them: ${clsact ? 'clsact' : 'tcx'}`, async () => {
      const options = { pins: PINS, injectName: 'mzdp', clsact }
      const at = new FrameBench(2, options)
      at.bench.directory(PINS)
      const attach = (datapath: EbpfDatapath, port: string): void => {
        const ifindex = at.ports[UPLINK]!
        at.bench.inside('h', () =>
          datapath.attach({ ifindex, name: 'h0', portClass: 1, peerRedirect: false, port })
        )
      }
      // The way back is there a moment after the rules are.
      const bothWays = async (isThere = (): boolean => true): Promise<void> => {
        const seen = new Set<number>()
        for (let tries = 0; tries < 500 && (seen.size < 2 || !isThere()); tries++) {
          at.send(UPLINK, marker)
          at.send(BESIDE, back)
          await wait(10)
          for (const { port } of await at.arrivals(0)) seen.add(port)
        }
        assert.deepEqual([[...seen].sort(), isThere()], [[UPLINK, BESIDE], true])
      }
      try {
        at.datapath.detach(at.ports[BESIDE]!)
        const inside = at.ports[BESIDE]!
        const read = { ...readPuntRules(rules), port: PORT, mac: parseMac(PORT_MAC), inside }
        at.bench.inside('h', () => at.datapath.punt(at.ports[UPLINK]!, read))
        await bothWays()
        at.datapath.close(true)
        await bothWays()

        const next = at.bench.open('h', options)
        attach(next, PORT)
        await bothWays()
        next.detachOthers()
        const ours = ['punted-routing', 'punt-injected'] // counted by its own programs
        await bothWays(() => ours.every(name => next.counters()[name]! > 0))
        next.close(true)
        await bothWays()

        const other = at.bench.open('h', options)
        attach(other, 'another port')
        other.detachOthers()
        assert.deepEqual(other.leftAttached(), [])
        for (let tries = 0; tries < 500 && other.counters().misses === 0; tries++) {
          at.send(UPLINK, marker)
          at.send(BESIDE, back)
          await wait(10)
        }
        assert.ok(other.counters().misses! > 0)
        assert.deepEqual(await at.arrivals(0), [])
      } finally {
        at.close()
      }
    })

  test('what is at no attached interface goes', async () => {
    const options = { pins: PINS, injectName: 'mzdp' }
    const at = new FrameBench(2, options)
    at.bench.directory(PINS)
    try {
      at.datapath.detach(at.ports[BESIDE]!)
      const inside = at.ports[BESIDE]!
      const read = { ...readPuntRules(rules), port: PORT, mac: parseMac(PORT_MAC), inside }
      at.datapath.punt(at.ports[UPLINK]!, read)
      at.datapath.close(true)
      const next = at.bench.open('h', options)
      assert.deepEqual(next.leftAttached().sort(), at.ports.slice().sort())
      next.detachOthers()
      assert.deepEqual(next.leftAttached(), [])
      at.bench.attach('h', next, 'h0')
      // The kernel lets go of the old program a moment later: until then that has the frames.
      for (let tries = 0; tries < 500 && next.counters().misses === 0; tries++) {
        at.send(UPLINK, marker)
        await wait(10)
      }
      assert.ok(next.counters().misses! > 0)
      assert.equal(next.counters()['punted-routing'], 0)
      assert.deepEqual(await at.arrivals(0), [])
    } finally {
      at.close()
    }
  })
})
