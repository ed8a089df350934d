// A gateway of a site without BGP, all of it real: bfdd of FRR beside an agent that is a process of
// its own, BIRD in two networks outside, whose static routes to us stand while BFD is up.
//
//   isp1 ──── up1 ─┐
//                  ├─ router edge, gateway ── a, in 10.0.1.0/24
//   isp2 ──── up2 ─┘
//
// Both have 198.51.100.1 behind them.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { reportTable, type StaticReport } from '../../plugins/bgp/table.ts'
import { learnedTable } from '../../plugins/router/token.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { allReceived, type Device, Network, reaches } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOST = 'gateway'
const WORLD = '198.51.100.1'
const OURS = '10.0.1.0/24'
const VM = '10.0.1.11'
const FOLDER = '/run/mezzo-bgp'
const PATIENCE_MS = 60_000
const LAST = 900_000 // from here on it is a way for when there is no other

interface Hop {
  readonly port: string
  readonly weight?: number
}

describe('a gateway with static uplinks', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  const ports: string[] = []
  const outsides: Outside[] = []
  const birds: Bird[] = []
  const uplinks: string[] = []

  before(async () => {
    // As long as this test may take on a machine that is slow.
    const damping = { dampFirstMs: 600_000, dampMaxMs: 600_000 }
    const plugins = { bgp: { ...damping, withdrawAfterMs: 600_000 } }
    net = await Network.open({ prefix: 'mz-lab-static', hosts: [HOST], processes: true, plugins })
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    for (const n of [1, 2]) await upstream(n)
    a = await net.vm('a', { on: HOST, at: red, addresses: [`${VM}/24`], gateway: '10.0.1.1' })
    await net.start()
  })
  after(async () => {
    for (const uplink of uplinks.splice(0))
      await net.delete('static-uplink', uplink).catch(() => {})
    if (net !== undefined && skip === false) await until('all is gone', isClean, PATIENCE_MS)
    await Promise.all(birds.map(bird => bird.close()))
    await net?.close()
  })

  async function upstream(n: number): Promise<void> {
    const interfaceName = `up${n}`
    const links = [
      { host: net.host(HOST), interface: interfaceName, addresses: [`180.0.${n}.1/24`] }
    ]
    const outside = await net.lab.outside(`isp${n}`, { links, addresses: [`${WORLD}/32`] })
    outsides.push(outside)
    ports.push(
      await net.bind(edge, HOST, interfaceName, {
        ...{ name: interfaceName, mac: net.mac(), addresses: [`180.0.${n}.2/24`] }
      })
    )
    const options = { asn: 65100 + n, routerId: `9.9.9.${n}`, peers: [], routes: wayTo(n, false) }
    birds.push(await Bird.start(outside, options))
  }

  const wayTo = (n: number, bfd: boolean) => [{ prefix: OURS, via: `180.0.${n}.2`, bfd }]

  const uplink = async (n: number, more: object = {}): Promise<string> => {
    const fields = { router: edge.id, name: `isp${n}`, address: `180.0.${n}.1`, ...more }
    const id = await net.create('static-uplink', fields)
    uplinks.push(id)
    return id
  }
  const BFD = { bfd: { intervalMs: 200, multiplier: 3 } }
  const hops = async (): Promise<Hop[]> => {
    const entries = await net.appliance.store.table(learnedTable(edge.id)).entries()
    return entries.flatMap(({ value }) => JSON.parse(value) as Hop[])
  }
  const waysOut = async (isLast: boolean): Promise<string> => {
    const found = (await hops()).filter(({ weight = 0 }) => weight >= LAST === isLast)
    return found
      .map(({ port }) => `up${ports.indexOf(port) + 1}`)
      .sort()
      .join()
  }
  // Those that are taken, and those for when there is no other.
  const leadsBy =
    (names: string, last = '') =>
    async (): Promise<boolean> =>
      (await waysOut(false)) === names && (await waysOut(true)) === last
  const neighbour = (n: number) => birds[n - 1]!.neighbour(`180.0.${n}.2`)
  const knowsUs = (n: number) => async (): Promise<boolean> =>
    (await birds[n - 1]!.networks()).includes(OURS)
  const forgetsUs = (n: number) => async (): Promise<boolean> => !(await knowsUs(n)())
  const told = async (id: string): Promise<StaticReport | undefined> => {
    const entries = await net.appliance.store.table(reportTable(edge.id)).entries()
    const found = entries.find(({ key }) => key.startsWith(`static ${id} `))
    return found && (JSON.parse(found.value) as StaticReport)
  }
  const isClean = async (): Promise<boolean> => {
    const places = readdirSync('/run/netns').filter(name => name.startsWith('mezzo-bgp-'))
    const left = readdirSync(FOLDER).flatMap(host => readdirSync(`${FOLDER}/${host}`))
    return places.length === 0 && left.length === 0 && (await hops()).length === 0
  }
  const cut = (n: number): Promise<unknown> => {
    const drop = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority -300; policy drop; }`
    return outsides[n - 1]!.nft(`table inet cut { ${drop('prerouting')}; ${drop('output')}; }`)
  }
  const mend = (n: number): Promise<unknown> => outsides[n - 1]!.nft('delete table inet cut')
  const pings = async (): Promise<void> => {
    await reaches(a, WORLD)
  }

  test('one without BFD is a way at once, and nothing speaks for it', async () => {
    const id = await uplink(1)
    await until('the way', leadsBy('up1'), PATIENCE_MS)
    await pings()
    assert.equal((await told(id))?.state, 'unwatched')
    assert.ok(!readdirSync('/run/netns').some(name => name.startsWith('mezzo-bgp-')))
    await net.delete('static-uplink', id)
    uplinks.length = 0
    await until('none', leadsBy(''), PATIENCE_MS)
  })

  test('with BFD it is one while the far end is there, without any bgp-speaker', async () => {
    for (const n of [1, 2]) await birds[n - 1]!.change({ routes: wayTo(n, true) })
    await until('the far end misses us', forgetsUs(1), PATIENCE_MS)
    const id = await uplink(1, BFD)
    await until('the far end sends to us', knowsUs(1), PATIENCE_MS)
    await until('the way', leadsBy('up1'), PATIENCE_MS)
    await pings()
    await reaches(outsides[0]!, VM)
    await until('it is told', async () => (await told(id))?.state === 'up', PATIENCE_MS)
    await uplink(2, BFD)
    await until('both ways', leadsBy('up1,up2'), PATIENCE_MS)
    await pings()
  })

  test('an uplink that is silent is left for the other; then both are taken', async () => {
    await cut(1)
    await until('the other way', leadsBy('up2'), PATIENCE_MS)
    await pings()
    const [id] = uplinks
    await until('it is told', async () => (await told(id!))?.state === 'down', PATIENCE_MS)
    await mend(1)
    await until('both ways, the first failure costs nothing', leadsBy('up1,up2'), PATIENCE_MS)
    await pings()
  })

  test('an agent that is killed is missed by nobody, and the next one adopts', async () => {
    const before = await Promise.all([neighbour(1), neighbour(2)])
    assert.deepEqual(
      before.map(({ state }) => state),
      ['Up', 'Up']
    )
    await net.kill(HOST)
    await net.startAgent(HOST)
    await net.ready()
    await until('both ways', leadsBy('up1,up2'), PATIENCE_MS)
    assert.deepEqual(await Promise.all([neighbour(1), neighbour(2)]), before)
    await pings()
  })

  test('one that flaps is taken last until it is steady; as the only way it is taken', async () => {
    const [id] = uplinks
    for (let i = 0; i < 2; i++) {
      await cut(1)
      await until('it is left', leadsBy('up2'), PATIENCE_MS)
      await mend(1)
      await until('it is back', async () => (await hops()).length === 2, PATIENCE_MS)
    }
    await until('it is the last way', leadsBy('up2', 'up1'), PATIENCE_MS)
    const isDamped = async () => (await told(id!))?.reason === 'damped for 600 s: 2 flaps'
    await until('it is said', isDamped, PATIENCE_MS)
    await cut(2)
    await until('there is no other', leadsBy('', 'up1'), PATIENCE_MS)
    await pings()
    await mend(2)
    await until('there is another', leadsBy('up2', 'up1'), PATIENCE_MS)
    for (const adminStateUp of [false, true]) {
      await net.change('static-uplink', id!, { adminStateUp })
      await until('as it is wanted', leadsBy(adminStateUp ? 'up1,up2' : 'up2'), PATIENCE_MS)
    }
    await pings()
  })

  test('a drained gateway: the far ends hear it when others are preferred', async () => {
    const all = allReceived(a, WORLD, { count: 100, intervalMs: 10 })
    await net.change('host', net.hostId(HOST), { drain: true })
    await until('it is the last way', async () => (await waysOut(false)) === '', PATIENCE_MS)
    await all
    for (const n of [1, 2]) await until('the far end forgets us', forgetsUs(n), PATIENCE_MS)
    await until('no way', leadsBy(''), PATIENCE_MS)
    await net.change('host', net.hostId(HOST), { drain: undefined })
    await until('both ways, undamped', leadsBy('up1,up2'), PATIENCE_MS)
    for (const n of [1, 2]) await until('the far end knows us', knowsUs(n), PATIENCE_MS)
    await pings()
  })

  test('one that is removed goes, and what watched it', async () => {
    await net.change('static-uplink', uplinks[0]!, { adminStateUp: false })
    await until('the other way', leadsBy('up2'), PATIENCE_MS)
    await until('the far end hears it', forgetsUs(1), PATIENCE_MS)
    for (const id of uplinks.splice(0)) await net.delete('static-uplink', id)
    await until('all is gone', isClean, PATIENCE_MS)
  })
})
