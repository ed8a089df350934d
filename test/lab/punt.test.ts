// The control plane of an uplink port in a namespace beside it, with real kernels on both sides:
// the upstream router's, and that of the namespace, which has the port's MAC and addresses.
//
//   outside 203.0.113.1 ──── uplink0 (gateway: the port) ──── the walk ──── a, the tenant
//                               └─ by BPF ─ mzu… ──── speaker 203.0.113.2
//
// The agent is a process of its own, so that kill -9 is what it says.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PuntRules } from '../../src/datapath/punt.ts'
import {
  type Machine,
  type Outside,
  type StreamServer,
  type TcpStream,
  until,
  type Vm
} from '../../src/lab/index.ts'
import { eth } from '../../src/wire/builder.ts'
import { allReceived, Network, quiet, reaches, Streams } from './fixtures/index.ts'

const skip = Network.skip()
const HOST = 'gateway'
const UPLINK = 'uplink0'
const BESIDE = 'mzu0a1b2c3d'
const FAMILIES = [4, 6] as const
const OURS = { 4: '203.0.113.2', 6: '2001:db8::2' } as const
const PEER = { 4: '203.0.113.1', 6: '2001:db8::1' } as const
const FAR = { 4: '198.51.100.1', 6: '2001:db8:1::1' } as const // no peer
const BGP = 179
const BFD = 3784
const SNMP = 161
const NOBODY_MS = 1500 // for what must not connect
const rules: PuntRules = {
  interface: BESIDE,
  addresses: Object.values(OURS),
  peers: Object.values(PEER),
  services: [{ protocol: 'udp', port: SNMP }]
}

