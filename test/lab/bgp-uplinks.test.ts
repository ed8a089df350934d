// What connections see of uplinks that speak BGP: sessions that come, fail and return one by one,
// translated connections over all of them, a peer among the VMs, and what nobody should say
// (bgp-bad.ts). FRR, BIRD, and agents that are processes of their own (bgp-site.ts).

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type StreamServer, until, type Vm } from '../../src/lab/index.ts'
import { Bird } from '../../src/lab/services/bird.ts'
import { badUplinks } from './bgp-bad.ts'
import {
  GATEWAYS,
  OURS,
  PATIENCE_MS,
  POOL,
  type Session,
  Site,
  SNAT,
  theirs,
  WORLD,
  whyNoSite
} from './bgp-site.ts'
import { allReceived, quiet, reaches, Streams } from './fixtures/index.ts'

const skip = whyNoSite()
const [HOME] = WORLD
const UP1: readonly Session[] = [
  [1, 'one'],
  [1, 'two']
]
const UP2: readonly Session[] = [
  [2, 'one'],
  [2, 'two']
]
const NAT_VMS = ['s1', 's2', 's3']

describe('uplinks that speak BGP', { skip }, () => {
  let site: Site
  let world: StreamServer
  let a: Vm
  let s1: Vm

  before(async () => {
    site = await Site.open('mz-lab-bgpup')
    a = site.vm('a')
    s1 = site.vm('s1')
    world = await site.upstreams[0]!.tcp.serve()
  })
  after(() => site?.close())

  // One that is translated and one that is not, each with either end speaking.
  const connected = async (): Promise<readonly Streams[]> =>
    Promise.all([a, s1].map(vm => Streams.open(vm, new Map([[HOME!, world]]))))
  const goOn = async (all: readonly Streams[], when: string): Promise<void> => {
    for (const streams of all) await streams.goOn(when)
  }
  const sound = async (all: readonly Streams[]): Promise<void> => {
    for (const streams of all) await streams.sound()
  }
  const translationsAt = async (gateway: string): Promise<string[]> => {
    const records = await site.net.agent(gateway).state()
    return records.map(({ text }) => text).filter(text => text.includes(SNAT))
  }

  test('BGP-04 snat: a VM is translated at one uplink, and both gateways know', async () => {
    for (const session of UP1) await site.peer(session)
    await site.waysOut(...UP1)
    await site.waysIn(1, 'one', 'two')
    await reaches(s1, HOME!)
    const seen = await site.upstreams[0]!.capture('eth0', `icmp and src ${SNAT} and dst ${HOME}`)
    await allReceived(s1, HOME!, { count: 5 })
    await until('they are translated', () => seen.count >= 5)
    await seen.stop()
    for (const gateway of GATEWAYS)
      await until(`${gateway} knows it`, async () => (await translationsAt(gateway)).length > 0)
    await allReceived(a, HOME!)
    await allReceived(site.upstreams[0]!, a.address(), { from: HOME! })
  })

  test('BGP-07 multisession failback: both sessions of a port fail and return', async () => {
    const all = await connected()
    await goOn(all, 'by both sessions')
    for (const failing of UP1) {
      const [other] = UP1.filter(each => each !== failing)
      const standing = await site.connection(other!)
      await site.fail(failing, true)
      await site.waysOut(other!)
      await site.waysIn(1, other![1])
      await goOn(all, `without the session of ${theirs(failing)}`)
      await allReceived(s1, HOME!)
      assert.equal(await site.connection(other!), standing)
      await site.fail(failing, false)
      await site.waysOut(...UP1)
      await site.waysIn(1, 'one', 'two')
      await goOn(all, `with the session of ${theirs(failing)} again`)
      assert.equal(await site.connection(other!), standing)
    }
    await sound(all)
  })

  test('BGP-05 mn_1172: pings of several translated VMs at once, over all uplinks', async () => {
    for (const session of UP2) await site.peer(session)
    await site.waysOut(...UP1, ...UP2)
    await site.waysIn(2, 'one', 'two')
    for (const vm of NAT_VMS) await reaches(site.vm(vm), HOME!)
    const request = `icmp[icmptype] == icmp-echo and src ${SNAT}`
    const captures = await Promise.all(
      // Headers: whole, 64 of them would fill what the kernel keeps for a busy tcpdump.
      site.upstreams.map(upstream => upstream.capture('eth0', request, { snapLength: 128 }))
    )
    const pings = NAT_VMS.flatMap(vm =>
      WORLD.map(to => allReceived(site.vm(vm), to, { count: 10 }))
    )
    await Promise.all(pings)
    assert.ok(
      captures.every(({ count }) => count > 0),
      'all uplinks are used'
    )
    const seen: string[] = []
    const told = ['ip.dst', 'icmp.ident', 'icmp.seq']
    for (const capture of captures) {
      await quiet(capture, 'all requests')
      await capture.stop()
      for (const { fields } of await capture.frames(told))
        seen.push(told.map(name => fields[name]![0]).join(' '))
    }
    assert.equal(seen.length, 10 * pings.length)
    assert.equal(new Set(seen).size, seen.length, 'no two of them are alike outside')
  })

  test('BGP-08 redundancy: two uplinks with two sessions each, shut one by one', async () => {
    const all = await connected()
    const order = [UP1[0]!, UP2[0]!, UP1[1]!, UP2[1]!]
    for (const [i, session] of order.entries()) {
      const left = order.slice(i + 1)
      await goOn(all, `before the session of ${theirs(session)} is shut`)
      await site.shut(session, true)
      await site.waysOut(...left)
      if (left.length === 0) break
      await goOn(all, `when ${left.length} are left`)
      await allReceived(s1, HOME!)
      await allReceived(a, HOME!)
    }
    const isTold = async (): Promise<boolean> => {
      const { errors, received } = await a.ping(HOME!, { count: 1, timeoutMs: 1000 })
      return (
        received === 0 && errors.some(({ from, text }) => from === '10.0.1.1' && /net/i.test(text))
      )
    }
    await until('there is no way, and it is said', isTold)
    for (const session of [...order].reverse()) await site.shut(session, false)
    await site.waysOut(...UP1, ...UP2)
    for (const n of [1, 2]) await site.waysIn(n, 'one', 'two')
    await goOn(all, 'when all are back')
    await sound(all)
  })

  test('BGP-IP-01: a VM of a bridge is a peer, behind a cable into the bridge', async t => {
    const { net, edge } = site
    const gateway = net.host('gw1')
    const inside = await net.bridge('inside')
    await gateway.ip('link add in0 type veth peer name in1', 'link set in0 up', 'link set in1 up')
    await net.bind(inside, 'gw1', 'in0', { name: 'cable' })
    const fields = { name: 'in', mac: net.mac(), addresses: ['10.0.9.1/24'] }
    const port = await net.bind(edge, 'gw1', 'in1', fields)
    const vm = await site.plug('speaker', inside, 9, 2)
    await vm.ip('addr add 172.20.0.1/32 dev lo')
    await net.ready()
    const us = { name: 'edge', address: '10.0.9.1', asn: 65_001 }
    const options = { asn: 65_300, routerId: '9.9.9.3', networks: ['172.20.0.0/24'], peers: [us] }
    const bird = await Bird.start(vm, options)
    t.after(() => bird.close())
    const peer = { router: edge.id, port, address: '10.0.9.2', asn: 65_300, connectS: 1 }
    const id = await net.create('bgp-peer', peer)
    await until('the session', async () => (await bird.session('edge')).isUp, PATIENCE_MS)
    const isLearned = async (): Promise<boolean> =>
      (await site.waysTo('172.20.0.0/24')).join() === '10.0.9.2'
    await until('what it tells', isLearned, PATIENCE_MS)
    const isTold = async (): Promise<boolean> => {
      const told = await bird.networks('edge')
      return [OURS, POOL].every(network => told.includes(network)) && told.length === 2
    }
    await until('our networks are known there, and nothing else', isTold, PATIENCE_MS)
    await reaches(a, '172.20.0.1') // its own host has heard of the way as well
    await allReceived(a, '172.20.0.1')
    await allReceived(vm, a.address(), { from: '172.20.0.1' })
    for (const n of [1, 2])
      assert.equal((await site.bird(n).networks()).includes('172.20.0.0/24'), false)
    await net.delete('bgp-peer', id)
    await until(
      'nothing of it is left',
      async () => (await site.waysTo('172.20.0.0/24')).length === 0
    )
  })

  badUplinks(() => site)
})
