// A peer over several hops, all of it real: a router between, which speaks no BGP, and behind it
// BIRD at an address of its own (loopback), with BFD over the same hops (RFC 5883).
//
//   far (AS 65101) ── 10.77.0.0/30 ── between ── 180.0.1.0/24 ── up1, router edge ── a
//   lo: 10.255.0.1 and the world                                 (AS 65001)

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { reportTable, type SessionReport } from '../../plugins/bgp/table.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { type Device, Network, reaches, waysOut } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOST = 'gateway'
const WORLD = '198.51.100.1'
const PEER = '10.255.0.1'
const OURS = '10.0.1.0/24'
const HOLD_S = 240 // only BFD can end a session within the time of a test
const PATIENCE_MS = 60_000

describe('a peer over several hops', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  let between: Outside
  let bird: Bird
  let port: string
  let peer: string

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-multihop', hosts: [HOST], processes: true })
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    const link = { host: net.host(HOST), interface: 'up1', addresses: ['180.0.1.1/24'] }
    between = await net.lab.outside('between', { links: [link] })
    await behind()
    const fields = { name: 'up1', mac: net.mac(), addresses: ['180.0.1.2/24'] }
    port = await net.bind(edge, HOST, 'up1', fields)
    a = await net.vm('a', { on: HOST, at: red, addresses: ['10.0.1.11/24'], gateway: '10.0.1.1' })
    await net.create('bgp-speaker', { router: edge.id, asn: 65001 })
    await net.create('bgp-network', { router: edge.id, prefix: OURS })
    const bfd = { intervalMs: 200, multiplier: 3 }
    peer = await net.create('bgp-peer', {
      ...{ router: edge.id, port, address: PEER, asn: 65101, multihop: 2 },
      ...{ connectS: 1, holdS: HOLD_S, keepaliveS: 80, bfd }
    })
    await net.start()
  })
  after(async () => {
    if (peer !== undefined) await net.delete('bgp-peer', peer)
    const place = `/run/netns/mezzo-bgp-${port?.slice(0, 8)}`
    await until('all is gone', () => !existsSync(place), PATIENCE_MS)
    await bird?.close()
    await net?.close()
  })

  async function behind(): Promise<void> {
    const there = ['10.77.0.1/30']
    const link = { host: between, interface: 'far0', addresses: ['10.77.0.2/30'], there }
    const routes = [OURS, '180.0.1.0/24'].map(to => ({ to, via: '10.77.0.1' }))
    const addresses = [`${PEER}/32`, `${WORLD}/32`]
    const far = await net.lab.outside('far', { links: [link], addresses, routes })
    await between.ip(
      ...[PEER, '198.51.100.0/24'].map(to => `route add ${to} via 10.77.0.2`),
      `route add ${OURS} via 180.0.1.2`
    )
    const session = { asn: 65001, bfd: true, holdS: HOLD_S, multihop: true }
    bird = await Bird.start(far, {
      ...{ asn: 65101, routerId: PEER, networks: ['198.51.100.0/24'] },
      sources: [PEER],
      peers: [{ ...session, name: 'four', address: '180.0.1.2' }]
    })
  }

  const isUp = async (): Promise<boolean> => (await bird.session('four')).isUp
  const knowsUs = async (): Promise<boolean> => (await bird.networks()).includes(OURS)
  const told = async (): Promise<SessionReport | undefined> => {
    const entries = await net.appliance.store.table(reportTable(edge.id)).entries()
    const found = entries.find(({ key }) => key.startsWith(`peer ${peer} `))
    return found && (JSON.parse(found.value) as SessionReport)
  }
  const isWell = async (): Promise<boolean> => {
    const { state, bfd } = (await told()) ?? {}
    return state === 'established' && bfd === 'up' && (await isUp())
  }

  test('the session comes up when the router has a route to it, with BFD', async () => {
    await net.route(edge, `${PEER}/32`, port, '180.0.1.1')
    await until('the session', isWell, PATIENCE_MS)
    await until('our network is known', knowsUs, PATIENCE_MS)
    const ways = () => waysOut(net, edge, '198.51.100.0/24')
    await until('the world is known', async () => (await ways()).length > 0, PATIENCE_MS)
    assert.equal((await ways())[0]?.gateway, '180.0.1.1') // the neighbour, not the peer
    await reaches(a, WORLD)
  })

  test('silence on the far side of the router between is missed by BFD', async () => {
    const drop = 'chain forward { type filter hook forward priority 0; policy drop; }'
    await between.nft(`table inet cut { ${drop}; }`)
    const isOver = async (): Promise<boolean> => {
      const { state, reason } = (await told()) ?? {}
      return state !== 'established' && /BFD/.test(reason ?? '')
    }
    await until('it is over, by BFD', isOver, PATIENCE_MS)
    await until(
      'nothing leads there',
      async () => (await waysOut(net, edge)).length === 0,
      PATIENCE_MS
    )
    await between.nft('delete table inet cut')
    await until('it is back', isWell, PATIENCE_MS)
    await reaches(a, WORLD)
  })

  // 400 prefixes of three bytes and a length: an UPDATE of some 1 600 bytes.
  test('a link on the way that is too narrow for long updates does not stop them', async () => {
    await between.ip('link set far0 mtu 1300')
    const prefixes = Array.from({ length: 400 }, (_, i) => `10.${64 + (i >> 8)}.${i & 255}.0/24`)
    for (const prefix of prefixes) await net.create('bgp-network', { router: edge.id, prefix })
    const all = async (): Promise<boolean> => {
      const known = new Set(await bird.networks())
      return prefixes.every(prefix => known.has(prefix))
    }
    await until('all that we announce is known', all, PATIENCE_MS)
    const since = (await told())?.since
    await bird.ask('restart', 'four') // to a new session all of it is told at once
    const isNew = async (): Promise<boolean> => {
      const now = await told()
      return now?.state === 'established' && now.since !== since
    }
    await until('a new session', isNew, PATIENCE_MS)
    await until('all is known again', all, PATIENCE_MS)
    assert.ok((await net.agent(HOST).counters())['datapath.punted-icmp']! > 0)
    await until('the session is well', isWell, PATIENCE_MS)
  })
})
