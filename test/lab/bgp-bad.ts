// What an operator, a peer or a tenant should not say to gateways that speak BGP: each is named
// where an operator looks (status, log, counters), and disturbs nothing else.
// test/lab/bgp-uplinks.test.ts has the site, whose sessions are all up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableOf as neighboursOf } from '../../plugins/router/neighbours.ts'
import { until } from '../../src/lab/index.ts'
import { Bird } from '../../src/lab/services/bird.ts'
import { eth } from '../../src/wire/builder.ts'
import {
  FAR,
  NETWORKS,
  OURS,
  PATIENCE_MS,
  POOL,
  type Session,
  type Site,
  theirs,
  WORLD
} from './bgp-site.ts'
import { allReceived, quiet, reaches, Streams, sleep } from './fixtures/index.ts'

const [HOME] = WORLD
const ALL: readonly Session[] = [
  [1, 'one'],
  [1, 'two'],
  [2, 'one'],
  [2, 'two']
]
const LISTEN_MS = 3000 // for what must not be heard
const BFD = 3784
const BFD_FAR = 4784

/** Tests on a site that is there when they run. */
export function badUplinks(of: () => Site): void {
  test('a peer that is not there is named, and nobody else notices', () =>
    undisturbed(of(), () => unreachable(of())))
  test('networks that overlap are told each; no part of an uplink is', () =>
    undisturbed(of(), () => overlapping(of())))
  test('a peer that tells what is ours draws nobody outside, and is named', () =>
    undisturbed(of(), () => stolen(of())))
  test('a default route is withdrawn: who has no other way is told so, until it returns', () =>
    undisturbed(of(), () => withdrawn(of())))
  test('a tenant that speaks BGP, BFD, redirects and ARP is not heard', () =>
    undisturbed(of(), () => tenant(of())))
}

// Sessions stay the connections they were, and streams go on, translated or not.
async function undisturbed(site: Site, what: () => Promise<void>): Promise<void> {
  const connections = () => Promise.all(ALL.map(session => site.connection(session)))
  const before = await connections()
  const flaps = await sum(site, 'bgp.flaps')
  const world = await site.upstreams[0]!.tcp.serve()
  const streams = await Promise.all(
    ['a', 's1'].map(vm => Streams.open(site.vm(vm), new Map([[HOME!, world]])))
  )
  await what()
  for (const each of streams) {
    await each.goOn('afterwards')
    await each.sound()
  }
  assert.deepEqual(await connections(), before)
  assert.equal(await sum(site, 'bgp.flaps'), flaps)
}

const sum = async (site: Site, name: string): Promise<number> => {
  const all = await Promise.all([1, 2].map(n => site.controls(n)))
  return all.reduce((total, { counters }) => total + (counters[name] ?? 0), 0)
}

const counts = (site: Site, name: string, wanted: number): Promise<void> =>
  until(`${name} is ${wanted}`, async () => (await sum(site, name)) === wanted, PATIENCE_MS)

const isLogged = (site: Site, words: RegExp): Promise<void> =>
  until(`the log says ${words}`, () => words.test(site.logOf('gw1')), PATIENCE_MS)

async function unreachable(site: Site): Promise<void> {
  const { net, edge } = site
  const fields = { router: edge.id, name: 'nobody', address: '180.0.1.9', asn: 65_109, connectS: 1 }
  const id = await net.create('bgp-peer', fields)
  const isNamed = async (): Promise<boolean> => {
    const { bgp, notes } = await site.controls(1)
    const session = bgp.sessions.find(({ name }) => name === 'nobody')
    const isSaid = session?.reason === 'it has not answered yet' && session.state !== 'established'
    return isSaid && notes.some(note => /no BGP session with nobody \(180\.0\.1\.9\)/.test(note))
  }
  await until('it is missed', isNamed, PATIENCE_MS)
  await isLogged(site, /"peer":"180\.0\.1\.9".*a BGP session does not come up/)
  assert.equal((await site.controls(1)).counters['bgp.session-up|peer|nobody'], 0)
  await net.delete('bgp-peer', id)
}

