// Bridges on the kernel datapath: learning, floods, moves, isolation, interfaces that come and go,
// and rules that change, on three hosts with real frames.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type Capture, type Machine, until, type Vm } from '../../src/lab/index.ts'
import { eth } from '../../src/wire/builder.ts'
import {
  allReceived,
  type Device,
  Network,
  quiet,
  reaches,
  reachesNot,
  sleep
} from './fixtures/index.ts'

const skip = Network.skip()
const BROADCAST = 'ff:ff:ff:ff:ff:ff'

// A frame whose only point is its source address.
const hello = (mac: string): Uint8Array => eth(mac, BROADCAST, 0x88b5).payload(46).frame()

describe('a bridge on three hosts', { skip }, () => {
  let net: Network
  let red: Device
  let a: Vm // a and b on one host, c and d on one each
  let b: Vm
  let c: Vm
  let d: Vm

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-l2', hosts: ['one', 'two', 'three'] })
    red = await net.bridge('red')
    const vm = (name: string, on: string, n: number): Promise<Vm> =>
      net.vm(name, { on, at: red, addresses: [`10.0.1.${n}/24`, `fd00:1::${n}/64`] })
    ;[a, b, c, d] = await Promise.all([
      vm('a', 'one', 1),
      vm('b', 'one', 2),
      vm('c', 'two', 3),
      vm('d', 'three', 4)
    ])
    await net.start()
  })

  after(() => net?.close())

  // Pings that only the Ethernet address can lead anywhere, and who saw how many of them: somebody
  // sees each, or as many as are said.
  async function seen(mac: string, count: number, by: readonly Capture[], wanted = 1) {
    const before = by.map(capture => capture.count)
    const more = (): number[] => by.map((capture, i) => capture.count - before[i]!)
    const isSeen = (): boolean => more().filter(n => n >= count).length >= wanted
    await a.ip(`neigh replace 10.0.1.99 lladdr ${mac} dev eth0`)
    await a.ping('10.0.1.99', { count, intervalMs: 5, timeoutMs: 50 })
    await until(`${count} are seen`, isSeen)
    await Promise.all(by.map(capture => quiet(capture, 'pings')))
    return more()
  }

  // What one host has learned the others hear; from then on all goes there and nowhere else.
  async function goesTo(at: number, mac: string, by: readonly Capture[]): Promise<void> {
    const alone = (count: number): number[] => by.map((_, i) => (i === at ? count : 0))
    const one = async () => isDeepStrictEqual(await seen(mac, 1, by), alone(1))
    await until(`all goes to ${at}`, one)
    assert.deepEqual(await seen(mac, 5, by), alone(5))
  }

  const captures = (mac: string): Promise<Capture[]> =>
    Promise.all([b, c, d].map(vm => vm.capture('eth0', `icmp and ether dst ${mac}`)))

  test('BR-03 icmp: VMs on the same and on different hosts reach each other', async () => {
    for (const [from, to] of [
      [a, b],
      [b, a],
      [a, c],
      [c, a],
      [c, d]
    ] as const)
      for (const family of [4, 6] as const) await allReceived(from, to.address(family))
  })

  test('BR-04 fragments: pings larger than the MTU pass, both ways', async () => {
    for (const to of [b, c])
      for (const family of [4, 6] as const)
        for (const size of [1473, 9000]) {
          await allReceived(a, to.address(family), { size })
          await allReceived(to, a.address(family), { size })
        }
  })

  test('BR-01 mac_learning: an unknown address is flooded, a learned one is not', async () => {
    const ghost = '02:00:00:00:99:01'
    const at = await captures(ghost)
    assert.deepEqual(await seen(ghost, 5, at, at.length), [5, 5, 5])
    await d.traffic.send([hello(ghost)])
    await goesTo(2, ghost, at)
    await Promise.all(at.map(capture => capture.stop()))
  })

  test('BR-06 mac_move_invalidation: after its first frame all goes to the new place', async () => {
    const nomad = '02:00:00:00:99:02'
    const at = await captures(nomad)
    for (const where of [b, d, c, b]) {
      await where.traffic.send([hello(nomad)])
      await goesTo([b, c, d].indexOf(where), nomad, at)
    }
    await Promise.all(at.map(capture => capture.stop()))
  })

  test('BR-06 mac_move_invalidation: a flow in use follows its destination', async () => {
    const nomad = '02:00:00:00:99:03'
    const at = await captures(nomad)
    await c.traffic.send([hello(nomad)])
    await goesTo(1, nomad, at)
    await a.ip(`neigh replace 10.0.1.98 lladdr ${nomad} dev eth0`)
    const [others, before] = [at[0]!.count, at[1]!.count]
    const pings = await a.pings('10.0.1.98', 10)
    await until('the first ones at c', () => at[1]!.count > before + 10)
    await d.traffic.send([hello(nomad)])
    await until('the first one at d', () => at[2]!.count > 0)
    await quiet(at[1]!, 'c hears no more')
    const [atC, atD] = [at[1]!.count, at[2]!.count]
    await until('all go to d', () => at[2]!.count > atD + 20)
    await pings.stop()
    assert.deepEqual([at[0]!.count, at[1]!.count], [others, atC], 'only d hears more')
    await Promise.all(at.map(capture => capture.stop()))
  })

  test('BR-05 isolation: nothing of one bridge is seen on another with the same IPs', async () => {
    const blue = await net.bridge('blue')
    const like = (vm: Vm, on: string): Promise<Vm> =>
      net.vm(`${vm.name}-blue`, { on, at: blue, addresses: ['10.0.1.1/24', 'fd00:1::1/64'] })
    const others = [await like(a, 'one'), await like(c, 'two')]
    await others[1]!.ip('addr del 10.0.1.1/24 dev eth0', 'addr del fd00:1::1/64 dev eth0')
    await net.ready()
    const strangers = [a, b, c, d].map(vm => `ether src ${vm.mac}`).join(' or ')
    const heard = await Promise.all(others.map(vm => vm.capture('eth0', strangers)))
    for (const family of [4, 6] as const) await allReceived(b, a.address(family), { count: 5 })
    await a.ip('neigh flush all')
    await a.ping('10.0.1.77', { count: 2, timeoutMs: 100 }) // ARP that nobody answers
    await a.traffic.send([hello(a.mac)])
    for (const capture of heard) await quiet(capture, 'of a stranger')
    for (const capture of heard) assert.equal(capture.count, 0, await capture.describe())
    // They would have heard it, had it been theirs.
    await others[0]!.traffic.send([hello(a.mac)])
    await until('a broadcast of their own', () => heard[1]!.count === 1)
    await Promise.all(heard.map(capture => capture.stop()))
  })

  test('BR-07 iface_recovery: an interface goes down and comes back', async () => {
    for (const [down, up] of [
      [() => c.host.linkDown(c.interface), () => c.host.linkUp(c.interface)],
      [() => c.unplug(), () => c.plug()],
      [() => c.host.ip(`link del ${c.interface}`), () => plugAgain(c)]
    ] as const) {
      await reaches(a, c.address())
      const { bound } = await net.agent('two').status()
      await down()
      await until('inactive', async () => (await net.agent('two').status()).bound === bound - 1)
      await reachesNot(a, c.address())
      await up()
      await net.ready()
      await reaches(a, c.address())
      await allReceived(a, c.address(6))
    }
  })

  test('BR-08 rule_change: a drop rule stops the ping, its end lets it go on', async () => {
    const { chain, rule } = await net.chain('no-ipv4', { action: 'drop', ethType: 0x0800 })
    await net.change('bridge', red.id, { inFilter: chain })
    for (const to of [b, c]) {
      await reachesNot(a, to.address())
      await allReceived(a, to.address(6))
    }
    await net.delete('rule', rule)
    for (const to of [b, c]) await reaches(a, to.address())
    const again = await net.create('rule', { chain, action: 'drop', ethType: 0x0800 })
    await reachesNot(a, c.address())
    await net.change('rule', again, { action: 'accept' })
    await reaches(a, c.address())
    await net.change('bridge', red.id, { inFilter: undefined })
  })

  test('ARP and ND for addresses the bridge knows are answered and not flooded', async () => {
    const table = net.appliance.store.table(`arp/${red.id}`)
    for (const ip of c.addresses) await table.put(ip, c.mac)
    // Its own questions: the others' kernels probe each other when they like.
    const asked = `ether src ${a.mac} and (${NEIGHBOUR})`
    const others = await Promise.all(
      [b, c, d].map(vm => vm.capture('eth0', asked, { direction: 'in' }))
    )
    const questions = (): number => others.reduce((sum, { count }) => sum + count, 0)
    // None is heard by anybody.
    const ask = async (ip: string): Promise<boolean> => {
      const before = questions()
      await a.ip('neigh flush all')
      await c.ip(
        `neigh replace ${ip.includes(':') ? 'fd00:1::1' : '10.0.1.1'} lladdr ${a.mac} dev eth0`
      )
      await allReceived(a, ip)
      for (const capture of others) await quiet(capture, 'questions')
      return questions() === before
    }
    for (const ip of c.addresses) {
      await until(`one has heard of ${ip}`, () => ask(ip))
      for (let again = 0; again < 3; again++) assert.ok(await ask(ip), `a question for ${ip}`)
    }
    await a.ip('neigh flush all')
    const before = others[2]!.count
    await allReceived(a, b.address(4)) // nobody told the bridge: flooded
    await until('the question at d', () => others[2]!.count > before)
    await Promise.all(others.map(capture => capture.stop()))
  })
})

