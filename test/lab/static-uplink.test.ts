// A gateway of a site without BGP, all of it real: bfdd of FRR beside an agent that is a process of
// its own, BIRD in two networks outside, whose static routes to us stand while BFD is up.
//
//   isp1 ──── up1 ─┐
//                  ├─ router edge, gateway ── a, in 10.0.1.0/24
//   isp2 ──── up2 ─┘
//
// Both have 198.51.100.1 behind them; isp1 alone speaks IPv6 too, and has 2001:db8:ffff::1.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { reportTable, type StaticReport } from '../../plugins/bgp/table.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { allReceived, type Device, Network, reaches, waysOut } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOST = 'gateway'
const WORLD = '198.51.100.1'
const OURS = '10.0.1.0/24'
const VM = '10.0.1.11'
const V6 = { world: '2001:db8:ffff::1', ours: 'fd00:1::/64', vm: 'fd00:1::11' } as const
const HOPS = { far: '2001:db8:1::1', near: '2001:db8:1::2' } as const // IPv6, between isp1 and us
const ALL = '0.0.0.0/0'
const FOLDER = '/run/mezzo-bgp'
const PATIENCE_MS = 60_000

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
    await net.plug(edge, red, ['10.0.1.1/24', 'fd00:1::1/64'])
    for (const n of [1, 2]) await upstream(n)
    const addresses = [`${VM}/24`, `${V6.vm}/64`]
    const ways = { gateway: '10.0.1.1', gateway6: 'fd00:1::1' }
    a = await net.vm('a', { on: HOST, at: red, addresses, ...ways })
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
    const six = n === 1
    const there = [`180.0.${n}.1/24`, ...(six ? [`${HOPS.far}/64`] : [])]
    const here = [`180.0.${n}.2/24`, ...(six ? [`${HOPS.near}/64`] : [])]
    const links = [{ host: net.host(HOST), interface: interfaceName, addresses: there }]
    const addresses = [`${WORLD}/32`, ...(six ? [`${V6.world}/128`] : [])]
    const outside = await net.lab.outside(`isp${n}`, { links, addresses })
    outsides.push(outside)
    ports.push(
      await net.bind(edge, HOST, interfaceName, {
        ...{ name: interfaceName, mac: net.mac(), addresses: here }
      })
    )
    const options = { asn: 65100 + n, routerId: `9.9.9.${n}`, peers: [], routes: wayTo(n, false) }
    birds.push(await Bird.start(outside, options))
  }

  const wayTo = (n: number, bfd: boolean) => [
    { prefix: OURS, via: `180.0.${n}.2`, bfd },
    ...(n === 1 ? [{ prefix: V6.ours, via: HOPS.near, bfd }] : [])
  ]

  const uplink = async (n: number, more: object = {}): Promise<string> => {
    const fields = { router: edge.id, name: `isp${n}`, address: `180.0.${n}.1`, ...more }
    const id = await net.create('static-uplink', fields)
    uplinks.push(id)
    return id
  }
  const BFD = { bfd: { intervalMs: 200, multiplier: 3 } }
  const waysBy = async (isLast: boolean): Promise<string> => {
    const found = (await waysOut(net, edge, ALL)).filter(way => way.isLast === isLast)
    return found
      .map(({ port }) => `up${ports.indexOf(port) + 1}`)
      .sort()
      .join()
  }
  // Those that are taken, and those for when there is no other.
  const leadsBy =
    (names: string, last = '') =>
    async (): Promise<boolean> =>
      (await waysBy(false)) === names && (await waysBy(true)) === last
  const leadsBy6 = (hop?: string) => async (): Promise<boolean> =>
    (await waysOut(net, edge, '::/0')).map(({ gateway }) => gateway).join() === (hop ?? '')
  const neighbours = () =>
    Promise.all([
      ...[1, 2].map(n => birds[n - 1]!.neighbour(`180.0.${n}.2`)),
      birds[0]!.neighbour(HOPS.near)
    ])
  const knowsUs =
    (n: number, ours = OURS) =>
    async (): Promise<boolean> =>
      (await birds[n - 1]!.networks()).includes(ours)
  const forgetsUs =
    (n: number, ours = OURS) =>
    async (): Promise<boolean> =>
      !(await knowsUs(n, ours)())
  const told = async (id: string): Promise<StaticReport | undefined> => {
    const entries = await net.appliance.store.table(reportTable(edge.id)).entries()
    const found = entries.find(({ key }) => key.startsWith(`static ${id} `))
    return found && (JSON.parse(found.value) as StaticReport)
  }
  const isClean = async (): Promise<boolean> => {
    const places = readdirSync('/run/netns').filter(name => name.startsWith('mezzo-bgp-'))
    const left = readdirSync(FOLDER).flatMap(host => readdirSync(`${FOLDER}/${host}`))
    return places.length === 0 && left.length === 0 && (await waysOut(net, edge)).length === 0
  }
  // Of both families, or of one.
  type Cut = 'inet' | 'ip' | 'ip6'
  const cut = (n: number, family: Cut = 'inet'): Promise<unknown> => {
    const drop = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority -300; policy drop; }`
    return outsides[n - 1]!.nft(`table ${family} cut { ${drop('prerouting')}; ${drop('output')}; }`)
  }
  const mend = (n: number, family: Cut = 'inet'): Promise<unknown> =>
    outsides[n - 1]!.nft(`delete table ${family} cut`)
  const pings = async (): Promise<void> => {
    await reaches(a, WORLD)
  }
  const pings6 = (): Promise<void> => reaches(a, V6.world)
  const isUnreachable6 = async (): Promise<boolean> => {
    const { errors, received } = await a.ping(V6.world, { count: 1, timeoutMs: 1000 })
    return received === 0 && errors.some(({ from }) => from === 'fd00:1::1')
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

  test('by IPv6 it is the same: a way while BFD is up, again after a silence', async () => {
    await until('the far end misses us', forgetsUs(1, V6.ours), PATIENCE_MS)
    const id = await uplink(1, { name: 'isp1-6', address: HOPS.far, ...BFD })
    await until('the far end sends to us', knowsUs(1, V6.ours), PATIENCE_MS)
    await until('the way', leadsBy6(HOPS.far), PATIENCE_MS)
    await pings6()
    await reaches(outsides[0]!, V6.vm)
    await cut(1, 'ip6')
    await until('the way is gone', leadsBy6(), PATIENCE_MS)
    await until('it is told', async () => (await told(id))?.state === 'down', PATIENCE_MS)
    await until('who sends is told', isUnreachable6, PATIENCE_MS)
    await pings() // the other family is not touched
    await mend(1, 'ip6')
    await until('the far end sends to us again', knowsUs(1, V6.ours), PATIENCE_MS)
    await until('the way is back', leadsBy6(HOPS.far), PATIENCE_MS)
    await pings6()
    await reaches(outsides[0]!, V6.vm)
  })

  test('an agent that is killed is missed by nobody, and the next one adopts', async () => {
    const before = await neighbours()
    assert.deepEqual(
      before.map(({ state }) => state),
      ['Up', 'Up', 'Up']
    )
    await net.kill(HOST)
    await net.startAgent(HOST)
    await net.ready()
    await until('both ways', leadsBy('up1,up2'), PATIENCE_MS)
    await until('that of IPv6', leadsBy6(HOPS.far), PATIENCE_MS)
    assert.deepEqual(await neighbours(), before)
    await pings()
    await pings6()
  })

  test('one that flaps is taken last until it is steady; as the only way it is taken', async () => {
    const [id] = uplinks
    const areTwo = async (): Promise<boolean> => (await waysOut(net, edge, ALL)).length === 2
    for (let i = 0; i < 2; i++) {
      await cut(1, 'ip')
      await until('it is left', leadsBy('up2'), PATIENCE_MS)
      await mend(1, 'ip')
      await until('it is back', areTwo, PATIENCE_MS)
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
    await until('it is the last way', async () => (await waysBy(false)) === '', PATIENCE_MS)
    await all
    for (const n of [1, 2]) await until('the far end forgets us', forgetsUs(n), PATIENCE_MS)
    await until('nor by IPv6 does it send', forgetsUs(1, V6.ours), PATIENCE_MS)
    await until('no way', leadsBy(''), PATIENCE_MS)
    await until('none by IPv6', leadsBy6(), PATIENCE_MS)
    await net.change('host', net.hostId(HOST), { drain: undefined })
    await until('both ways, undamped', leadsBy('up1,up2'), PATIENCE_MS)
    for (const n of [1, 2]) await until('the far end knows us', knowsUs(n), PATIENCE_MS)
    await until('by IPv6 too', knowsUs(1, V6.ours), PATIENCE_MS)
    await until('the way by IPv6', leadsBy6(HOPS.far), PATIENCE_MS)
    await pings()
    await pings6()
  })

  test('one that is removed goes, and what watched it', async () => {
    await net.change('static-uplink', uplinks[0]!, { adminStateUp: false })
    await until('the other way', leadsBy('up2'), PATIENCE_MS)
    await until('the far end hears it', forgetsUs(1), PATIENCE_MS)
    for (const id of uplinks.splice(0)) await net.delete('static-uplink', id)
    await until('all is gone', isClean, PATIENCE_MS)
  })
})
