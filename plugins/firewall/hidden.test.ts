// A rule about ports is not passed by cutting the packet so that nobody sees its ports.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Verdict } from '../../src/simulation/verdict.ts'
import { eth } from '../../src/wire/builder.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { FilterBench } from '../../test/world/filter.ts'
import { Topology } from '../../test/world/objects.ts'
import firewall from './index.ts'

const mac = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
const v4 = (bytes: number, more: boolean): Uint8Array => {
  const tcp = mac.ipv4('10.0.0.1', '10.0.0.2').tcp(1000, 22).payload(100).frame()
  const cut = tcp.slice(0, 14 + 20 + bytes)
  const view = new DataView(cut.buffer)
  ipv4.setTotalLength(view, 14, 20 + bytes)
  ipv4.setFragment(view, 14, 0, more, false)
  return cut
}
const options = (protocol: number): Uint8Array => {
  const frame = mac.ipv6('fd00::1', 'fd00::2').udp(1, 2).payload(8).frame()
  frame[14 + 6] = 60 // destination options; what follows is too short to be one
  frame[14 + 40] = protocol
  frame[14 + 41] = 200
  return frame
}

const run = (rules: readonly Record<string, unknown>[], frame: Uint8Array): Verdict => {
  const topology = new Topology().add('chain', 'c', { name: 'c' })
  for (const [i, { action, ...rest }] of rules.entries())
    topology.rule('c', i + 1, String(action), rest)
  return new FilterBench(firewall, topology.objects).run('c', frame)
}

const noSsh = [{ action: 'drop', protocol: 'tcp', destinationPorts: { start: 22, end: 22 } }]
const noWeb = [{ action: 'drop', protocol: 'tcp', destinationPorts: { start: 80, end: 80 } }]

describe('what hides its transport header is dropped by a rule that asks for it', () => {
  test('a first fragment that ends within the TCP header', () => {
    assert.equal(run(noSsh, v4(8, true)), Verdict.drop)
    assert.equal(run(noSsh, v4(16, true)), Verdict.drop)
    assert.equal(run(noSsh, v4(24, true)), Verdict.drop)
    assert.equal(run(noWeb, v4(24, true)), Verdict.forward)
  })

  test('IPv6 headers that lead nowhere', () => {
    assert.equal(run(noSsh, options(6)), Verdict.drop)
    assert.equal(run([{ action: 'drop', protocol: 'udp' }], options(6)), Verdict.drop)
  })

  test('where no rule asks, it passes', () => {
    assert.equal(run([{ action: 'drop', source: '10.9.0.0/16' }], v4(8, true)), Verdict.forward)
    assert.equal(run([{ action: 'accept' }, ...noSsh], v4(8, true)), Verdict.forward)
  })
})
