// What comes up to the agents: one packet of each flow and no more, counted on every host; and
// that tenants with the same MAC and IP addresses on the same hosts never see each other.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { until, type Vm } from '../../src/lab/index.ts'
import { allReceived, type Device, Network, quiet, reachesNot } from './fixtures/index.ts'

const skip = Network.skip()
const ECHO = 7
// Longer than the file may take: what is counted is what packets do, and not what time does.
const NEVER_MS = 3_600_000
const ageless = {
  maintenance: { idleMs: NEVER_MS },
  plugins: { router: { neighbourStaleMs: NEVER_MS, neighbourExpireMs: NEVER_MS } }
}

describe('n packets of a flow make one upcall', { skip }, () => {
  let net: Network
  let red: Device
  let a: Vm
  let b: Vm // in the same subnet, on another host
  let c: Vm // behind the router, on that host too

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-upcalls', hosts: ['one', 'two'], ...ageless })
    red = await net.bridge('red')
    const blue = await net.bridge('blue')
    const router = await net.router('router')
    await net.plug(router, red, ['10.0.1.1/24', 'fd00:1::1/64'])
    await net.plug(router, blue, ['10.0.2.1/24', 'fd00:2::1/64'])
    a = await net.vm('a', { on: 'one', at: red, ...numbered(1, 11) })
    b = await net.vm('b', { on: 'two', at: red, ...numbered(1, 12) })
    c = await net.vm('c', { on: 'two', at: blue, ...numbered(2, 13) })
    await net.start()
    for (const vm of [b, c]) {
      await vm.traffic.echo(ECHO)
      for (const family of [4, 6] as const) {
        await allReceived(a, vm.address(family))
        await allReceived(vm, a.address(family))
      }
    }
    // A kernel asks again for neighbours it has not heard of for a while: not while we count.
    for (const vm of [a, b, c]) {
      const known = JSON.parse(await vm.must(['ip', '-j', 'neigh', 'show', 'dev', 'eth0']))
      for (const { dst, lladdr } of known as { dst: string; lladdr?: string }[])
        if (lladdr !== undefined)
          await vm.ip(`neigh replace ${dst} lladdr ${lladdr} dev eth0 nud permanent`)
    }
  })

  after(() => net?.close())

  /** How many packets missed, came up and were walked on each host meanwhile. */
  async function cameUp(during: () => Promise<unknown>): Promise<Record<string, number[]>> {
    const before = await counts()
    await during()
    const now = await counts()
    return Object.fromEntries(
      ['one', 'two'].map((host, h) => [host, now[h]!.map((n, i) => n - before[h]![i]!)])
    )
  }

  const counts = (): Promise<number[][]> =>
    Promise.all(
      ['one', 'two'].map(async host => {
        const counters = await net.agent(host).counters()
        const names = ['datapath.misses', 'datapath.upcalls', 'packets.walked']
        return names.map(name => counters[name] ?? 0)
      })
    )

  const none = { one: [0, 0, 0], two: [0, 0, 0] }
  const once = { one: [1, 1, 1], two: [1, 1, 1] }

  const questions =
    (to: Vm, family: 4 | 6, count = 1000) =>
    async () => {
      const options = { to: to.address(family), port: ECHO, count }
      const { sent, received } = await a.traffic.ask(options)
      assert.deepEqual([sent, received], [count, count])
    }

  test('where nobody asked for ports, UDP goes by the flow that a ping has made', async () => {
    assert.deepEqual(await cameUp(questions(b, 4)), none)
    assert.deepEqual(await cameUp(questions(b, 6)), none)
    assert.deepEqual(await cameUp(questions(c, 4)), none)
  })

  test('a new destination costs a walk for each hop to learn, not for each packet', async () => {
    await b.ip('addr add 10.0.1.99/24 dev eth0')
    const walked = await cameUp(async () => {
      // What else is sent meanwhile waits for ARP with the first, and all of it comes at once.
      await allReceived(a, '10.0.1.99', { count: 1 })
      await allReceived(a, '10.0.1.99', { count: 200, intervalMs: 2 })
    })
    for (const [host, [misses]] of Object.entries(walked))
      assert.ok(misses! <= 5, `${misses} packets of 402 missed on ${host}`)
  })

  describe('with a rule that asks for ports', () => {
    before(async () => {
      const destinationPorts = { start: 9999, end: 9999 }
      const { chain } = await net.chain('ports', {
        action: 'drop',
        protocol: 'udp',
        destinationPorts
      })
      await net.create('rule', { chain, action: 'drop', protocol: 'tcp', destinationPorts })
      await net.create('rule', {
        chain,
        action: 'drop',
        protocol: 'icmp',
        sourcePorts: { start: 99 }
      })
      for (const vm of [a, b, c]) await net.change('port', net.port(vm), { inFilter: chain })
      // Until all has been heard of, and what pings need is in the kernel again.
      const through = async (): Promise<void> => {
        for (const vm of [b, c])
          for (const family of [4, 6] as const) await allReceived(a, vm.address(family))
      }
      await until('pings make no flow', async () => isDeepStrictEqual(await cameUp(through), none))
    })

    test('1000 UDP questions and answers: one each way', async () => {
      assert.deepEqual(await cameUp(questions(b, 4)), once)
      assert.deepEqual(await cameUp(questions(b, 6)), once)
      assert.deepEqual(await cameUp(questions(c, 4)), once)
    })

    test('the same question from another port: only the answer is new', async () => {
      assert.deepEqual(await cameUp(questions(b, 4)), { one: [0, 0, 0], two: [1, 1, 1] })
    })

    test('pings: none after the first, whichever run of ping they are of', async () => {
      const pings = () => allReceived(a, b.address(), { count: 100, intervalMs: 2 })
      assert.deepEqual(await cameUp(pings), none)
    })

    test('a TCP connection of megabytes: one each way', async () => {
      for (const to of [b, c]) {
        const server = await to.tcp.serve()
        const connection = async () => {
          const options = { server, to: to.address(), speaks: 'both', everyMs: 0 } as const
          const stream = await a.tcp.stream(options)
          await until('5 MB', async () => (await stream.report()).receivedBytes > 5e6)
          const report = await stream.stop()
          assert.ok(report.sound, JSON.stringify(report))
        }
        assert.deepEqual(await cameUp(connection), once)
        await server.close()
      }
    })
  })
})

