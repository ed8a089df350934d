// A gateway with a static uplink is drained while packets run, and takes traffic again: none is
// lost, in either direction. Two gateways, each with a router outside that speaks no BGP, and a
// cable between those.
//
//   isp1 (198.51.100.1) ──── gw1 ─┐
//    │                            ├─ router edge ── a, in 10.0.1.0/24, at gw2
//   isp2 ─────────────────── gw2 ─┘

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { learnedTable } from '../../plugins/router/token.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { allReceived, type Device, Network, reaches } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOSTS = ['gw1', 'gw2'] as const
const WORLD = '198.51.100.1'
const VM = '10.0.1.11'
const OURS = '10.0.1.0/24'
const PATIENCE_MS = 60_000
const LAST = 900_000 // from here on it is a way for when there is no other

describe('draining a gateway with a static uplink', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  const outsides: Outside[] = []
  const birds: Bird[] = []
  const uplinks: string[] = []

  before(async () => {
    // A machine that stands still is no silent link.
    const bfd = { intervalMs: 1000, multiplier: 10 }
    net = await Network.open({ prefix: 'mz-lab-sdrain', hosts: HOSTS, processes: true })
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    for (const n of [1, 2]) await upstream(n, bfd)
    a = await net.vm('a', { on: 'gw2', at: red, addresses: [`${VM}/24`], gateway: '10.0.1.1' })
    for (const n of [1, 2]) {
      const fields = { router: edge.id, address: `180.0.${n}.1`, bfd }
      uplinks.push(await net.create('static-uplink', fields))
    }
    await net.start()
    await until('both ways out', waysOut(2), PATIENCE_MS)
    await until('the way in', leadsInBy('180.0.1.2'), PATIENCE_MS)
    await reaches(outsides[0]!, VM)
    await reaches(a, WORLD)
  })
  after(async () => {
    for (const uplink of uplinks) await net.delete('static-uplink', uplink).catch(() => {})
    if (net !== undefined) await until('no way out', waysOut(0), PATIENCE_MS).catch(() => {})
    await Promise.all(birds.map(bird => bird.close()))
    await net?.close()
  })

  async function upstream(n: number, bfd: { intervalMs: number; multiplier: number }) {
    const host = HOSTS[n - 1]!
    const up = { host: net.host(host), interface: 'up', addresses: [`180.0.${n}.1/24`] }
    const [first] = outsides
    const between = { interface: 'other', addresses: ['10.9.9.2/24'], there: ['10.9.9.1/24'] }
    const links = first === undefined ? [up] : [up, { host: first, ...between }]
    const addresses = n === 1 ? [`${WORLD}/32`] : []
    const outside = await net.lab.outside(`isp${n}`, { links, addresses })
    outsides.push(outside)
    const fields = { name: 'up', mac: net.mac(), addresses: [`180.0.${n}.2/24`] }
    await net.bind(edge, host, 'up', fields)
    const aside = `10.9.9.${3 - n}`
    const routes = [
      { prefix: OURS, via: `180.0.${n}.2`, bfd: true },
      { prefix: OURS, via: aside, preference: 100 },
      ...(n === 1 ? [] : [{ prefix: `${WORLD}/32`, via: aside }])
    ]
    const options = { asn: 65100 + n, routerId: `9.9.9.${n}`, peers: [], routes, bfd }
    birds.push(await Bird.start(outside, options))
  }

  const waysOut = (count: number) => async (): Promise<boolean> => {
    const entries = await net.appliance.store.table(learnedTable(edge.id)).entries()
    const hops = entries.flatMap(({ value }) => JSON.parse(value) as { weight: number }[])
    return hops.filter(({ weight }) => weight < LAST).length === count
  }
  const leadsInBy = (gateway: string) => async (): Promise<boolean> => {
    const text = await outsides[0]!.must(['ip', '-j', 'route', 'show', OURS])
    return (JSON.parse(text) as { gateway?: string }[])[0]?.gateway === gateway
  }
  // Pings both ways while something happens, until it is over; all of them are answered.
  async function nothingIsLost(what: () => Promise<unknown>): Promise<void> {
    const options = { count: 1500, intervalMs: 10 }
    const pings = [
      allReceived(outsides[0]!, VM, { ...options, from: WORLD }),
      allReceived(a, WORLD, options)
    ]
    await what()
    const [inwards, outwards] = await Promise.allSettled(pings)
    for (const each of [inwards, outwards]) if (each?.status === 'rejected') throw each.reason
  }

  test('traffic takes the other gateway, and nothing is lost', async () => {
    await nothingIsLost(async () => {
      await net.change('host', net.hostId('gw1'), { drain: true })
      await until('one way out', waysOut(1), PATIENCE_MS)
      await until('the other way in', leadsInBy('10.9.9.2'), PATIENCE_MS)
    })
    assert.notEqual((await birds[0]!.neighbour('180.0.1.2')).state, 'Up')
  })

  test('a drained gateway that begins anew stays so; undrained it is taken again', async () => {
    await net.kill('gw1')
    await net.startAgent('gw1')
    await net.ready()
    assert.ok(await waysOut(1)())
    await nothingIsLost(async () => {
      await net.change('host', net.hostId('gw1'), { drain: undefined })
      await until('both ways out', waysOut(2), PATIENCE_MS)
      await until('the way in', leadsInBy('180.0.1.2'), PATIENCE_MS)
    })
  })
})
