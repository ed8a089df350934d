// Agents that are killed, stopped and started while TCP streams run: the kernel goes on, and the
// next agent adopts what it finds. Each agent is a process of its own, so that kill -9 is what it
// says.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { StreamServer, Vm } from '../../src/lab/index.ts'
import { allReceived, keepsInvariants, Network, reaches, Streams, sleep } from './fixtures/index.ts'

const skip = Network.skip()
const OUTSIDE = '198.51.100.1'
const DEAD_MS = 700 // the others hear in half a second that a session has ended

describe('agents end during TCP streams across hosts and through the gateway', { skip }, () => {
  let net: Network
  let a: Vm
  let b: Vm
  const servers = new Map<string, StreamServer>()

  before(async () => {
    const hosts = ['compute1', 'compute2', 'gateway']
    net = await Network.open({ prefix: 'mz-lab-restart', hosts, processes: true })
    const red = await net.bridge('red')
    const edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    const { outside, port } = await net.uplink(edge, 'gateway', ['203.0.113.2/24'], {
      at: ['203.0.113.1/24'],
      addresses: [`${OUTSIDE}/32`],
      routes: [{ to: '10.0.0.0/8', via: '203.0.113.2' }]
    })
    await net.route(edge, '0.0.0.0/0', port, '203.0.113.1')
    const vm = (name: string, on: string, n: number): Promise<Vm> =>
      net.vm(name, { on, at: red, addresses: [`10.0.1.${n}/24`], gateway: '10.0.1.1' })
    a = await vm('a', 'compute1', 11)
    b = await vm('b', 'compute2', 12)
    await net.start()
    servers.set(b.address(), await b.tcp.serve())
    servers.set(OUTSIDE, await outside.tcp.serve())
    for (const to of servers.keys()) await reaches(a, to)
  })

  after(() => net?.close())

  async function survives(hosts: readonly string[], end: (host: string) => Promise<void>) {
    const streams = await Streams.open(a, servers)
    await streams.goOn('at first')
    await Promise.all(hosts.map(end))
    await sleep(DEAD_MS)
    await streams.goOn('without the agents')
    await Promise.all(hosts.map(host => net.startAgent(host)))
    await net.ready()
    await streams.goOn('with the new agents')
    for (const flows of await Promise.all(hosts.map(host => net.adopted(host))))
      assert.ok(flows > 0, 'flows are adopted')
    await streams.goOn('after the adoption')
    await keepsInvariants(net, `${hosts} begun anew`)
    await streams.lossless().catch(async (error: Error) => {
      const lost = /^drop|no-credit|full|dropped|expired|errors/
      const counted = Object.entries(await net.counters())
      const shown = counted.filter(([name, n]) => n > 0 && lost.test(name))
      throw new Error(`${error.message}; ${shown.join(' ')}`)
    })
    for (const to of servers.keys()) await allReceived(a, to)
  }

  for (const hosts of [
    ['compute1'],
    ['compute2'],
    ['gateway'],
    ['compute1', 'compute2', 'gateway']
  ])
    test(`kill -9 on ${hosts.join(', ')}: nothing is lost, flows are adopted`, () =>
      survives(hosts, host => net.kill(host)))

  test('a graceful stop and start on compute1 and gateway: nothing is lost', () =>
    survives(['compute1', 'gateway'], host => net.agent(host).stop(true)))
})
