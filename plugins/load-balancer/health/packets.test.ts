// What a health check takes for an answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth, type PacketBuilder } from '../../../src/wire/builder.ts'
import { readAnswer } from './packets.ts'

const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
const v4 = eth(A, B).ipv4('10.0.0.1', '10.0.0.2')
const v6 = eth(A, B).ipv6('fd00::1', 'fd00::2')

const answers: Record<string, PacketBuilder> = {
  TCP: v4.tcp(80, 4000, { flags: 'SA' }),
  'TCP over IPv6': v6.tcp(80, 4000, { flags: 'SA' }),
  UDP: v4.udp(53, 4000).payload('answer'),
  'UDP over IPv6': v6.udp(53, 4000).payload('answer'),
  ping: v4.icmpEcho(7, 1, { reply: true }).payload('answer'),
  'ping over IPv6': v6.icmpv6Echo(7, 1, { reply: true }).payload('answer')
}

for (const [name, packet] of Object.entries(answers))
  test(`B6: ${name} with a wrong checksum answers no check`, () => {
    assert.ok(readAnswer(packet.frame()) !== undefined)
    const frame = packet.frame()
    frame[frame.length - 1]! ^= 1
    assert.equal(readAnswer(frame), undefined)
  })

test('B6: a checksum that was left to the card is none to be wrong', () => {
  const frame = v4.udp(53, 4000).payload('answer').frame()
  const pseudo = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 8 + 6
  new DataView(frame.buffer).setUint16(40, pseudo)
  assert.ok(readAnswer(frame) !== undefined)
})
