// Ten thousand routes of a peer, half of which flap: what is learned converges each time, flows of
// those that stay are not touched, flows of those that go are walked again, and memory stays what
// it was. FRR and BIRD, and an agent that is a process of its own.
//
//   upstream (AS 65101) ──── up ── router edge (AS 65001) ── a, in 10.0.1.0/24

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { learnedTable } from '../../plugins/router/token.ts'
import { type Job, type Outside, until, usageOf, type Vm } from '../../src/lab/index.ts'
import { Bird } from '../../src/lab/services/bird.ts'
import { whyNoSite } from './bgp-site.ts'
import { allReceived, type Device, Network, reaches, sleep } from './fixtures/index.ts'

const skip = whyNoSite()
const HOST = 'gateway'
const COUNT = 10_000
const FLAPS = 3
const PATIENCE_MS = 120_000
const LOOK_MS = 200
const HOLD_S = 60 // the session stands a machine that does not run for a moment
const GROWTH_MAX = 128 << 20 // a heap that is collected later; a leak of a row is 10 MB a flap
const WORLD = '198.51.100.1'
const STAYS = '100.64.1.1'
const FLAPPING = '100.64.0.1'
const WORLD_NETWORK = '198.51.100.0/24'

// Every other one flaps: 100.64.0.0/24, not 100.64.1.0/24, 100.64.2.0/24 …
const networks = Array.from({ length: COUNT }, (_, i) => `100.${64 + (i >> 8)}.${i & 255}.0/24`)
const staying = [WORLD_NETWORK, ...networks.filter((_, i) => i % 2 === 1)]
const all = [WORLD_NETWORK, ...networks]

describe('many routes that flap', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  let outside: Outside
  let bird: Bird
  let peer: string
  let pings: Job[] = []

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-flap', hosts: [HOST], processes: true })
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    const links = [{ host: net.host(HOST), interface: 'up', addresses: ['180.0.1.1/24'] }]
    const addresses = [WORLD, STAYS, FLAPPING].map(address => `${address}/32`)
    outside = await net.lab.outside('upstream', { links, addresses })
    const fields = { name: 'up', mac: net.mac(), addresses: ['180.0.1.2/24'] }
    await net.bind(edge, HOST, 'up', fields)
    const us = { name: 'edge', address: '180.0.1.2', asn: 65_001, holdS: HOLD_S }
    const options = { asn: 65_101, routerId: '9.9.9.1', networks: all, peers: [us] }
    bird = await Bird.start(outside, options)
    a = await net.vm('a', { on: HOST, at: red, addresses: ['10.0.1.11/24'], gateway: '10.0.1.1' })
    await net.create('bgp-speaker', { router: edge.id, asn: 65_001 })
    await net.create('bgp-network', { router: edge.id, prefix: '10.0.1.0/24' })
    const session = { router: edge.id, address: '180.0.1.1', asn: 65_101, connectS: 1 }
    const bounds = { holdS: HOLD_S, maximumPrefixes: 2 * COUNT }
    peer = await net.create('bgp-peer', { ...session, ...bounds })
    await net.start()
  })
  after(async () => {
    await Promise.all(pings.map(each => each.stop()))
    if (peer !== undefined) await net.delete('bgp-peer', peer)
    if (net !== undefined) await until('nothing is learned', knows([]), PATIENCE_MS).catch(() => {})
    await bird?.close()
    await net?.close()
  })

  // Asked slowly: to look through ten thousand rows is work, too.
  function knows(prefixes: readonly string[]): () => Promise<boolean> {
    return async () => {
      await sleep(LOOK_MS)
      const rows = await net.appliance.store.table(learnedTable(edge.id)).entries()
      return rows.length === prefixes.length
    }
  }
  const flowTo = async (network: string) => {
    const flows = await net.agent(HOST).flows()
    return flows.find(({ key }) => key.includes(`ip_dst=${network.replace(/0\/24$/, '')}`))
  }
  const isUnreachable = async (): Promise<boolean> => {
    const { errors, received } = await a.ping(FLAPPING, { count: 1, timeoutMs: 1000 })
    return received === 0 && errors.some(({ from }) => from === '10.0.1.1')
  }
  const memory = async (): Promise<number> => usageOf((await net.agent(HOST).usage()).pid).rssBytes

  test('all of them are learned, and lead there', async () => {
    await until('all routes', knows(all), PATIENCE_MS)
    for (const to of [WORLD, STAYS, FLAPPING]) await reaches(a, to)
    assert.deepEqual((await net.agent(HOST).controls()).counters['bgp.routes'], COUNT + 1)
  })

  test('half of them flap: the flows of the others stay, theirs are walked again', async t => {
    pings = await Promise.all([WORLD, STAYS].map(to => a.pings(to, 20)))
    const kept = [WORLD_NETWORK, networks[1]!]
    const age = async (network: string): Promise<number> => (await flowTo(network))?.ageMs ?? -1
    await until('flows', async () => (await Promise.all(kept.map(age))).every(each => each >= 0))
    const before: number[] = []
    for (let flap = 0; flap < FLAPS; flap++) {
      const begunMs = performance.now()
      const was = await Promise.all(kept.map(age))
      await bird.change({ networks: staying })
      await until('half of them are gone', knows(staying), PATIENCE_MS)
      await until('nobody is led there', isUnreachable, PATIENCE_MS)
      await bird.change({ networks: all })
      await until('all of them are back', knows(all), PATIENCE_MS)
      await reaches(a, FLAPPING)
      const nowMs = performance.now()
      const now = await Promise.all(kept.map(age))
      const fresh = await age(networks[0]!)
      t.diagnostic(
        `flap ${flap}: ${Math.round(nowMs - begunMs)} ms, ages ${was} → ${now}, ${fresh}`
      )
      for (const [i, each] of now.entries())
        assert.ok(each > was[i]!, `${kept[i]} was walked again`)
      assert.ok(fresh >= 0 && fresh < Math.min(...now), 'what had gone was walked again')
      before.push(await memory())
    }
    const [first, last] = [before[0]!, before.at(-1)!]
    t.diagnostic(`resident: ${before.map(bytes => `${Math.round(bytes / 1e6)} MB`).join(', ')}`)
    assert.ok(last - first < GROWTH_MAX, `${first} → ${last} bytes`)
    await allReceived(a, WORLD)
    assert.equal((await net.agent(HOST).controls()).counters['bgp.flaps'], 0)
  })
})
