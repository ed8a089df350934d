// TCP, UDP, ICMP and ICMPv6 headers: what is written is read, setters keep the checksum true,
// option lists never run away.  (Tests of four small files in one, because they ask the same.)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eth, type PacketBuilder } from './builder.ts'
import { l4Valid } from './checksum.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import { Protocol } from './protocol.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'

fc.configureGlobal({ seed: 20_260_110 })

const base = eth('02:00:00:00:00:01', '02:00:00:00:00:02')
const v4 = base.ipv4('10.0.1.1', '10.0.2.3')
const v6 = base.ipv6('2001:db8::1', '2001:db8::2')
const port = fc.nat(0xffff)

interface Case {
  readonly view: DataView
  readonly l4: number
  readonly end: number
  valid(protocol: number): boolean
}

// The same layer over IPv4 and over IPv6.
function both(layer: (ip: PacketBuilder) => PacketBuilder): Case[] {
  return [
    { ip: v4, l4: 34 },
    { ip: v6, l4: 54 }
  ].map(({ ip, l4 }) => {
    const frame = layer(ip).frame()
    const view = new DataView(frame.buffer)
    const valid = (protocol: number): boolean => l4Valid(view, 14, l4, frame.length, protocol)
    return { view, l4, end: frame.length, valid }
  })
}

test('UDP: emit, parse, edit', () => {
  fc.assert(
    fc.property(port, port, port, port, fc.uint8Array({ maxLength: 40 }), (a, b, c, d, body) => {
      for (const { view, l4, end, valid } of both(ip => ip.udp(a, b).payload(body))) {
        assert.ok(udp.whole(view, l4, end) && valid(Protocol.udp))
        assert.deepEqual([udp.srcPort(view, l4), udp.dstPort(view, l4)], [a, b])
        assert.equal(udp.length(view, l4), 8 + body.length)
        udp.setSrcPort(view, l4, c)
        udp.setDstPort(view, l4, d)
        assert.deepEqual([udp.srcPort(view, l4), udp.dstPort(view, l4)], [c, d])
        assert.ok(valid(Protocol.udp))
      }
    })
  )
})

test('UDP: a length that lies is not whole, but its ports can be read', () => {
  const [{ view, l4, end }] = both(ip => ip.udp(7, 9).payload(4)) as [Case]
  for (const length of [7, 13]) {
    view.setUint16(l4 + 4, length)
    assert.ok(!udp.whole(view, l4, end) && udp.fits(view, l4, end))
  }
  assert.ok(udp.portsFit(view, l4, l4 + 4) && !udp.fits(view, l4, l4 + 7))
})

test('TCP: emit, parse, edit', () => {
  const u32 = fc.nat(0xffff_ffff)
  fc.assert(
    fc.property(port, port, u32, fc.nat(255), port, (a, b, sequence, flags, value) => {
      const fields = { sequence, flags, acknowledgement: 5, window: value, mss: 1460 }
      for (const { view, l4, end, valid } of both(ip => ip.tcp(a, b, fields).payload(3))) {
        assert.ok(tcp.fits(view, l4, end) && valid(Protocol.tcp))
        assert.deepEqual([tcp.srcPort(view, l4), tcp.dstPort(view, l4)], [a, b])
        assert.deepEqual([tcp.sequence(view, l4), tcp.acknowledgement(view, l4)], [sequence, 5])
        assert.deepEqual([tcp.flags(view, l4), tcp.window(view, l4)], [flags, value])
        assert.deepEqual([tcp.mss(view, l4), tcp.payload(view, l4)], [1460, l4 + 24])
        tcp.setSrcPort(view, l4, value)
        tcp.setDstPort(view, l4, b ^ value)
        assert.deepEqual([tcp.srcPort(view, l4), tcp.dstPort(view, l4)], [value, b ^ value])
        assert.ok(valid(Protocol.tcp))
      }
    })
  )
})

test('TCP: the MSS is found at even and odd offsets', () => {
  for (const pad of [[], [1], [1, 1], [3, 3, 7], [1, 3, 3, 7]]) {
    const options = Uint8Array.from([...pad, 2, 4, 0x05, 0xb4])
    for (const { view, l4, valid } of both(ip => ip.tcp(1, 2, { flags: 'S', options }))) {
      assert.equal(tcp.mss(view, l4), 1460)
      assert.ok(valid(Protocol.tcp), `after ${pad.length} bytes`)
    }
  }
})

