// What offloads have left in one, taken apart.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth } from './builder.ts'
import { l4Valid } from './checksum.ts'
import * as ipv4 from './ipv4.ts'
import { segments } from './segments.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'

const L3 = 14
const packet = () => eth('02:00:00:00:00:0a', '02:00:00:00:00:0b').ipv4('10.0.0.1', '10.0.0.2')
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function sound(frame: Uint8Array): DataView {
  const view = viewOf(frame)
  assert.ok(ipv4.fits(view, L3, frame.length) && ipv4.checksumValid(view, L3))
  assert.ok(l4Valid(view, L3, 34, frame.length, ipv4.protocol(view, L3)))
  return view
}

test('a TCP frame of many segments: sequence, length, FIN and PSH at the end only', () => {
  const frame = packet().tcp(1, 2, { flags: 'PF.', sequence: 0xffff_fff0 }).payload(2500).frame()
  const list = segments(frame, L3, 1000)
  const views = list.map(sound)
  const sequences = views.map(view => tcp.sequence(view, 34))
  assert.deepEqual(sequences, [0xffff_fff0, 984, 1984])
  assert.deepEqual(
    views.map(view => tcp.flags(view, 34)),
    [0x10, 0x10, 0x19]
  )
  const payload = Buffer.concat(list.map(each => each.subarray(54)))
  assert.deepEqual(payload, Buffer.from(frame.subarray(54)))
})

test('a UDP frame of many datagrams', () => {
  const frame = packet().udp(1, 2).payload(2100).frame()
  const list = segments(frame, L3, 1000)
  assert.deepEqual(
    list.map(each => udp.length(sound(each), 34)),
    [1008, 1008, 108]
  )
})

test('a checksum left to the card is completed; a wrong one and an absent one stay', () => {
  const frame = packet().udp(1, 2).payload(100).frame()
  const view = viewOf(frame)
  const sums = view.getUint16(40)
  view.setUint16(40, 0x1234) // wrong
  assert.equal(segments(frame, L3, 0)[0], frame)
  view.setUint16(40, 0)
  assert.equal(segments(frame, L3, 0)[0], frame)
  // addresses, protocol and length, as a driver leaves it
  view.setUint16(40, 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 108)
  const [completed] = segments(frame, L3, 0)
  assert.equal(viewOf(completed!).getUint16(40), sums)
  sound(completed!)
})
