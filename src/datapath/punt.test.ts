// Rules of punts are read, or refused with the field that is wrong.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PUNT_RATES, type PuntRules, readPuntRules } from './punt.ts'

const rules: PuntRules = {
  interface: 'mzu0a1b2c3d',
  addresses: ['203.0.113.2', '2001:db8::2'],
  peers: ['203.0.113.1'],
  services: [{ protocol: 'udp', port: 161 }]
}

test('rules are read', () => {
  const read = readPuntRules({ ...rules, rates: { icmp: 7 } })
  assert.deepEqual(
    read.addresses.map(({ family, words }) => [family, words[0], words[3]]),
    [
      [4, 0, 0xcb007102 | 0],
      [6, 0x20010db8, 2]
    ]
  )
  assert.equal(read.peers.length, 1)
  assert.deepEqual(read.services, [(17 << 16) | 161])
  assert.deepEqual(read.rates, { ...PUNT_RATES, icmp: 7 })
})

const many = (n: number): string[] =>
  Array.from({ length: n }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
const service = (fields: object) => ({ services: [fields] }) as Partial<PuntRules>
const bad: readonly [Partial<PuntRules>, RegExp][] = [
  [{ interface: '' }, /interface is ; expected 1 to 15 characters/],
  [{ interface: 'a-name-of-sixteen' }, /interface is a-name-of-sixteen/],
  [{ addresses: ['203.0.113.2', '203.0.113.2/24'] }, /addresses\[1\] is 203\.0\.113\.2\/24/],
  [{ peers: ['nobody'] }, /peers\[0\] is nobody; expected an IPv4 or IPv6 address/],
  [{ addresses: many(65) }, /addresses is a list of 65; expected 64 at most/],
  [{ peers: many(257) }, /peers is a list of 257; expected 256 at most/],
  [service({ protocol: 'sctp', port: 1 }), /services\[0\]\.protocol is sctp; expected tcp or udp/],
  [service({ protocol: 'tcp', port: 0 }), /services\[0\]\.port is 0/],
  [service({ protocol: 'tcp', port: 65536 }), /services\[0\]\.port is 65536/],
  [{ rates: { routing: 0 } }, /rates\.routing is 0; expected 1 to 10000000 packets a second/],
  [{ rates: { ospf: 1 } as object }, /rates is ospf; expected routing, bfd, .*, icmp, other/]
]

for (const [fields, expected] of bad)
  test(`refused: ${expected.source}`, () => {
    assert.throws(() => readPuntRules({ ...rules, ...fields }), expected)
  })
