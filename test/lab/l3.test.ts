// Routers on the kernel datapath: between subnets, through two of them, out by a gateway's uplink
// and back, who is told what on the way, and what does not fit a tunnel. IPv4 and IPv6.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { eth } from '../../src/wire/builder.ts'
import { allReceived, type Device, Network, quiet, reaches, reachesNot } from './fixtures/index.ts'

const skip = Network.skip()
const families = [4, 6] as const

describe('two subnets, two routers, an uplink', { skip }, () => {
  const OUTSIDE = { 4: '198.51.100.1', 6: '2001:db8:1::1' } as const
  let net: Network
  let red: Device
  let blue: Device
  let tenant: Device
  let edge: Device
  let outside: Outside
  let a: Vm // in red
  let b: Vm // in blue, on another host
  let c: Vm // in blue, on the same host as a
  let thief: Vm // in red
  let ports: { red: string; blue: string }

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-l3', hosts: ['one', 'two', 'gateway'] })
    ;[red, blue] = [await net.bridge('red'), await net.bridge('blue')]
    ;[tenant, edge] = [await net.router('tenant'), await net.router('edge')]
    ports = {
      red: await net.plug(tenant, red, ['10.0.1.1/24', 'fd00:1::1/64']),
      blue: await net.plug(tenant, blue, ['10.0.2.1/24', 'fd00:2::1/64'])
    }
    const [up, down] = await net.join(tenant, ['169.254.1.1/30', 'fd00:99::1/64'], edge, [
      '169.254.1.2/30',
      'fd00:99::2/64'
    ])
    const uplink = await net.uplink(edge, 'gateway', ['203.0.113.2/24', '2001:db8::2/64'], {
      at: ['203.0.113.1/24', '2001:db8::1/64'],
      addresses: [`${OUTSIDE[4]}/32`, `${OUTSIDE[6]}/128`],
      routes: [
        { to: '10.0.0.0/8', via: '203.0.113.2' },
        { to: 'fd00::/16', via: '2001:db8::2' }
      ]
    })
    outside = uplink.outside
    for (const [router, to, port, via] of [
      [tenant, '0.0.0.0/0', up, '169.254.1.2'],
      [tenant, '::/0', up, 'fd00:99::2'],
      [edge, '10.0.0.0/8', down, '169.254.1.1'],
      [edge, 'fd00::/16', down, 'fd00:99::1'],
      [edge, '0.0.0.0/0', uplink.port, '203.0.113.1'],
      [edge, '::/0', uplink.port, '2001:db8::1']
    ] as const)
      await net.route(router, to, port, via)
    const vm = (name: string, on: string, at: Device, subnet: number, n: number): Promise<Vm> =>
      net.vm(name, { on, at, ...numbered(subnet, n) })
    ;[a, b, c, thief] = await Promise.all([
      vm('a', 'one', red, 1, 11),
      vm('b', 'two', blue, 2, 12),
      vm('c', 'one', blue, 2, 13),
      vm('thief', 'two', red, 1, 66)
    ])
    await net.start()
  })

  after(() => net?.close())

  test('RT-01 two_subnets: VMs of two subnets reach each other, the first packet too', async () => {
    for (const [from, to] of [
      [a, b],
      [c, a],
      [b, thief]
    ] as const)
      for (const family of families) {
        const there = await allReceived(from, to.address(family))
        assert.equal(there.ttl, 63)
        await allReceived(to, from.address(family))
      }
  })

  test('RT-01 two_subnets: a router answers for its own addresses, near and far', async () => {
    for (const to of ['10.0.1.1', 'fd00:1::1', '10.0.2.1', '169.254.1.1', '169.254.1.2'])
      await allReceived(a, to)
  })

  test('RT-02 fragments: pings larger than the MTU pass, both ways', async () => {
    for (const to of [b, c])
      for (const family of families) {
        await allReceived(a, to.address(family), { size: 9000 })
        await allReceived(to, a.address(family), { size: 9000 })
      }
  })

  test('a VM reaches the outside through the uplink, and is reached', async () => {
    for (const family of families)
      for (const vm of [a, b]) {
        const result = await allReceived(vm, OUTSIDE[family])
        assert.equal(result.ttl, 62, 'two routers on the way')
        await allReceived(outside, vm.address(family), { size: 5000 })
      }
  })

  test('TCP between a VM and the outside is sound, whoever opens it', async () => {
    for (const family of families)
      for (const [client, server, to] of [
        [a, outside, OUTSIDE[family]],
        [outside, a, a.address(family)]
      ] as const) {
        const service = await server.tcp.serve()
        const stream = await client.tcp.stream({ server: service, to, speaks: 'both', everyMs: 0 })
        await until('10 MB', async () => (await stream.report()).receivedBytes > 10e6)
        const report = await stream.stop()
        await service.close()
        assert.ok(report.sound, JSON.stringify(report))
      }
  })

  test('traceroute: every router on the way says who it is', async () => {
    const expected = {
      4: ['10.0.1.1', '169.254.1.2'],
      6: ['fd00:1::1', 'fd00:99::2']
    } as const
    for (const family of families) {
      const hops: string[] = []
      for (const ttl of [1, 2]) {
        const result = await a.ping(OUTSIDE[family], { count: 1, ttl })
        assert.match(result.errors[0]?.text ?? result.output, /exceeded/)
        hops.push(result.errors[0]!.from)
      }
      assert.deepEqual(hops, expected[family])
      const last = await allReceived(a, OUTSIDE[family], { count: 1, ttl: 3 })
      assert.equal(last.ttl, 62)
      // The other way round the first hop is the uplink, seen from outside.
      const back = await outside.ping(a.address(family), { count: 1, ttl: 1 })
      assert.equal(back.errors[0]?.from, family === 4 ? '203.0.113.2' : '2001:db8::2')
    }
  })

  test('the sender is told when there is no route', async () => {
    await net.create('route', { router: tenant.id, destination: '10.9.0.0/16', type: 'reject' })
    const told = async (): Promise<boolean> =>
      /unreachable|filtered|prohibited/i.test((await a.ping('10.9.0.1', { count: 1 })).output)
    await until('told', told)
  })

  test('RT-03 spoofed_arp_reply: who is not in the subnet is not believed', async () => {
    await allReceived(a, b.address())
    const heard = await thief.capture('eth0', `ip dst ${b.address()}`)
    const { mac } = await thief.nextHop('10.0.1.1')
    const lie = eth(thief.mac, mac).arpReply(thief.mac, b.address(), mac, '10.0.1.1')
    const loud = eth(thief.mac, 'ff:ff:ff:ff:ff:ff').arpReply(
      ...([thief.mac, b.address(), 'ff:ff:ff:ff:ff:ff', b.address()] as const)
    )
    const asked = eth(thief.mac, mac).arpRequest(thief.mac, b.address(), '10.0.1.1')
    await thief.traffic.send([lie, loud, asked].map(frame => frame.frame(60)))
    await quiet(heard, 'what is meant for b')
    await allReceived(a, b.address(), { count: 10 })
    await allReceived(outside, b.address(), { count: 5 })
    await quiet(heard, 'what is meant for b')
    assert.equal(heard.count, 0, await heard.describe())
    await heard.stop()
  })

  test('RT-04 delete_port: what flows through a port stops when it is deleted', async () => {
    for (const family of families) await allReceived(a, b.address(family))
    const heard = await b.capture('eth0', 'icmp or icmp6', { direction: 'in' })
    const pings = await a.pings(b.address(), 10)
    await until('pings', () => heard.count > 20)
    await net.delete('port', ports.blue)
    await reachesNot(a, b.address())
    await quiet(heard, 'nothing is delivered any more')
    await pings.stop()
    await reachesNot(a, b.address(6))
    await heard.stop()
    const through = (await net.agent('one').flows()).filter(flow => flow.key.includes('10.0.2.12'))
    for (const flow of through) assert.deepEqual(flow.actions, [], JSON.stringify(flow))
    ports.blue = await net.plug(tenant, blue, ['10.0.2.1/24', 'fd00:2::1/64'])
    for (const family of families) await reaches(a, b.address(family))
  })

  test("RT-04 delete_port: a VM's own port", async () => {
    await allReceived(a, c.address())
    await net.delete('port', net.port(c))
    await reachesNot(a, c.address())
    await reachesNot(b, c.address())
    await allReceived(a, b.address())
  })
})