async function overlapping(site: Site): Promise<void> {
  const { net, edge } = site
  const [part, link, wider] = ['200.0.0.0/25', '180.0.1.0/29', '180.0.0.0/16']
  const ids: string[] = []
  for (const prefix of [part, link, wider])
    ids.push(await net.create('bgp-network', { router: edge.id, prefix }))
  for (const n of [1, 2]) {
    const isTold = async (): Promise<boolean> => {
      const told = await site.bird(n).networks('one')
      return [OURS, POOL, part, wider].every(each => told.includes(each))
    }
    await until(`upstream${n} is told of both`, isTold, PATIENCE_MS)
    assert.equal((await site.bird(n).networks()).includes(link), false)
    const { bgp } = await site.controls(n)
    const { announced, reasons } = bgp.networks.find(({ prefix }) => prefix === link)!
    assert.deepEqual([announced, reasons], [false, ['uplink-network']])
  }
  assert.equal(await sum(site, 'bgp.networks-withheld'), 2)
  await net.delete('bgp-network', ids[0]!)
  const isGone = async (): Promise<boolean> => !(await site.bird(1).networks()).includes(part)
  await until('the part is taken back', isGone, PATIENCE_MS)
  assert.ok((await site.bird(1).networks('one')).includes(POOL))
  for (const id of ids.slice(1)) await net.delete('bgp-network', id)
  await counts(site, 'bgp.networks-withheld', 0)
}

async function stolen(site: Site): Promise<void> {
  const [upstream] = site.upstreams
  const theft = ['10.0.1.0/25', '10.0.2.0/24', '10.0.2.11/32', '200.0.0.1/32', '180.0.2.16/28']
  const elsewhere = ['10.0.3.0/24', '10.0.0.0/8'] // ours is within, or not ours
  const before = await sum(site, 'bgp.routes-ours')
  const outside = await upstream!.capture('eth0', 'dst net 10.0.1.0/24 or dst net 10.0.2.0/24', {
    direction: 'in'
  })
  await site.bird(1).change({ networks: [...NETWORKS, ...theft, ...elsewhere] })
  const isHeard = async (): Promise<boolean> => {
    const known = await site.learned()
    return elsewhere.every(prefix => known.has(prefix))
  }
  await until('what is not ours is learned', isHeard, PATIENCE_MS)
  const isNamed = async (): Promise<boolean> => {
    const { bgp, notes } = await site.controls(1)
    const refused = new Map(bgp.refused.map(({ prefix, within }) => [prefix, within]))
    const isSaid = notes.some(note => /a peer tells 10\.0\.1\.0\/25, which is ours/.test(note))
    return isSaid && theft.every(prefix => refused.has(prefix)) && refused.size === theft.length
  }
  await until('what is ours is refused, by name', isNamed, PATIENCE_MS)
  await isLogged(site, /a peer tells networks of ours/)
  assert.ok((await sum(site, 'bgp.routes-ours')) > before)
  const known = await site.learned()
  assert.deepEqual(
    theft.filter(prefix => known.has(prefix)),
    []
  )
  await allReceived(site.vm('b'), site.vm('a').address(), { count: 10 })
  await allReceived(site.vm('a'), site.vm('b').address(), { count: 10 })
  await quiet(outside, 'from inside')
  assert.equal(outside.count, 0)
  await outside.stop()
  await site.bird(1).change({ networks: NETWORKS })
  await counts(site, 'bgp.routes-refused', 0)
}

