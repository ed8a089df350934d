// Which ICMP errors are read for what they quote.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth, type PacketBuilder } from './builder.ts'
import { newQuoted, readQuoted } from './quoted.ts'

const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
const quote4 = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(20).frame().subarray(14)
const quote6 = eth(A, B).ipv6('fd00::1', 'fd00::2').udp(1, 2).payload(20).frame().subarray(14)
const isRead = (frame: Uint8Array): boolean =>
  readQuoted(new DataView(frame.buffer), 0, frame.length, newQuoted())

const errors: Record<string, PacketBuilder> = {
  'an error of IPv4': eth(A, B).ipv4('10.0.0.9', '10.0.0.1').icmp(3, 3).payload(quote4),
  'an error of IPv6': eth(A, B).ipv6('fd00::9', 'fd00::1').icmpv6(1, 4).payload(quote6)
}

// RFC 5508 REQ-3: whoever translates it would make its checksum true again.
for (const [name, error] of Object.entries(errors))
  test(`B6: ${name} with a wrong checksum quotes nothing`, () => {
    assert.ok(isRead(error.frame()))
    const length = error.frame().length
    for (const at of [length - quote4.length + 1, length - 1]) {
      const frame = error.frame()
      frame[at]! ^= 1
      assert.ok(!isRead(frame), `byte ${at}`)
    }
  })
