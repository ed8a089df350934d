// A VIP on eBPF: clients outside, two members on two hosts, checked by TCP through the virtual
// network, whichever host checks.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Outside, type StreamServer, until, type Vm } from '../../src/lab/index.ts'
import { EXCHANGE_DEFAULT } from '../../src/state/exchange/exchange.ts'
import { Network, Streams } from './fixtures/index.ts'

const skip = Network.skip()
const VIP = '203.0.113.80' // on the uplink's own link: the router answers ARP for it
const PORT = 8080
// Who checks is another's turn when it dies: not when a busy machine lets it stand for a moment.
const exchange = { ...EXCHANGE_DEFAULT, deadMs: 3000 }

describe('a VIP with two members', { skip }, () => {
  let net: Network
  let outside: Outside
  const vms: Vm[] = []
  const servers: StreamServer[] = []
  const members: string[] = []
  let pool: string
  let url: string

  before(async () => {
    const hosts = ['one', 'two', 'gateway']
    net = await Network.open({ prefix: 'mz-lab-lb', hosts, state: { exchange } })
    const loadBalancer = await net.create('load-balancer', {})
    const red = await net.bridge('red')
    const edge = await net.router('edge', { loadBalancer })
    await net.plug(edge, red, ['10.0.1.1/24'])
    const uplink = await net.uplink(edge, 'gateway', ['203.0.113.2/24'], {
      at: ['203.0.113.1/24'],
      addresses: ['198.51.100.1/32'],
      routes: [{ to: '10.0.0.0/8', via: '203.0.113.2' }]
    })
    outside = uplink.outside
    await net.route(edge, '0.0.0.0/0', uplink.port, '203.0.113.1')
    const healthMonitor = await net.create('health-monitor', {
      type: 'tcp',
      intervalMs: 1500, // so long may an answer take, on a busy machine
      timeoutMs: 1500,
      riseCount: 1,
      fallCount: 2
    })
    pool = await net.create('pool', { loadBalancer, healthMonitor })
    await net.create('vip', { pool, address: VIP, port: PORT })
    for (const [i, on] of ['one', 'two'].entries()) {
      const address = `10.0.1.1${i}`
      const gateway = '10.0.1.1'
      vms.push(await net.vm(`m${i}`, { on, at: red, addresses: [`${address}/24`], gateway }))
      members.push(await net.create('pool-member', { pool, address, port: PORT }))
    }
    for (const vm of vms) servers.push(await vm.tcp.serve(PORT))
    await net.start()
    url = await net.appliance.listen({ host: '127.0.0.1', port: 0 })
  })

  after(() => net?.close())

  const only = async (index: number): Promise<void> => {
    for (const [i, id] of members.entries())
      await net.change('pool-member', id, { adminStateUp: i === index })
  }
  // What was changed takes effect somewhat later: until then they come to the other one.
  const streamsTo = async (index: number): Promise<Streams> => {
    let streams: Streams | undefined
    await until(`connections come to member ${index}`, async () => {
      const there = new Map([[VIP, servers[index]!]])
      streams = await Streams.open(outside, there, 2000).catch(() => undefined)
      return streams !== undefined
    })
    return streams!
  }

  interface Health {
    readonly id: string
    readonly health: string
    readonly checker?: string
  }
  const shown = async (): Promise<readonly Health[]> =>
    (await (await fetch(`${url}/pools/${pool}/members`)).json()) as Health[]
  const healthy = (index: number, wanted: 'up' | 'down'): Promise<void> => {
    const is = async () =>
      (await shown()).find(({ id }) => id === members[index])?.health === wanted
    return until(`member ${index} is ${wanted}`, is)
  }

  test('LB-02, LB-05: new connections follow the members that are up, open ones stay', async () => {
    await only(0)
    const first = await streamsTo(0)
    await only(1)
    const second = await streamsTo(1)
    await first.goOn('with their member disabled')
    await second.goOn('at the other member')
    await first.sound()
    await second.sound()
  })

  test('LB-04: a member whose server is gone is left out, until it is back', async () => {
    for (const id of members) await net.change('pool-member', id, { adminStateUp: true })
    for (const index of [0, 1]) await healthy(index, 'up')
    const before = await net.counters()
    await servers[1]!.close()
    await healthy(1, 'down')
    const streams = await Promise.all([streamsTo(0), streamsTo(0), streamsTo(0)])
    for (const each of streams) await each.sound()
    servers[1] = await vms[1]!.tcp.serve(PORT)
    await healthy(1, 'up')
    await only(1)
    await (await streamsTo(1)).sound()
    // Nobody waits for the answer to a check that was given up: on a busy machine there are some.
    const counters = await net.counters()
    for (const name of ['load-balancer.members-up', 'load-balancer.members-down'])
      assert.ok(counters[name]! > (before[name] ?? 0), name)
    const failed = counters['load-balancer.checks-failed'] ?? 0
    assert.ok((counters['agent.deliveries-unknown'] ?? 0) <= failed)
  })

  const checker = async (): Promise<string | undefined> => {
    const [first] = await shown()
    return [...net.hosts].find(name => net.hostId(name) === first?.checker)
  }

  // Its agent goes on, and its session with the store: only its cable is gone.
  test('LB-03: a checker that is cut off has a successor, which the API names', async () => {
    const first = await checker()
    assert.ok(first !== undefined)
    const { underlay } = net.host(first)
    await net.host(first).ip(`link set dev ${underlay.ifname} down`)
    try {
      const isAnother = async (): Promise<boolean> => {
        const now = await checker()
        return now !== undefined && now !== first
      }
      await until('another host checks', isAnother)
    } finally {
      await net.host(first).ip(`link set dev ${underlay.ifname} up`)
    }
    const second = await checker()
    const up = async (): Promise<boolean> => (await shown()).every(({ health }) => health === 'up')
    await until('all members are up', up)
    assert.equal(await checker(), second)
  })
})