// A question for an address: ARP request, neighbour solicitation.
const NEIGHBOUR = '(arp[6:2] == 1) or (icmp6 and ip6[40] == 135)'

// A new interface of the old name.
async function plugAgain(vm: Vm): Promise<void> {
  await vm.host.cable(vm.interface, 'eth0', vm.netns, vm)
  await vm.plug()
}

describe('a bridge with 300 ports on two hosts', { skip }, () => {
  const PORTS = 150 // a host

  test('a broadcast reaches every port once, and the sender not at all', async () => {
    await using net = await Network.open({ prefix: 'mz-lab-l2-wide', hosts: ['one', 'two'] })
    const wide = await net.bridge('wide')
    const sender = await net.vm('sender', { on: 'one', at: wide })
    const sinks = [await crowd(net, wide, 'one'), await crowd(net, wide, 'two')]
    await net.start()
    const COUNT = 20
    let sent = 0
    const send = async (count: number): Promise<void> => {
      await sender.traffic.send(Array.from({ length: count }, () => hello(sender.mac)))
      sent += count
      const isAll = async (sink: Machine) => [...(await received(sink))].every(n => n === sent)
      for (const sink of sinks) await until(`${sent} frames at each port`, () => isAll(sink))
    }
    const walked = async () => (await net.agent('one').counters())['packets.walked'] ?? 0
    // The first walks bring the topology, and what comes of it may still take a flow away.
    await until('a broadcast that nobody walks', async () => {
      const before = await walked()
      await send(1)
      return (await walked()) === before
    })
    const before = await walked()
    await send(COUNT)
    await sleep(100) // for a second one, which must not come
    for (const sink of sinks) assert.deepEqual([...(await received(sink))], [sent])
    assert.equal((await sender.counters('eth0')).rx.packets, 0)
    assert.ok((await walked()) <= before + 1, `${(await walked()) - before} packets came up`)
  })

  // As many interfaces, whose other ends are in one namespace.
  async function crowd(network: Network, bridge: Device, on: string): Promise<Machine> {
    const host = network.host(on)
    const sink = await host.vm(`sink-${on}`, {})
    const names = Array.from({ length: PORTS }, (_, i) => `p${i}`)
    await host.ip(
      ...names.flatMap(name => [
        `link add name ${name} type veth peer name ${name} netns ${sink.netns}`,
        `link set dev ${name} up`
      ])
    )
    await sink.ip(...names.map(name => `link set dev ${name} up`))
    await Promise.all(names.map(name => network.bind(bridge, on, name)))
    return sink
  }

  // How many frames the ports have had: one number when all have had the same.
  async function received(sink: Machine): Promise<Set<number>> {
    const text = await sink.must(['ip', '-j', '-s', 'link', 'show'])
    const links = JSON.parse(text) as { ifname: string; stats64: { rx: { packets: number } } }[]
    const ports = links.filter(({ ifname }) => /^p\d/.test(ifname))
    assert.equal(ports.length, PORTS)
    return new Set(ports.map(({ stats64 }) => stats64.rx.packets))
  }
})