const numbered = (subnet: number, n: number) => ({
  addresses: [`10.0.${subnet}.${n}/24`, `fd00:${subnet}::${n}/64`],
  gateway: `10.0.${subnet}.1`,
  gateway6: `fd00:${subnet}::1`
})

describe('two tenants with the same addresses on the same hosts', { skip }, () => {
  interface Tenant {
    readonly name: string
    readonly size: number // of its questions: by this its frames are known
    readonly vms: readonly Vm[]
  }
  let net: Network
  let tenants: Tenant[]

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-tenants', hosts: ['one', 'two'] })
    tenants = [await tenant('red', 111), await tenant('blue', 222)]
    await net.start()
  })

  after(() => net?.close())

  // Equal to the last byte: MACs of VMs and routers, IPs, ports.
  async function tenant(name: string, size: number): Promise<Tenant> {
    const [near, far] = [await net.bridge(`${name}-1`), await net.bridge(`${name}-2`)]
    const router = await net.router(name)
    const ends = [
      [near, '02:00:5e:00:ff:01', ['10.0.1.1/24', 'fd00:1::1/64']],
      [far, '02:00:5e:00:ff:02', ['10.0.2.1/24', 'fd00:2::1/64']]
    ] as const
    for (const [bridge, mac, addresses] of ends) {
      const port = await net.plug(router, bridge, addresses)
      await net.change('port', port, { mac })
    }
    const vm = (letter: string, on: string, at: Device, subnet: number, n: number): Promise<Vm> =>
      net.vm(`${name}-${letter}`, {
        ...{ on, at, ...numbered(subnet, n) },
        mac: `02:00:00:00:0${subnet}:${n}`
      })
    const vms = [
      await vm('a', 'one', near, 1, 11),
      await vm('b', 'two', near, 1, 12),
      await vm('c', 'two', far, 2, 13)
    ]
    return { name, size, vms }
  }

  test('each reaches its own, at the same time, and hears nothing of the other', async () => {
    const captures = await Promise.all(
      tenants.flatMap(({ vms }) =>
        vms.map(vm => vm.capture('eth0', `udp port ${ECHO}`, { snapLength: 400 }))
      )
    )
    for (const { vms } of tenants) for (const vm of vms.slice(1)) await vm.traffic.echo(ECHO)
    await Promise.all(
      tenants.flatMap(({ vms: [a, b, c], size }) =>
        [b!, c!].map(async to => {
          for (const family of [4, 6] as const) {
            const options = { to: to.address(family), port: ECHO, count: 300, size }
            const { received } = await a!.traffic.ask(options)
            assert.equal(received, 300)
          }
        })
      )
    )
    for (const [i, capture] of captures.entries()) {
      const { size, name } = tenants[i < 3 ? 0 : 1]!
      const expected = i % 3 === 0 ? 2400 : 1200
      await until('every frame', () => capture.count >= expected)
      const lengths = new Set(capture.raw().map(({ bytes }) => bytes.length - size))
      assert.deepEqual([...lengths].sort(), [42, 62], `${name} sees frames of sizes not its own`)
      assert.equal(capture.count, expected)
      await capture.stop()
    }
  })

  test('one that is switched off is off, the other goes on', async () => {
    const [red, blue] = tenants as [Tenant, Tenant]
    for (const vm of red.vms) await net.change('port', net.port(vm), { adminStateUp: false })
    await reachesNot(red.vms[0]!, red.vms[1]!.address())
    const [a, b, c] = blue.vms
    const heard = await red.vms[1]!.capture('eth0', '', { direction: 'in' })
    for (const to of [b!, c!]) await allReceived(a!, to.address(), { count: 20, intervalMs: 5 })
    await quiet(heard, 'nothing of a stranger')
    assert.equal(heard.count, 0, await heard.describe())
    await heard.stop()
  })
})
