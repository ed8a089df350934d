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
import type { Machine, Outside, StreamServer, Vm } from '../../src/lab/index.ts'
import { allReceived, Network, reaches, Streams } from './fixtures/index.ts'

const skip = Network.skip()
const HOST = 'gateway'
const BESIDE = 'mzu0a1b2c3d'
const FAMILIES = [4, 6] as const
const OURS = { 4: '203.0.113.2', 6: '2001:db8::2' } as const
const PEER = { 4: '203.0.113.1', 6: '2001:db8::1' } as const
const STRANGER = { 4: '198.51.100.1', 6: '2001:db8:1::1' } as const
const BGP = 179
const SNMP = 161
const rules: PuntRules = {
  interface: BESIDE,
  addresses: Object.values(OURS),
  peers: Object.values(PEER),
  services: [{ protocol: 'udp', port: SNMP }]
}

describe('the control plane of an uplink port', { skip }, () => {
  let net: Network
  let port: string
  let outside: Outside
  let speaker: Outside
  let a: Vm
  const listens = new Map<Machine, StreamServer>()

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-punt', hosts: [HOST], processes: true })
    const red = await net.bridge('red')
    const edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    const uplink = await net.uplink(edge, HOST, [`${OURS[4]}/24`, `${OURS[6]}/64`], {
      at: [`${PEER[4]}/24`, `${PEER[6]}/64`],
      addresses: [`${STRANGER[4]}/32`, `${STRANGER[6]}/128`],
      routes: [{ to: '10.0.0.0/8', via: OURS[4] }]
    })
    ;({ port, outside } = uplink)
    await net.route(edge, '0.0.0.0/0', port, PEER[4])
    a = await net.vm('a', { on: HOST, at: red, addresses: ['10.0.1.11/24'], gateway: '10.0.1.1' })
    speaker = await net.lab.outside('speaker', { links: [await beside()] })
    await net.start()
    await reaches(a, STRANGER[4])
    await net.agent(HOST).punt(port, rules)
    for (const machine of [speaker, outside]) listens.set(machine, await machine.tcp.serve(BGP))
  })
  after(() => net?.close())

  const beside = async () => {
    const mac = (await net.read('port', port)).mac as string
    const addresses = [`${OURS[4]}/24`, `${OURS[6]}/64`]
    return { host: net.host(HOST), interface: BESIDE, addresses, mac }
  }
  const counted = async (name: string): Promise<number> =>
    (await net.counters())[`datapath.${name}`]!
  const more = async (name: string, what: () => Promise<unknown>): Promise<number> => {
    const before = await counted(name)
    await what()
    return (await counted(name)) - before
  }
  const speaks = (from: Machine, to: Machine, at: string): Promise<Streams> =>
    Streams.open(from, new Map([[at, listens.get(to)!]]))

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
  }
})
