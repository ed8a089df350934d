// A RST is believed of who knows how far the connection has come.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth } from '../../wire/builder.ts'
import * as tcp from '../../wire/tcp.ts'
import { Streams } from './streams.ts'

const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
const segment = (flags: number, sequence: number) => {
  const frame = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2, { flags, sequence }).frame()
  return { view: new DataView(frame.buffer), at: 0, end: frame.length }
}

test('what went before says where a RST may be, and a stamp of which connection', () => {
  const streams = new Streams(4)
  assert.equal(streams.arrives(tcp.Flag.ack, segment(tcp.Flag.ack, 1000)), false)
  streams.note(2, 5, streams.next)
  const reset = (sequence: number): boolean => {
    assert.equal(streams.arrives(tcp.Flag.rst, segment(tcp.Flag.rst, sequence)), true)
    return streams.doubts(2, 5)
  }
  assert.equal(reset(1000), false)
  assert.equal(reset(0x7000_0000), true)
  reset(1000)
  assert.equal(streams.doubts(2, 6), true, 'another connection in its place')
  assert.equal(streams.doubts(3, 5), true, 'the other direction')
})

test('its flow may know better', () => {
  const streams = new Streams(4)
  streams.arrives(tcp.Flag.rst, segment(tcp.Flag.rst, 77))
  assert.equal(streams.doubts(2, 5), true)
  streams.judge(78)
  assert.equal(streams.doubts(2, 5), false)
})

test('a handle that the table has not is noted nowhere', () => {
  const streams = new Streams(1)
  streams.note(400, 1, 1000)
  streams.arrives(tcp.Flag.rst, segment(tcp.Flag.rst, 1000))
  assert.equal(streams.doubts(400, 1), true)
})
