// What identifies a connection, of packets and of their answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { extract } from '../flow/extract.ts'
import { WORDS } from '../flow/key.ts'
import { KEY_WORDS, Kind, mirror, sameKey, scopeOf } from '../state/record.ts'
import { eth, type PacketBuilder } from '../wire/builder.ts'
import { SimulationContext } from './context.ts'
import { type Scope, Tuple, tupleOf } from './tuple.ts'

const scope = (id: string): Scope => ({ kind: Kind.connection, words: scopeOf(id) })
const nothing = { filterKind: '', port: () => null, device: () => null }

function keyOf(packet: PacketBuilder, of: Scope): Int32Array {
  const frame = packet.frame()
  const words = new Int32Array(WORDS)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  assert.ok(extract(words, 0, 0, 0, 0, view, 0, frame.length))
  const ctx = new SimulationContext(nothing)
  ctx.key.load(words, 0)
  ctx.begin(0, view, 0, frame.length)
  const key = new Int32Array(KEY_WORDS)
  assert.equal(tupleOf(ctx, of, true, key), Tuple.packet)
  return key
}

interface Ends {
  readonly src: string
  readonly dst: string
  readonly sport: number
  readonly dport: number
}

interface How {
  readonly isV6: boolean
  readonly reply: boolean
}

// A question and its answer have one id.
const protocols: Record<string, (ip: PacketBuilder, ends: Ends, how: How) => PacketBuilder> = {
  tcp: (ip, { sport, dport }) => ip.tcp(sport, dport),
  udp: (ip, { sport, dport }) => ip.udp(sport, dport),
  ping: (ip, { sport, dport }, { isV6, reply }) =>
    isV6 ? ip.icmpv6Echo(sport ^ dport, 1, { reply }) : ip.icmpEcho(sport ^ dport, 1, { reply }),
  timestamp: (ip, { sport, dport }, { isV6, reply }) =>
    isV6 ? ip.gre() : ip.icmp(reply ? 14 : 13, 0, ((sport ^ dport) << 16) >>> 0),
  gre: ip => ip.gre()
}

function packet(protocol: string, ends: Ends, reply = false): PacketBuilder {
  const isV6 = ends.src.includes(':')
  const ether = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
  const { src, dst } = ends
  const ip = isV6 ? ether.ipv6(src, dst) : ether.ipv4(src, dst)
  return protocols[protocol]!(ip, ends, { isV6, reply })
}

const answered = ({ src, dst, sport, dport }: Ends): Ends => ({
  ...{ src: dst, dst: src, sport: dport, dport: sport }
})

const port = fc.nat({ max: 0xffff })
const ends = fc
  .oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6()))
  .chain(([src, dst]) =>
    fc.record({ src: fc.constant(src), dst: fc.constant(dst), sport: port, dport: port })
  )
const protocol = fc.constantFrom(...Object.keys(protocols))

test('INV-06 the key of an answer is the mirror of that of the request, at the same device', () => {
  fc.assert(
    fc.property(protocol, ends, (protocol, ends) => {
      const request = keyOf(packet(protocol, ends), scope('r1'))
      const reply = keyOf(packet(protocol, answered(ends), true), scope('r1'))
      const expected = new Int32Array(KEY_WORDS)
      mirror(request, 0, expected, 0)
      assert.deepEqual(reply, expected)
    }),
    { seed: 1, numRuns: casesOf(400) }
  )
})

test('INV-06 keys of different devices, and of different packets, are different', () => {
  fc.assert(
    fc.property(protocol, ends, ends, (protocol, one, other) => {
      const key = keyOf(packet(protocol, one), scope('r1'))
      assert.ok(!sameKey(key, 0, keyOf(packet(protocol, one), scope('r2')), 0))
      fc.pre(one.src !== other.src || one.dst !== other.dst)
      assert.ok(!sameKey(key, 0, keyOf(packet(protocol, other), scope('r1')), 0))
    }),
    { seed: 1, numRuns: casesOf(400) }
  )
})

test('B5: INV-06 a question from the other side is no answer, whatever its id', () => {
  fc.assert(
    fc.property(fc.constantFrom('ping', 'timestamp'), ends, port, (protocol, ends, other) => {
      fc.pre(protocol === 'ping' || !ends.src.includes(':'))
      const question = keyOf(packet(protocol, ends), scope('r1'))
      const expected = new Int32Array(KEY_WORDS)
      mirror(question, 0, expected, 0)
      for (const id of [ends.sport ^ ends.dport, other]) {
        const asks = { ...answered(ends), sport: id, dport: 0 }
        assert.ok(!sameKey(expected, 0, keyOf(packet(protocol, asks), scope('r1')), 0))
      }
    }),
    { seed: 1, numRuns: casesOf(400) }
  )
})