test('TCP: malformed option lists never loop, and have no MSS', () => {
  for (const options of [
    [2, 0, 0, 0],
    [2, 1, 5, 180],
    [2, 3, 5, 0],
    [3, 0, 2, 4, 5, 180, 0, 0],
    [0, 0, 0, 0, 2, 4, 5, 180],
    [1, 1, 1, 2],
    [1, 1, 2, 4],
    [8, 200, 0, 0]
  ]) {
    const packet = { flags: 'S', options: Uint8Array.from(options) }
    const [{ view, l4 }] = both(ip => ip.tcp(1, 2, packet)) as [Case]
    assert.equal(tcp.mss(view, l4), 0, String(options))
  }
})

test('TCP: a data offset outside of the segment does not fit', () => {
  const [{ view, l4, end }] = both(ip => ip.tcp(1, 2).payload(3)) as [Case]
  for (const units of [0, 4, 6, 15]) {
    view.setUint8(l4 + 12, units << 4)
    assert.ok(!tcp.fits(view, l4, end), `offset ${units}`)
  }
  view.setUint8(l4 + 12, 5 << 4)
  assert.ok(tcp.fits(view, l4, end) && !tcp.fits(view, l4, l4 + 19))
})

test('ICMP: emit, parse, edit', () => {
  fc.assert(
    fc.property(port, port, port, fc.uint8Array({ maxLength: 20 }), (id, sequence, value, body) => {
      const [{ view, l4, valid }] = both(ip => ip.icmpEcho(id, sequence).payload(body)) as [Case]
      assert.deepEqual([icmp.type(view, l4), icmp.code(view, l4)], [icmp.Type.echoRequest, 0])
      assert.deepEqual([icmp.id(view, l4), icmp.sequence(view, l4)], [id, sequence])
      icmp.setId(view, l4, value)
      icmp.setSequence(view, l4, id)
      icmp.setType(view, l4, icmp.Type.echoReply)
      assert.deepEqual([icmp.id(view, l4), icmp.sequence(view, l4)], [value, id])
      assert.ok(valid(Protocol.icmp))
    })
  )
})

test('ICMP: an echo reply of nothing but zeros still verifies', () => {
  const packet = v4.icmpEcho(0, 0).payload(new Uint8Array(8)).frame()
  const view = new DataView(packet.buffer)
  icmp.setType(view, 34, icmp.Type.echoReply)
  assert.equal(icmp.checksum(view, 34), 0xffff)
  assert.ok(l4Valid(view, 14, 34, packet.length, Protocol.icmp))
})

test('ICMPv6: emit, parse, edit', () => {
  fc.assert(
    fc.property(port, port, port, fc.uint8Array({ maxLength: 20 }), (id, sequence, value, body) => {
      const layer = (ip: PacketBuilder) => ip.icmpv6Echo(id, sequence).payload(body)
      const [, { view, l4, valid }] = both(layer) as [Case, Case]
      assert.deepEqual([icmpv6.id(view, l4), icmpv6.sequence(view, l4)], [id, sequence])
      icmpv6.setId(view, l4, value)
      icmpv6.setSequence(view, l4, id)
      icmpv6.setType(view, l4, icmpv6.Type.echoReply)
      assert.deepEqual([icmpv6.type(view, l4), icmpv6.id(view, l4)], [129, value])
      assert.ok(valid(Protocol.icmpv6))
    })
  )
})

test('errors, echoes and queries are told apart', () => {
  const types = [...new Array(256).keys()]
  assert.deepEqual(types.filter(icmp.isError), [3, 4, 5, 11, 12])
  assert.deepEqual(types.filter(icmp.isEcho), [0, 8])
  assert.deepEqual(types.filter(icmp.hasId), [0, 8, 13, 14, 15, 16, 17, 18])
  assert.deepEqual(types.filter(icmpv6.isEcho), [128, 129])
  assert.equal(types.filter(icmpv6.isError).length, 128)
  assert.deepEqual(types.filter(icmpv6.isNeighbourDiscovery), [133, 134, 135, 136, 137])
})