async function withdrawn(site: Site): Promise<void> {
  const a = site.vm('a')
  const drops = async (): Promise<number> =>
    (await site.net.agent('compute1').counters())['drop.router.no-route'] ?? 0
  await reaches(a, FAR)
  const before = await drops()
  const world = await site.upstreams[0]!.tcp.serve()
  const far = await Streams.open(a, new Map([[FAR, world]]))
  await site.bird(1).change({ networks: NETWORKS.filter(prefix => prefix !== '0.0.0.0/0') })
  const isTold = async (): Promise<boolean> => {
    const { errors, received } = await a.ping(FAR, { count: 1, timeoutMs: 1000 })
    return received === 0 && errors.some(({ from }) => from === '10.0.1.1')
  }
  await until('who has no way is told so', isTold)
  assert.ok((await drops()) > before)
  await far.stand('without a way')
  await allReceived(a, HOME!)
  await isLogged(site, /"family":"IPv4".*the default route is withdrawn/)
  await counts(site, 'bgp.default-routes', 0)
  const { bgp } = await site.controls(1)
  const port = bgp.ports.find(each => each.port === site.ports[0])
  assert.deepEqual([port?.state, port?.default], ['working', null])
  await site.bird(1).change({ networks: NETWORKS })
  await reaches(a, FAR)
  await far.goOn('when it is back')
  await far.sound()
  await counts(site, 'bgp.default-routes', 2)
}

async function tenant(site: Site): Promise<void> {
  const { net } = site
  const a = site.vm('a')
  // Who has which address; when each was last heard is no business of the tenant's.
  const neighbours = async () => {
    const rows = await net.appliance.store.table(neighboursOf(site.ports[0]!)).entries()
    return rows.map(({ key, value, owner }) => ({ key, owner, mac: value.split(' ')[0] }))
  }
  const before = { learned: await site.learned(), neighbours: await neighbours() }
  const strangers = ['one', 'two'].map((name, i) => ({
    ...{ name, address: `180.0.1.${16 * i + 2}`, asn: 65_001, bfd: true, multihop: true }
  }))
  const networks = ['172.21.0.0/16', '0.0.0.0/0']
  const own = { asn: 65_101, routerId: '9.9.9.9', sources: [a.address()] }
  const bird = await Bird.start(a, { ...own, networks, peers: strangers })
  try {
    const gateway = await a.nextHop('10.0.1.1')
    for (let i = 0; i < 5; i++) await a.traffic.send(lies(a.mac, gateway.mac, a.address()))
    await sleep(LISTEN_MS)
    for (const { name } of strangers) assert.equal((await bird.session(name)).isUp, false)
  } finally {
    await bird.close()
  }
  assert.deepEqual(await site.learned(), before.learned)
  assert.deepEqual(await neighbours(), before.neighbours)
  await allReceived(a, HOME!)
  await allReceived(site.vm('s1'), HOME!)
  await allReceived(site.upstreams[0]!, '180.0.1.2', { from: theirs([1, 'one']) })
}

// BFD in everybody's name; ways by the VM to the world and to the peer; the peer's address as its
// own, on its bridge.
function lies(mac: string, gateway: string, own: string): Uint8Array[] {
  const peer = theirs([1, 'one'])
  const frames = [own, peer, '180.0.1.2'].flatMap(source => {
    const from = (to: string) => eth(mac, gateway).ipv4(source, to, { ttl: 255 })
    return [
      ...[BFD, BFD_FAR].map(port => from('180.0.1.2').udp(49_152, port).payload(24).frame()),
      from('180.0.1.2').tcp(179, 179, { flags: 4 }).frame(),
      ...['180.0.1.2', '10.0.1.1', peer].map(to =>
        from(to).icmp(5, 1, ipOf(own)).payload(28).frame()
      )
    ]
  })
  const broadcast = eth(mac, 'ff:ff:ff:ff:ff:ff')
  return [
    ...frames,
    broadcast.arpReply(mac, peer, mac, peer).frame(),
    eth(mac, gateway).arpReply(mac, peer, gateway, '180.0.1.2').frame(),
    broadcast.arpRequest(mac, peer, '180.0.1.2').frame()
  ]
}

const ipOf = (text: string): number =>
  text.split('.').reduce((sum, byte) => (sum << 8) | Number(byte), 0)
