// What an agent has adopted from one that was killed is as alive as what it makes itself: changes
// of the topology reach it, those that were made while there was no agent too.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type StreamServer, until, type Vm } from '../../src/lab/index.ts'
import { eth } from '../../src/wire/builder.ts'
import { type Device, Network, quiet, reaches, Streams } from './fixtures/index.ts'

const skip = Network.skip()

describe('flows adopted after kill -9', { skip }, () => {
  let net: Network
  let red: Device
  let a: Vm
  let b: Vm
  const servers = new Map<string, StreamServer>()

  before(async () => {
    const hosts = ['one', 'two']
    net = await Network.open({ prefix: 'mz-lab-adoption', hosts, processes: true })
    red = await net.bridge('red')
    a = await net.vm('a', { on: 'one', at: red, addresses: ['10.0.1.11/24'] })
    b = await net.vm('b', { on: 'two', at: red, addresses: ['10.0.1.12/24'] })
    await net.start()
    servers.set(b.address(), await b.tcp.serve())
    await reaches(a, b.address())
  })

  after(() => net?.close())

  async function restart(host: string): Promise<void> {
    await net.kill(host)
    await net.startAgent(host)
    await net.ready()
    assert.ok((await net.adopted(host)) > 0)
  }

  test('a rule made after the restart stops them, its end lets them go on', async () => {
    const streams = await Streams.open(a, servers)
    await restart('one')
    const { chain, rule } = await net.chain('no-tcp', { action: 'drop', protocol: 'tcp' })
    await net.change('port', net.port(a), { inFilter: chain })
    await streams.stand('because of the rule')
    await net.delete('rule', rule)
    await streams.goOn('without the rule')
    await net.change('port', net.port(a), { inFilter: undefined })
    await streams.sound()
  })

  test('a rule made while the agent was dead holds from its restart on', async () => {
    const streams = await Streams.open(a, servers)
    const { chain, rule } = await net.chain('no-tcp-either', { action: 'drop', protocol: 'tcp' })
    await net.kill('one')
    await net.change('port', net.port(a), { inFilter: chain })
    await streams.goOn('by the old rules: there is nobody who could know better')
    await net.startAgent('one')
    await streams.stand('because of the rule')
    await net.delete('rule', rule)
    await streams.goOn('without the rule')
    await streams.sound()
  })

  test('BR-06 mac_move_invalidation: they follow an address that moves', async () => {
    const nomad = '02:00:00:00:99:09'
    const hello = eth(nomad, 'ff:ff:ff:ff:ff:ff', 0x88b5).payload(46).frame()
    const c = await net.vm('c', { on: 'two', at: red })
    await net.ready()
    const at = await Promise.all([b, c].map(vm => vm.capture('eth0', `ether dst ${nomad}`)))
    await a.ip(`neigh replace 10.0.1.99 lladdr ${nomad} dev eth0 nud permanent`)
    // How many of so many pings came to b, and to c.
    const seen = async (count: number): Promise<number[]> => {
      const before = at.map(capture => capture.count)
      const more = (): number[] => at.map((capture, i) => capture.count - before[i]!)
      await a.ping('10.0.1.99', { count, intervalMs: 5, timeoutMs: 50 })
      await until('they come', () => more().some(n => n >= count))
      await Promise.all(at.map(capture => quiet(capture, 'pings')))
      return more()
    }
    const alone = (place: number, count: number): number[] =>
      at.map((_, i) => (i === place ? count : 0))
    const goesTo = (place: number): Promise<void> =>
      until('all goes there', async () => isDeepStrictEqual(await seen(1), alone(place, 1)))
    await b.traffic.send([hello])
    await goesTo(0)
    assert.deepEqual(await seen(5), alone(0, 5))
    await restart('one')
    assert.deepEqual(await seen(5), alone(0, 5))
    await c.traffic.send([hello])
    await goesTo(1)
    assert.deepEqual(await seen(5), alone(1, 5))
    await Promise.all(at.map(capture => capture.stop()))
  })
})
