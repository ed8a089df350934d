// What an uplink port is to do, out of what is declared.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PortModel } from '../../../src/control.ts'
import { planOf, type RouterView } from './plan.ts'

const ROUTER = 'r'
const port: PortModel = {
  ...{ id: 'p', type: 'router', device: ROUTER, host: 'h', interface: 'up' },
  ...{ mac: '02:4d:00:00:00:01', addresses: ['2001:db8::2/64', '180.0.1.2/24'] }
}
const peer = { id: 'a', router: ROUTER, address: '180.0.1.1', asn: 65_101 }
const view = (more: Partial<RouterView>): RouterView => ({
  isUp: true,
  routes: [],
  speakers: [{ id: 's', router: ROUTER, asn: 65_001 }],
  peers: [peer],
  networks: [{ id: 'n', router: ROUTER, prefix: '200.0.0.0/24' }],
  ports: [port, { host: 'g', addresses: ['180.0.2.2/24'] }, { addresses: ['10.0.1.1/24'] }],
  statics: [],
  policies: new Map(),
  ...more
})
const planned = (more: Partial<RouterView> = {}, at = port) => planOf(at, view(more), 'no', [])
const NOTHING = [
  { prefix: '0.0.0.0/0', le: 32, action: 'deny' },
  { prefix: '::/0', le: 128, action: 'deny' }
]

test('a speaker with its peers and networks, each default said', () => {
  const { plan } = planned()
  assert.deepEqual(plan?.config, {
    ...{ asn: 65_001, routerId: '180.0.1.2', gracefulRestartS: null, maximumPaths: 8 },
    networks: ['200.0.0.0/24'],
    peers: [
      {
        ...{ address: '180.0.1.1', asn: 65_101, keepaliveS: 3, holdS: 9, connectS: 5 },
        ...{ password: null, multihop: null, bfd: null, maximumPrefixes: 10_000, shutdown: false },
        import: { prefixes: [] },
        export: { prefixes: [] }
      }
    ]
  })
  assert.deepEqual(plan?.networks, [{ id: 'n', prefix: '200.0.0.0/24', reasons: [] }])
})

test("a port's own speaker counts before the router's; without one it is said", () => {
  const own = { id: 't', router: ROUTER, port: 'p', asn: 65_002, routerId: '9.9.9.9' }
  const { plan } = planned({ speakers: [...view({}).speakers, own] })
  assert.deepEqual([plan?.config?.asn, plan?.config?.routerId], [65_002, '9.9.9.9'])
  const foreign = { id: 't', router: ROUTER, port: 'q', asn: 65_002 }
  assert.match(planned({ speakers: [foreign] }).reason ?? '', /no bgp-speaker/)
  const v6 = { ...port, addresses: ['2001:db8::2/64'] }
  const far = { ...peer, address: '2001:db8::1' }
  assert.match(planned({ peers: [far] }, v6).reason ?? '', /no routerId/)
  assert.deepEqual(
    planned({ peers: [] }),
    { plan: null, reason: null, statics: [] },
    'nothing is wanted'
  )
})

test('peers are at the port that they name, or whose network has them; one an address', () => {
  const peers = [
    peer,
    { ...peer, id: 'b', port: 'p' }, // another of the same address, past the API
    { ...peer, id: 'c', address: '180.0.2.1' },
    { ...peer, id: 'd', address: '180.0.1.7', port: 'q' },
    { ...peer, id: 'e', address: '2001:db8:0:0::1' },
    { ...peer, id: 'f', address: '198.51.100.1', port: 'p', multihop: 3 }
  ]
  const { plan } = planned({ peers })
  const found = [...(plan?.peers ?? [])].map(([ip, { id }]) => `${id} ${ip}`)
  assert.deepEqual(found, ['a 180.0.1.1', 'e 2001:db8::1', 'f 198.51.100.1'])
})

test('policies as they stand; one that is not known lets nothing pass', () => {
  const prefixes = [{ prefix: '10.0.0.0/8', le: 24, action: 'permit' as const }]
  const policy = { id: 'x', name: 'x', prefixes, communities: ['65001:1'], prepend: 2 }
  const peers = [{ ...peer, importPolicy: 'x', exportPolicy: 'y' }]
  const [found] = planned({ peers, policies: new Map([['x', policy]]) }).plan!.config!.peers
  assert.deepEqual(found?.import, { prefixes, communities: ['65001:1'], prepend: 2 })
  assert.deepEqual(found?.export, { prefixes: NOTHING })
})

