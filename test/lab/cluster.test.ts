// Hosts that share a store on ZooKeeper, each agent a process of its own with a copy of its own.
// While the server is dead what is known goes on, new connections included; when it is back, what
// was asked for meanwhile is done, and no port has flapped.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isFailure } from '../../src/core/errors.ts'
import { type StreamServer, until, type Vm } from '../../src/lab/index.ts'
import { activeTable } from '../../src/topology/port-status.ts'
import { missingForServer, ZooKeeperServer } from '../zookeeper/server.ts'
import { allReceived, type Device, Network, reaches, Streams } from './fixtures/index.ts'

const skip = Network.skip() || (missingForServer() ?? false)

describe('agents on a store in ZooKeeper', { skip }, () => {
  let server: ZooKeeperServer
  let net: Network
  let red: Device
  let a: Vm
  let b: Vm
  let c: Vm
  const unbound: string[] = []

  before(async () => {
    server = await ZooKeeperServer.make()
    await server.start()
    const servers = [{ host: server.address, port: server.port }]
    const cluster = { servers, chroot: '/lab', sessionMs: 6_000 }
    net = await Network.open({
      prefix: 'mz-lab-cluster',
      hosts: ['compute1', 'compute2'],
      processes: true,
      store: { kind: 'zookeeper', copyPath: ':memory:', ...cluster }
    })
    red = await net.bridge('red')
    const blue = await net.bridge('blue')
    const router = await net.router('router')
    await net.plug(router, red, ['10.0.1.1/24'])
    await net.plug(router, blue, ['10.0.2.1/24'])
    const vm = (name: string, on: string, at: Device, net24: number, n: number): Promise<Vm> =>
      net.vm(name, {
        ...{ on, at, addresses: [`10.0.${net24}.${n}/24`], gateway: `10.0.${net24}.1` }
      })
    a = await vm('a', 'compute1', red, 1, 11)
    b = await vm('b', 'compute2', red, 1, 12)
    c = await vm('c', 'compute2', blue, 2, 13)
    await net.start()
    for (const host of ['compute1', 'compute2'])
      net.appliance.store.table(activeTable(net.hostId(host))).watch(events => {
        for (const event of events)
          if (event.op === 'delete' || event.entry.value === '') unbound.push(host)
      })
  })

  after(async () => {
    await net?.close()
    await server?.close()
  })

  const isAway = (): Promise<boolean> =>
    net.appliance.store.tryWrite().then(
      () => false,
      error => isFailure(error, 'STORE_UNAVAILABLE')
    )

  test('the server dies and comes back: flows, old and new, go on; no port flaps', async () => {
    for (const to of [b, c]) await reaches(a, to.address())
    const servers = new Map<string, StreamServer>()
    for (const to of [b, c]) servers.set(to.address(), await to.tcp.serve())
    const streams = await Streams.open(a, servers)
    await streams.goOn('at first')
    await server.kill()
    await until('the loss is known', isAway)
    await streams.goOn('without the store')
    const late = await Streams.open(a, servers)
    await late.goOn('opened without the store')
    await reaches(c, b.address())
    await assert.rejects(net.bridge('meanwhile'), error => isFailure(error, 'STORE_UNAVAILABLE'))
    await server.start()
    await until('the store is back', async () => !(await isAway()))
    await streams.goOn('with the store again')
    const d = await net.vm('d', { on: 'compute1', at: red, addresses: ['10.0.1.14/24'] })
    await net.ready()
    await reaches(d, b.address())
    for (const each of [streams, late]) await each.lossless()
    for (const to of servers.keys()) await allReceived(a, to)
    assert.deepEqual(unbound, [])
  })

  test('an agent is killed and begins anew: its host is served again', async () => {
    await net.kill('compute2')
    await reaches(a, b.address())
    await net.startAgent('compute2')
    await net.ready()
    for (const to of [b, c]) await reaches(a, to.address())
    assert.ok((await net.adopted('compute2')) > 0, 'flows are adopted')
  })
})
