// A gateway that speaks BGP, all of it real: FRR beside an agent that is a process of its own, BIRD
// in two networks outside. Nothing outside is told by hand where our network is.
//
//   upstream1 (AS 65101) ──── up1 ─┐
//                                  ├─ router edge (AS 65001), gateway ── a, in 10.0.1.0/24
//   upstream2 (AS 65102) ──── up2 ─┘
//
// Both upstreams have 198.51.100.1 behind them, which nobody else tells of.

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { reportTable, type SessionReport } from '../../plugins/bgp/table.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { type Device, Network, reaches, waysOut } from './fixtures/index.ts'

const skip = Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
const HOST = 'gateway'
const FOLDER = '/run/mezzo-bgp'
const WORLD = '198.51.100.1'
const WORLD_NETWORK = '198.51.100.0/24'
const OURS = '10.0.1.0/24'
const PATIENCE_MS = 60_000
// A session that is to stay stands a machine that does not run for a moment.
const BFD = { intervalMs: 1000, multiplier: 20 }
const HOLD_S = 30
const DAMPED_S = 15 // long enough to be looked at

describe('a gateway that speaks BGP', { skip }, () => {
  let net: Network
  let edge: Device
  let a: Vm
  const ports: string[] = []
  const outsides: Outside[] = []
  const birds: Bird[] = []
  const peers: string[] = []

  before(async () => {
    // 600 s: however slowly an agent returns.
    const plugins = { bgp: { withdrawAfterMs: 600_000, dampFirstMs: DAMPED_S * 1000 } }
    const options = { prefix: 'mz-lab-bgp', hosts: [HOST], processes: true, plugins }
    net = await Network.open(options)
    const red = await net.bridge('red')
    edge = await net.router('edge')
    await net.plug(edge, red, ['10.0.1.1/24'])
    for (const n of [1, 2]) await upstream(n)
    a = await net.vm('a', { on: HOST, at: red, addresses: ['10.0.1.11/24'], gateway: '10.0.1.1' })
    await net.create('bgp-speaker', { router: edge.id, asn: 65001 })
    await net.create('bgp-network', { router: edge.id, prefix: OURS })
    await net.start()
  })
  after(async () => {
    for (const peer of peers.splice(0)) await net.delete('bgp-peer', peer).catch(() => {})
    if (net !== undefined && skip === false) await until('all is gone', isClean, PATIENCE_MS)
    await Promise.all(birds.map(bird => bird.close()))
    await net?.close()
  })

  async function upstream(n: number): Promise<void> {
    const interfaceName = `up${n}`
    const addresses = [`180.0.${n}.1/24`, `2001:db8:${n}::1/64`]
    const links = [{ host: net.host(HOST), interface: interfaceName, addresses }]
    const options = { links, addresses: [`${WORLD}/32`] }
    const outside = await net.lab.outside(`upstream${n}`, options)
    outsides.push(outside)
    const ours = [`180.0.${n}.2/24`, `2001:db8:${n}::2/64`]
    ports.push(
      await net.bind(edge, HOST, interfaceName, {
        ...{ name: interfaceName, mac: net.mac(), addresses: ours }
      })
    )
    const session = { asn: 65001, bfd: true, holdS: HOLD_S }
    birds.push(
      await Bird.start(outside, {
        ...{ asn: 65100 + n, routerId: `9.9.9.${n}`, networks: [WORLD_NETWORK] },
        bfd: BFD,
        peers: [
          { ...session, name: 'four', address: `180.0.${n}.2` },
          { ...session, name: 'six', address: `2001:db8:${n}::2` }
        ]
      })
    )
  }

  const peer = async (n: number, address = `180.0.${n}.1`): Promise<string> => {
    const fields = { router: edge.id, address, asn: 65100 + n, connectS: 1 }
    const id = await net.create('bgp-peer', { ...fields, holdS: HOLD_S, bfd: BFD })
    peers.push(id)
    return id
  }
  const remove = async (id: string): Promise<void> => {
    await net.delete('bgp-peer', id)
    peers.splice(peers.indexOf(id), 1)
  }
  const isUp =
    (n: number, name = 'four') =>
    async (): Promise<boolean> =>
      (await birds[n - 1]!.session(name)).isUp
  const isDown =
    (n: number, name = 'four') =>
    async (): Promise<boolean> =>
      !(await isUp(n, name)())
  const knowsUs = (n: number) => async (): Promise<boolean> =>
    (await birds[n - 1]!.networks()).includes(OURS)
  // The connection of a session: another one has another port. While a session begins there may be
  // two, each end having called the other.
  const connection = async (n: number, name = 'four'): Promise<string> => {
    const ours = name === 'four' ? `180.0.${n}.2` : `[2001:db8:${n}::2]`
    let found: string | undefined
    const isThere = async (): Promise<boolean> => {
      const text = await outsides[n - 1]!.must(['ss', '-Htn', 'state', 'established'])
      const lines = text.split('\n')
      const own = lines.filter(line => line.includes(`${ours}:`) && /:179\b/.test(line))
      found = own[0]
      return own.length === 1
    }
    await until('the connection of the session', isThere, PATIENCE_MS)
    return found!.trim().split(/\s+/).slice(2, 4).join(' ')
  }
  const learnedBy = async (isLast?: boolean): Promise<string[]> => {
    const all = await waysOut(net, edge)
    const found = all.filter(way => isLast === undefined || way.isLast === isLast)
    return [...new Set(found.map(({ port }) => `up${ports.indexOf(port) + 1}`))].sort()
  }
  const leadsBy =
    (...names: string[]) =>
    async (): Promise<boolean> =>
      JSON.stringify(await learnedBy()) === JSON.stringify(names)
  const told = async (id: string): Promise<SessionReport | undefined> => {
    const entries = await net.appliance.store.table(reportTable(edge.id)).entries()
    const found = entries.find(({ key }) => key.startsWith(`peer ${id} `))
    return found && (JSON.parse(found.value) as SessionReport)
  }
  const places = (): string[] =>
    ports.filter(port => existsSync(`/run/netns/mezzo-bgp-${port.slice(0, 8)}`))
  const isClean = async (): Promise<boolean> => {
    const left = readdirSync(FOLDER).flatMap(host => readdirSync(`${FOLDER}/${host}`))
    return places().length === 0 && left.length === 0 && (await learnedBy()).length === 0
  }
  const pings = async (): Promise<void> => {
    await reaches(a, WORLD)
  }

  test('BGP-01: an uplink session is added, and a VM reaches the world; a second one', async () => {
    const first = await peer(1)
    await until('the first session', isUp(1), PATIENCE_MS)
    await until('our network is known', knowsUs(1), PATIENCE_MS)
    await until('the world is known', leadsBy('up1'), PATIENCE_MS)
    await pings()
    await reaches(outsides[0]!, '10.0.1.11')
    await until('it is told', async () => (await told(first))?.state === 'established', PATIENCE_MS)
    await peer(2)
    await until('the second session', isUp(2), PATIENCE_MS)
    await until('both ways', leadsBy('up1', 'up2'), PATIENCE_MS)
    await until('our network is known there', knowsUs(2), PATIENCE_MS)
    await pings()
  })

  test('an agent that is killed is missed by nobody, and the next one adopts all', async () => {
    const before = await Promise.all([connection(1), connection(2)])
    await net.kill(HOST)
    await pings() // by flows that are there
    assert.ok((await isUp(1)()) && (await isUp(2)()))
    await net.startAgent(HOST)
    await net.ready()
    await until('both ways', leadsBy('up1', 'up2'), PATIENCE_MS)
    const [id] = peers
    await until('it is told', async () => (await told(id!))?.state === 'established', PATIENCE_MS)
    assert.deepEqual(await Promise.all([connection(1), connection(2)]), before)
    assert.ok((await knowsUs(1)()) && (await knowsUs(2)()))
    await pings()
  })

  test('routes that come and go are taken last, until they have been steady', async () => {
    const [id] = peers
    const before = await connection(1)
    // An agent that has just begun knows of no route yet that the one before it has told.
    const isLearned = async () => (await net.agent(HOST).controls()).counters['bgp.routes'] === 2
    await until('the agent knows both', isLearned, PATIENCE_MS)
    const areLast = (names: string) => async (): Promise<boolean> =>
      (await learnedBy(true)).join() === names && (await learnedBy()).join() === 'up1,up2'
    for (const last of ['', 'up1']) {
      await birds[0]!.change({ networks: [] })
      await until('the other way', leadsBy('up2'), PATIENCE_MS)
      await pings()
      await birds[0]!.change({ networks: [WORLD_NETWORK] })
      await until(`both ways, of which last: ${last}`, areLast(last), PATIENCE_MS)
    }
    const reason = `damped for ${DAMPED_S} s: 2 flaps`
    await until('it is said', async () => (await told(id!))?.reason === reason, PATIENCE_MS)
    await birds[1]!.change({ networks: [] })
    await until('there is no other', leadsBy('up1'), PATIENCE_MS)
    await pings()
    await birds[1]!.change({ networks: [WORLD_NETWORK] })
    await until('both ways, none is last', areLast(''), PATIENCE_MS)
    await until('nor said', async () => (await told(id!))?.reason === undefined, PATIENCE_MS)
    assert.equal((await net.agent(HOST).controls()).counters['bgp.damped'], 1)
    assert.equal(await connection(1), before, 'it was the routes that flapped')
    await pings()
  })

  test('BGP-02 remove_uplink: traffic goes over the other session', async () => {
    await remove(peers[0]!)
    await until('the session is over', isDown(1), PATIENCE_MS)
    await until('the other way', leadsBy('up2'), PATIENCE_MS)
    assert.equal(await knowsUs(1)(), false)
    await until('its namespace is gone', () => places().join() === ports[1], PATIENCE_MS)
    await pings()
  })

  test('BGP-06: two sessions at one port; either goes, and the other stays', async () => {
    const [four] = peers
    const six = await peer(2, '2001:db8:2::1')
    await until('the second session', isUp(2, 'six'), PATIENCE_MS)
    await pings()
    const standing = await connection(2, 'four')
    await remove(six)
    await until('it is over', isDown(2, 'six'), PATIENCE_MS)
    assert.equal(await connection(2, 'four'), standing)
    await pings()
    await peer(2, '2001:db8:2::1')
    await until('it is back', isUp(2, 'six'), PATIENCE_MS)
    const other = await connection(2, 'six')
    await remove(four!)
    await until('the first is over', isDown(2, 'four'), PATIENCE_MS)
    assert.equal(await connection(2, 'six'), other)
  })

  test('an address more at the port is no reason to end a session; another MAC is', async () => {
    const four = await peer(1)
    await until('the session', isUp(1), PATIENCE_MS)
    const standing = await connection(1)
    const { addresses } = await net.read('port', ports[0]!)
    const more = [...(addresses as string[]), '180.0.1.9/24']
    await net.change('port', ports[0]!, { addresses: more })
    await until('it answers', async () => (await outsides[0]!.ping('180.0.1.9')).received > 0)
    assert.equal(await connection(1), standing)
    await net.change('port', ports[0]!, { mac: net.mac() })
    const { mac } = await net.read('port', ports[0]!)
    await until('the new MAC', async () => {
      await outsides[0]!.ip('neigh flush dev eth0')
      const hop = outsides[0]!.nextHop('180.0.1.2').catch(() => undefined) // nobody answers yet
      return (await hop)?.mac === mac
    })
    await until('the session again', isUp(1), PATIENCE_MS)
    await pings()
    await remove(four)
  })

  test('without peers nothing is left', async () => {
    for (const id of [...peers]) await remove(id)
    await until('all is gone', isClean, PATIENCE_MS)
    await until('nobody speaks with us', isDown(2, 'six'), PATIENCE_MS)
    await until('nor at the first', isDown(1), PATIENCE_MS)
  })
})
