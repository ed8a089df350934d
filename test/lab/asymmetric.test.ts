// Out by one gateway, back by the other, under a policy that drops what it does not know: on eBPF,
// with state shared over the underlay before each first packet leaves.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Outside, StreamServer, Vm } from '../../src/lab/index.ts'
import { Network, patient, Streams } from './fixtures/index.ts'

const skip = Network.skip()
const OUTSIDE = '198.51.100.1'

describe('forward by gateway 1, return by gateway 2', { skip }, () => {
  let net: Network
  let vm: Vm
  let outside: Outside
  let server: StreamServer

  before(async () => {
    const hosts = ['compute1', 'gateway1', 'gateway2']
    net = await Network.open({ prefix: 'mz-lab-asym', hosts, state: patient })
    const red = await net.bridge('red')
    const edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    const links = ['gateway1', 'gateway2'].map((name, i) => ({
      host: net.host(name),
      interface: 'uplink0',
      addresses: [`203.0.113.${16 * i + 1}/28`]
    }))
    outside = await net.lab.outside('outside', {
      links,
      addresses: [`${OUTSIDE}/32`],
      routes: [{ to: '10.0.0.0/8', via: '203.0.113.18' }] // always back by gateway 2
    })
    const ports: string[] = []
    for (const [i, name] of ['gateway1', 'gateway2'].entries()) {
      const addresses = [`203.0.113.${16 * i + 2}/28`]
      ports.push(await net.bind(edge, name, 'uplink0', { mac: net.mac(), addresses }))
      const route = {
        router: edge.id,
        destination: '0.0.0.0/0',
        gateway: `203.0.113.${16 * i + 1}`
      }
      await net.create('route', { ...route, port: ports[i]!, weight: 10 * (i + 1) })
    }
    await net.create('port-group', { name: 'uplinks', stateful: true, ports })
    const guard = await net.create('chain', { name: 'guard' })
    const rules = [
      { action: 'accept', connectionStates: ['established', 'related'] },
      { action: 'accept', ethType: 0x806 },
      { action: 'drop' }
    ]
    for (const [i, rule] of rules.entries())
      await net.create('rule', { chain: guard, position: i + 1, ...rule })
    const watch = await net.create('chain', { name: 'watch' })
    await net.create('rule', { chain: watch, action: 'accept', matchForwardFlow: true })
    vm = await net.vm('vm', {
      on: 'compute1',
      at: red,
      addresses: ['10.0.1.11/24'],
      gateway: '10.0.1.1',
      port: { inFilter: watch, outFilter: guard }
    })
    await net.start()
    server = await outside.tcp.serve()
  })

  after(() => net?.close())

  test('streams go, whichever end speaks', async () => {
    const streams = await Streams.open(vm, new Map([[OUTSIDE, server]]))
    await streams.goOn('at first')
    await streams.sound()
    const counters = await net.counters()
    assert.ok(counters['state.held']! > 0, JSON.stringify(counters, null, 1))
    assert.equal(counters['drop.firewall.rule'] ?? 0, 0)
  })
})