test('an export policy is told as it is, and a network more or less changes no peer', () => {
  const prefixes = [
    { prefix: '200.0.0.0/24', action: 'deny' as const },
    { prefix: '200.0.0.0/8', ge: 16, le: 24, action: 'permit' as const }
  ]
  const policies = new Map([['x', { id: 'x', name: 'x', prepend: 2, prefixes }]])
  const peers = [{ ...peer, exportPolicy: 'x' }]
  const told = (count: number) => {
    const networks = Array.from({ length: count }, (_, i) => ({
      ...{ id: `n${i}`, router: ROUTER, prefix: `201.${i >> 8}.${i & 255}.0/24` }
    }))
    const { config } = planned({ networks, peers, policies }).plan!
    assert.equal(config?.networks.length, count)
    return config?.peers
  }
  assert.deepEqual(told(1)?.[0]?.export, { prefixes, prepend: 2 })
  assert.deepEqual(told(600), told(1))
})

test('what cannot be served is not announced, and why', () => {
  const reasons = (
    more: Partial<RouterView>,
    at = port,
    ...rest: ['drained' | 'no', string[]] | []
  ) => planOf(at, view(more), rest[0] ?? 'no', rest[1] ?? []).plan?.networks[0]?.reasons
  assert.deepEqual(reasons({ isUp: false }), ['router-down'])
  assert.deepEqual(reasons({}, { ...port, adminStateUp: false }), ['port-down'])
  assert.deepEqual(reasons({}, port, 'drained', ['alone']), ['host-drained', 'alone'])
  const { plan } = planned({ isUp: false })
  assert.deepEqual(plan?.config?.networks, [])
})

test('the network of the link is told by nobody of it; networks that overlap each are', () => {
  const prefixes = [
    '180.0.0.0/16',
    '180.0.1.0/24',
    '180.0.1.128/25',
    '180.0.2.0/24',
    '180.0.2.0/25'
  ]
  const networks = prefixes.map((prefix, i) => ({ id: `n${i}`, router: ROUTER, prefix }))
  const { plan } = planned({ networks })
  assert.deepEqual(
    plan?.networks.map(({ reasons }) => reasons),
    [[], ['uplink-network'], ['uplink-network'], [], ['uplink-network']]
  )
  const told = ['180.0.0.0/16', '180.0.2.0/24']
  assert.deepEqual(plan?.config?.networks, told)
})

test('ours is what is announced, and what the router is connected to, whoever says so', () => {
  const { plan } = planned({ isUp: false })
  const within = ['200.0.0.0/25', '10.0.1.11/32', '180.0.1.0/24', '10.0.2.0/24', '::/0'].map(
    prefix => plan?.own.covering(prefix)
  )
  const [announced, inside, link] = ['200.0.0.0/24', '10.0.1.0/24', '180.0.1.0/24']
  assert.deepEqual(within, [announced, inside, link, undefined, undefined])
})

test('before a drained host goes its peers hear that it will', () => {
  const telling = planOf(port, view({}), 'telling', []).plan?.config
  assert.deepEqual(telling?.networks, ['200.0.0.0/24'])
  assert.deepEqual(telling?.peers[0]?.export.communities, ['graceful-shutdown'])
  assert.deepEqual(planOf(port, view({}), 'drained', []).plan?.config?.networks, [])
})

test('a peer over several hops is reached by the longest route of the port', () => {
  const far = { ...peer, id: 'f', address: '10.255.0.1', port: 'p', multihop: 3 }
  const by = (destination: string, gateway: string, more = {}) => ({
    ...{ destination, gateway, port: 'p', ...more }
  })
  const placeWith = (...routes: RouterView['routes'][number][]) =>
    planned({ peers: [peer, far], routes }).plan?.place
  const routes = [
    by('0.0.0.0/0', '180.0.1.1'),
    by('10.255.0.0/16', '180.0.1.7'),
    by('10.255.0.1/32', '180.0.1.8', { port: 'q' }),
    by('10.255.0.1/32', '180.0.1.9', { source: '10.0.0.0/8' })
  ]
  assert.deepEqual(placeWith(...routes)?.routes, [{ to: '10.255.0.1', via: '180.0.1.7' }])
  assert.equal(placeWith()?.routes, undefined)
})
