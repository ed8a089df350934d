// A gateway is drained while packets run, and takes traffic again: none is lost, in either
// direction. Two gateways, each with an upstream router of its own, and a cable between those.
//
//   upstream1 (65101, 198.51.100.1) ──── gw1 ─┐
//       │                                     ├─ router edge (65001) ── a, in 10.0.1.0/24, at gw2
//   upstream2 (65102) ────────────────── gw2 ─┘

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { type Device, Network, nothingIsLost, reaches, wayIn, waysOut } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOSTS = ['gw1', 'gw2'] as const
const WORLD = '198.51.100.1'
const VM = '10.0.1.11'
const OURS = '10.0.1.0/24'
const PATIENCE_MS = 60_000
const HOLD_S = 30 // a session that is to stay stands a machine that does not run for a moment

describe('draining a gateway', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  const outsides: Outside[] = []
  const birds: Bird[] = []
  const peers: string[] = []

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-drain', hosts: HOSTS, processes: true })
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    for (const n of [1, 2]) await upstream(n)
    a = await net.vm('a', { on: 'gw2', at: red, addresses: [`${VM}/24`], gateway: '10.0.1.1' })
    await net.create('bgp-speaker', { router: edge.id, asn: 65001 })
    await net.create('bgp-network', { router: edge.id, prefix: OURS })
    for (const n of [1, 2]) {
      const fields = { router: edge.id, address: `180.0.${n}.1`, asn: 65100 + n, connectS: 1 }
      peers.push(await net.create('bgp-peer', { ...fields, holdS: HOLD_S }))
    }
    await net.start()
    await until('both ways out', hasWaysOut(2), PATIENCE_MS)
    await until('the way in', leadsInBy('180.0.1.2'), PATIENCE_MS)
    await reaches(outsides[0]!, VM)
    await reaches(a, WORLD)
  })
  after(async () => {
    for (const peer of peers) await net.delete('bgp-peer', peer).catch(() => {})
    if (net !== undefined) await until('no way out', hasWaysOut(0), PATIENCE_MS).catch(() => {})
    await Promise.all(birds.map(bird => bird.close()))
    await net?.close()
  })

  async function upstream(n: number): Promise<void> {
    const host = HOSTS[n - 1]!
    const up = { host: net.host(host), interface: 'up', addresses: [`180.0.${n}.1/24`] }
    const [first] = outsides
    const between = { interface: 'other', addresses: ['10.9.9.2/24'], there: ['10.9.9.1/24'] }
    const links = first === undefined ? [up] : [up, { host: first, ...between }]
    const addresses = n === 1 ? [`${WORLD}/32`] : []
    const outside = await net.lab.outside(`upstream${n}`, { links, addresses })
    outsides.push(outside)
    const fields = { name: 'up', mac: net.mac(), addresses: [`180.0.${n}.2/24`] }
    await net.bind(edge, host, 'up', fields)
    const other = { name: 'aside', address: `10.9.9.${3 - n}`, asn: 65103 - n }
    birds.push(
      await Bird.start(outside, {
        ...{ asn: 65100 + n, routerId: `9.9.9.${n}` },
        networks: n === 1 ? ['198.51.100.0/24'] : [],
        peers: [{ name: 'ours', address: `180.0.${n}.2`, asn: 65001, holdS: HOLD_S }, other]
      })
    )
  }

  // Ways to the world that are no last ones: one of each gateway.
  const hasWaysOut = (count: number) => async (): Promise<boolean> => {
    const all = await waysOut(net, edge, '198.51.100.0/24')
    return all.filter(({ isLast }) => !isLast).length === count
  }
  const leadsInBy = (gateway: string) => async (): Promise<boolean> =>
    (await wayIn(outsides[0]!, OURS)) === gateway
  const isEstablished = async (): Promise<boolean> => (await birds[0]!.session('ours')).isUp
  const keepsAll = (what: () => Promise<unknown>): Promise<void> => {
    const world = { machine: outsides[0]!, address: WORLD }
    return nothingIsLost(world, { machine: a, address: VM }, what)
  }

  test('traffic takes the other gateway, and nothing is lost', async () => {
    await keepsAll(async () => {
      await net.change('host', net.hostId('gw1'), { drain: true })
      await until('one way out', hasWaysOut(1), PATIENCE_MS)
      await until('the other way in', leadsInBy('10.9.9.2'), PATIENCE_MS)
      const isWithdrawn = async (): Promise<boolean> =>
        !/via 180.0.1.2/.test(await birds[0]!.ask('show', 'route', 'all', 'for', VM))
      await until('nothing is announced', isWithdrawn, PATIENCE_MS)
    })
    assert.ok(await isEstablished())
  })

  test('a drained gateway that begins anew stays so; undrained it is taken again', async () => {
    await net.kill('gw1')
    await net.startAgent('gw1')
    await net.ready()
    assert.ok(await hasWaysOut(1)())
    await keepsAll(async () => {
      await net.change('host', net.hostId('gw1'), { drain: undefined })
      await until('both ways out', hasWaysOut(2), PATIENCE_MS)
      await until('the way in', leadsInBy('180.0.1.2'), PATIENCE_MS)
    })
    assert.ok(await isEstablished())
  })
})
