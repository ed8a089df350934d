// One port that floods new flows uses up its own credit, in the kernel, and nobody else's: another
// port of the same host makes its connections as if nothing were.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until, type Vm } from '../../src/lab/index.ts'
import { allReceived, Network } from './fixtures/index.ts'

const skip = Network.skip()
const ECHO = 7
const SECONDS = 4

describe('a port that floods 100 000 new flows a second', { skip }, () => {
  let net: Network
  let attacker: Vm
  let victim: Vm
  let peer: Vm

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-fairness', hosts: ['one', 'two'] })
    const red = await net.bridge('red')
    // Ports are asked for, so each 5-tuple is a flow of its own.
    const of = { action: 'drop', protocol: 'udp' }
    const { chain } = await net.chain('ports', { ...of, sourcePorts: { start: 65535 } })
    await net.create('rule', { chain, ...of, destinationPorts: { start: 65535 } })
    const vm = (name: string, on: string, n: number): Promise<Vm> => {
      const addresses = [`10.0.1.${n}/24`]
      return net.vm(name, { on, at: red, addresses, port: { inFilter: chain } })
    }
    attacker = await vm('attacker', 'one', 66)
    victim = await vm('victim', 'one', 11)
    peer = await vm('peer', 'two', 12)
    await net.start()
    await peer.traffic.echo(ECHO)
    for (const from of [attacker, victim]) await allReceived(from, peer.address())
  })

  after(() => net?.close())

  test('INV-17 loses its own excess; another port loses no new connection', async () => {
    const flooded = await peer.traffic.discard(9)
    const before = await net.agent('one').counters()
    const flood = attacker.traffic.flood({
      ...{ to: peer.address(), seconds: SECONDS, pps: 100_000, flows: 10_000_000 }
    })
    await until('the flood', async () => (await flooded()) > 0).catch(async error => {
      const story = { passed: await flooded(), ...(await flood), ...(await net.counters()) }
      throw new Error(`${error.message}: ${JSON.stringify(story)}`)
    })
    const asked = await victim.traffic.ask({
      ...{ to: peer.address(), port: ECHO, newPorts: true, count: 1000, everyUs: 2000 }
    })
    const { sent, errors } = await flood
    const now = await net.agent('one').counters()
    const more = (name: string): number => (now[name] ?? 0) - (before[name] ?? 0)
    const story = JSON.stringify({ sent, errors, asked: asked.received, passed: await flooded() })
    assert.deepEqual([asked.sent, asked.received], [1000, 1000], story)
    assert.ok(more('datapath.misses') > sent / 2, `new flows: ${JSON.stringify(now)}`)
    assert.ok(more('datapath.no-credit') > 0, story)
    // What came up and what was refused is all that missed.
    const accounted = more('datapath.upcalls') + more('datapath.no-credit')
    assert.ok(Math.abs(accounted - more('datapath.misses')) < 100, JSON.stringify(now))
    assert.equal(more('datapath.ring-full'), 0)
  })

  test('and all is well when it stops', async () => {
    for (const from of [attacker, victim]) await allReceived(from, peer.address())
    const { received } = await attacker.traffic.ask({
      ...{ to: peer.address(), port: ECHO, newPorts: true, count: 100 }
    })
    assert.equal(received, 100)
  })
})