describe('the control plane of an uplink port', { skip }, () => {
  let net: Network
  let port: string
  let inner: string // the router's port towards the tenant
  let outside: Outside
  let speaker: Outside
  let a: Vm
  const listens = new Map<Machine, StreamServer>()

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-punt', hosts: [HOST], processes: true })
    const red = await net.bridge('red')
    const edge = await net.router('edge')
    inner = await net.plug(edge, red, ['10.0.1.1/24'])
    const uplink = await net.uplink(edge, HOST, [`${OURS[4]}/24`, `${OURS[6]}/64`], {
      at: [`${PEER[4]}/24`, `${PEER[6]}/64`],
      addresses: [`${FAR[4]}/32`, `${FAR[6]}/128`],
      routes: [{ to: '10.0.0.0/8', via: OURS[4] }]
    })
    ;({ port, outside } = uplink)
    await net.route(edge, '0.0.0.0/0', port, PEER[4])
    a = await net.vm('a', { on: HOST, at: red, addresses: ['10.0.1.11/24'], gateway: '10.0.1.1' })
    speaker = await net.lab.outside('speaker', { links: [await beside()] })
    await net.start()
    await reaches(a, FAR[4])
    await net.agent(HOST).punt(port, rules)
    for (const machine of [speaker, outside]) listens.set(machine, await machine.tcp.serve(BGP))
  })
  after(() => net?.close())

  const beside = async () => {
    const mac = (await net.read('port', port)).mac as string
    const addresses = [`${OURS[4]}/24`, `${OURS[6]}/64`]
    return { host: net.host(HOST), interface: BESIDE, addresses, mac }
  }
  const counted = async (name: string): Promise<number> => (await net.counters())[name] ?? 0
  const more = async (name: string, what: () => Promise<unknown>): Promise<number> => {
    const before = await counted(`datapath.${name}`)
    await what()
    return (await counted(`datapath.${name}`)) - before
  }
  const speaks = (from: Machine, to: Machine, at: string): Promise<Streams> =>
    Streams.open(from, new Map([[at, listens.get(to)!]]))
  const calls = (from: Machine, to: string, source?: string): Promise<TcpStream> =>
    from.tcp.stream({
      ...{ server: listens.get(speaker)!, to, timeoutMs: NOBODY_MS },
      ...(source !== undefined && { from: source })
    })
  // Its port's control plane answers and is answered.
  const works = async (): Promise<void> => {
    assert.ok((await more('punted-icmp', () => reaches(outside, OURS[4]))) > 0)
    for (const streams of [
      await speaks(outside, speaker, OURS[4]),
      await speaks(speaker, outside, PEER[4])
    ]) {
      await streams.goOn('both ways')
      await streams.sound()
    }
  }
  const inForce = (n: number): Promise<void> =>
    until(`${n} punts in force`, async () => (await counted('agent.punts')) === n)

  for (const family of FAMILIES) {
    test(`pings of the port's address are answered by the namespace, IPv${family}`, async () => {
      const count = 20
      const ping = () => allReceived(outside, OURS[family], { count })
      assert.equal(await more('punted-icmp', ping), count)
    })

    test(`BGP's port leads there and back, whoever calls, IPv${family}`, async () => {
      const called = await speaks(outside, speaker, OURS[family])
      await called.goOn('called by the peer')
      await called.sound()
      const calling = await speaks(speaker, outside, PEER[family])
      await calling.goOn('calling the peer')
      await calling.sound()
    })

    test(`a stranger does not get through to it, IPv${family}`, async () => {
      const call = () => assert.rejects(calls(outside, OURS[family], FAR[family]))
      assert.ok((await more('punt-strangers', call)) > 0)
    })

    test(`each of both has neighbours of its own, IPv${family}`, async () => {
      const { mac } = await beside()
      await outside.ip('neigh flush dev eth0')
      await speaker.ip('neigh flush dev eth0')
      const found = () => allReceived(outside, OURS[family])
      assert.ok((await more('punted-peer-neighbour', found)) > 0)
      const shown = await outside.must(['ip', 'neigh', 'show', OURS[family]])
      assert.ok(shown.includes(mac), shown)
      if (family === 4) await allReceived(a, FAR[4])
    })

    test(`BFD from the link is heard, from further away it is not, IPv${family}`, async t => {
      const echo = await speaker.traffic.echo(BFD)
      const limit = (hops: number) =>
        outside.sysctl({ 'ipv4/ip_default_ttl': hops, 'ipv6/conf/eth0/hop_limit': hops })
      t.after(async () => {
        await limit(64)
        await echo.stop()
      })
      const ask = (timeoutMs: number) =>
        outside.traffic.ask({ to: OURS[family], port: BFD, count: 5, everyUs: 1000, timeoutMs })
      await limit(255)
      const heard = async () => assert.equal((await ask(5000)).received, 5)
      assert.equal(await more('punted-bfd', heard), 5)
      await limit(254)
      const unheard = async () => assert.equal((await ask(300)).received, 0)
      assert.equal(await more('punt-strangers', unheard), 5)
    })
  }

  test('segments of 64 KiB and unfinished sums leave by a plain card as they should', async () => {
    await net.host(HOST).offloads(UPLINK, false)
    for (const speaks of ['client', 'server'] as const) {
      const server = listens.get(speaker)!
      const bulk = { speaks, everyMs: 0, recordBytes: 65_536 }
      const stream = await outside.tcp.stream({ server, to: OURS[4], ...bulk })
      await until('megabytes', async () => (await stream.report()).receivedBytes > 8 << 20)
      const report = await stream.stop()
      assert.ok(report.sound, JSON.stringify(report))
    }
    await net.host(HOST).offloads(UPLINK, true)
  })

  test('what passes by, and what answers a translated packet, goes the ordinary way', async () => {
    const far = new Map([[FAR[4], await outside.tcp.serve()]])
    const passing = await Streams.open(a, far)
    await passing.goOn('in their own name')
    await passing.sound()
    const natTargets = [{ from: OURS[4], to: OURS[4], portFrom: 1024, portTo: 65_535 }]
    const { chain: outFilter } = await net.chain('out', { action: 'snat', natTargets })
    const { chain: inFilter } = await net.chain('in', { action: 'reverse-snat' })
    await net.change('port', port, { inFilter, outFilter })
    const capture = await outside.capture('eth0', `tcp and src ${OURS[4]} and dst ${FAR[4]}`)
    await until('they are translated', async () => {
      const translated = await Streams.open(a, far)
      await translated.goOn("in the port's name")
      await translated.sound()
      return capture.count > 0
    })
    await capture.stop()
    await works()
    await net.change('port', port, { inFilter: undefined, outFilter: undefined })
  })

  test('a tenant does not reach it, whoever it says it is', async () => {
    const heard = await speaker.capture('eth0', 'tcp or udp or icmp')
    await quiet(heard, 'of before')
    const before = heard.count
    const gateway = (await net.read('port', inner)).mac as string
    const from = (source: string) => eth(a.mac, gateway).ipv4(source, OURS[4], { ttl: 255 })
    for (const source of [a.address(), PEER[4], OURS[4]])
      await a.traffic.send([
        from(source).tcp(40_000, BGP, { flags: 2 }).frame(),
        from(source).udp(49_152, BFD).payload(24).frame(),
        from(source).udp(40_000, SNMP).payload(24).frame(),
        from(source).icmpEcho(7, 7).payload(56).frame()
      ])
    await assert.rejects(calls(a, OURS[4]))
    await quiet(heard, 'from a tenant')
    assert.equal(heard.count, before, await heard.describe())
    await heard.stop()
  })

  test('a session outlives floods of its address', async () => {
    const session = await speaks(outside, speaker, OURS[4])
    const flood = (to: number, flows: number) =>
      outside.traffic.flood({ to: OURS[4], port: to, flows, seconds: 1, pps: 100_000 })
    for (const [counter, to, flows] of [
      ['punt-policed-other', SNMP, 1], // a service
      ['punt-strangers', BFD, 1], // BFD with a common TTL
      ['rx', 9, 100_000] // of no meaning, for the walk
    ] as const) {
      const lost = await more(counter, () => flood(to, flows))
      assert.ok(lost > 1000, `${counter}: ${lost}`)
      await session.goOn(`after the flood of port ${to}`)
    }
    await session.sound()
  })

  // Pings go on all the while.
  const pinged = async (what: () => Promise<unknown>): Promise<void> => {
    let isOver = false
    const work = what().finally(() => {
      isOver = true
    })
    do await allReceived(outside, OURS[4], { count: 20, intervalMs: 10 })
    while (!isOver)
    await work
  }

  test('kill -9 of the agent is not noticed; the next one takes over, and clears', async () => {
    const session = await speaks(outside, speaker, OURS[4])
    const calling = await speaks(speaker, outside, PEER[6])
    await pinged(async () => {
      await net.kill(HOST)
      for (const each of [session, calling]) await each.goOn('without an agent')
      await (await speaks(outside, speaker, OURS[6])).goOn('begun without an agent')
      await net.startAgent(HOST)
      await net.ready()
      for (const each of [session, calling]) await each.goOn('with the next agent')
    })
    assert.ok((await more('punted-icmp', () => allReceived(outside, OURS[4]))) > 0)
    await net.agent(HOST).punt(port, rules)
    for (const each of [session, calling]) {
      await each.goOn('when rules are given again')
      await each.sound()
    }
    await net.kill(HOST)
    await net.startAgent(HOST)
    await net.ready()
    await net.agent(HOST).punt(port, null)
    const routed = async () => reaches(outside, OURS[4])
    assert.equal(await more('punted-icmp', routed), 0)
    await assert.rejects(calls(outside, OURS[4]))
    await net.agent(HOST).punt(port, rules)
    await works()
  })

  test('rules hold again when what was gone is back, whatever its number', async () => {
    const host = net.host(HOST)
    await inForce(1)
    const session = await speaks(outside, speaker, OURS[4])
    await host.linkDown(UPLINK)
    await inForce(0)
    await host.linkUp(UPLINK)
    await inForce(1)
    await works()
    await host.ip(`link del ${BESIDE}`)
    await inForce(0)
    await reaches(outside, OURS[4]) // by the simulated router
    await speaker.link(await beside())
    await inForce(1)
    await works()
    await host.ip(`link del ${UPLINK}`)
    await inForce(0)
    const addresses = [`${PEER[4]}/24`, `${PEER[6]}/64`]
    await outside.link({ host, interface: UPLINK, addresses })
    await inForce(1)
    await session.goOn('to another MAC: who asks for ours is heard from the first packet on')
    await session.sound()
    await works()
  })

  test('bad rules are refused by name, and those before them hold', async () => {
    const bad = { ...rules, peers: ['203.0.113.1/24'] }
    await assert.rejects(net.agent(HOST).punt(port, bad), /peers\[0\] is 203\.0\.113\.1\/24/)
    await works()
  })
})