const numbered = (subnet: number, n: number) => ({
  addresses: [`10.0.${subnet}.${n}/24`, `fd00:${subnet}::${n}/64`],
  gateway: `10.0.${subnet}.1`,
  gateway6: `fd00:${subnet}::1`
})

for (const tunnels of ['vxlan', 'gre'] as const)
  describe(`VMs with a larger MTU than a ${tunnels} tunnel has`, { skip }, () => {
    // Outer Ethernet is not part of the MTU: IP and UDP and VXLAN, or IP and GRE with key; and the
    // inner Ethernet header.
    const room = tunnels === 'vxlan' ? 1500 - 50 : 1500 - 42
    let net: Network
    let a: Vm
    let near: Vm // in the same subnet, on the other host
    let far: Vm // behind the router, on the other host

    before(async () => {
      const hosts = ['one', 'two']
      net = await Network.open({ prefix: `mz-lab-mtu-${tunnels}`, hosts, tunnels, mtu: 1500 })
      const [red, blue] = [await net.bridge('red'), await net.bridge('blue')]
      const router = await net.router('router')
      await net.plug(router, red, ['10.0.1.1/24', 'fd00:1::1/64'])
      await net.plug(router, blue, ['10.0.2.1/24', 'fd00:2::1/64'])
      a = await net.vm('a', { on: 'one', at: red, ...numbered(1, 11) })
      near = await net.vm('near', { on: 'two', at: red, ...numbered(1, 12) })
      far = await net.vm('far', { on: 'two', at: blue, ...numbered(2, 13) })
      await net.start()
    })

    after(() => net?.close())

    test('the sender is told the MTU: frag-needed, packet-too-big', async () => {
      for (const to of [near, far])
        for (const family of families) {
          const header = family === 4 ? 28 : 48
          const fits = { df: true, size: room - header }
          await allReceived(a, to.address(family), fits)
          const tooBig = { df: true, size: room - header + 1, count: 2, timeoutMs: 3000 }
          const result = await a.ping(to.address(family), tooBig)
          assert.equal(result.received, 0)
          assert.equal(result.errors[0]?.mtu, room, result.output)
        }
    })

    test('an IPv4 packet that may be fragmented is, and arrives', async () => {
      await a.ip('route flush cache')
      for (const to of [near, far])
        for (const size of [room - 27, 1472, 4000, 20_000])
          await allReceived(a, to.address(), { df: false, size })
    })

    test('TCP finds its size and is sound', async () => {
      for (const to of [near, far])
        for (const family of families) {
          await a.ip('route flush cache')
          await a.must(['ip', '-6', 'route', 'flush', 'cache'])
          const server = await to.tcp.serve()
          const stream = await a.tcp.stream({
            ...{ server, to: to.address(family), speaks: 'both', everyMs: 0 }
          })
          await until('5 MB', async () => (await stream.report()).receivedBytes > 5e6)
          const report = await stream.stop()
          await server.close()
          assert.ok(report.sound, JSON.stringify(report))
        }
    })
  })
