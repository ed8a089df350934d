// One load balancer on several hosts: the state of a connection is where its other packets come.
// Two gateways, g1 and g2, have an uplink each, in a stateful group; members are on m1 and m2.

import assert from 'node:assert/strict'
import test from 'node:test'
import { eth } from '../../src/wire/builder.ts'
import type { WorldObject } from '../../test/world/store.ts'
import { World } from '../../test/world/world.ts'
import { hostIp, hostMac, portIp, portMac, portObject, route } from '../router/fixture.test.ts'
import { balanced, CLIENT, endsOf, plugins, VIP, vip } from './fixture.test.ts'

const MAC2 = '0a:00:00:00:01:09'
const PEER2 = '0a:00:00:00:02:09'
const HOSTS = { up: 'g1', d1: 'm1', d2: 'm2', d3: 'm2' } as const

function gateways(algorithm: string, persistence = 'none'): World {
  const group = { id: 'uplinks', name: 'uplinks', stateful: true, ports: ['up', 'up2'] }
  const more: WorldObject[] = [
    portObject('up', {
      id: 'up2',
      host: 'g2',
      number: 190,
      mac: MAC2,
      addresses: ['180.0.9.2/24']
    }),
    { kind: 'port-group', value: group }
  ]
  const vips = [vip({ sessionPersistence: persistence })]
  const objects = balanced({ pool: { algorithm }, vips, more }).map(({ kind, value }) => {
    const host = HOSTS[value.id as keyof typeof HOSTS]
    return kind === 'port' && host !== undefined
      ? { kind, value: { ...value, host, interface: `if-${value.id}` } }
      : { kind, value: value.id === 'up2' ? { ...value, interface: 'if-up2' } : value }
  })
  const world = new World({ plugins, objects, share: true })
  world.settle(500)
  for (const port of ['up', 'd1', 'd2', 'd3'] as const) {
    const ask = eth(hostMac(port), 'ff:ff:ff:ff:ff:ff')
    world.exchange(port, ask.arpRequest(hostMac(port), hostIp[port], portIp[port]).frame())
  }
  const ask = eth(PEER2, 'ff:ff:ff:ff:ff:ff').arpRequest(PEER2, '180.0.9.1', '180.0.9.2')
  world.exchange('up2', ask.frame())
  return world
}

type Uplink = 'up' | 'up2'

/** The member a packet that came in by this uplink went to. */
function through(world: World, uplink: Uplink, sport: number, flags: string): string {
  const [from, to] = uplink === 'up' ? [hostMac('up'), portMac('up')] : [PEER2, MAC2]
  const out = world.exchange(
    uplink,
    eth(from, to).ipv4(CLIENT, VIP).tcp(sport, 80, { flags }).payload('x').frame()
  )
  return out.map(({ port }) => port).join()
}

for (const algorithm of ['rendezvous', 'weighted-random', 'least-connections'])
  test(`${algorithm}: a connection goes on through the other gateway`, () => {
    const world = gateways(algorithm)
    for (let sport = 1000; sport < 1030; sport++) {
      const member = through(world, 'up', sport, 'S')
      assert.match(member, /^d[123]$/)
      assert.equal(through(world, 'up2', sport, '.'), member)
      assert.equal(through(world, 'up', sport, 'P.'), member)
    }
    assert.equal(world.drops()['drop.load-balancer.no-connection'], undefined)
  })

test('the answer leaves by the other gateway, in the name of the VIP', () => {
  const world = gateways('weighted-random')
  world.store.put('route', {
    ...route('default4', { destination: '0.0.0.0/0', port: 'up2', gateway: '180.0.9.1' }).value
  })
  world.settle(10)
  for (let sport = 1000; sport < 1010; sport++) {
    const member = through(world, 'up', sport, 'S') as 'd1' | 'd2' | 'd3'
    const l2 = eth(hostMac(member), portMac(member))
    const answer = l2.ipv4(hostIp[member], CLIENT).tcp(8080, sport, { flags: 'SA' }).payload('')
    const [out] = world.exchange(member, answer.frame())
    assert.equal(out!.port, 'up2')
    assert.deepEqual(endsOf(out!), { src: VIP, dst: CLIENT, sport: 80, dport: sport })
  }
})

test('affinity holds at both gateways', () => {
  const world = gateways('weighted-random', 'source-address')
  const members = new Set<string>()
  for (let sport = 1000; sport < 1020; sport++)
    members.add(through(world, sport % 2 === 0 ? 'up' : 'up2', sport, 'S'))
  assert.equal(members.size, 1)
})

test('a gateway dies: its connections go on through the other', () => {
  const world = gateways('weighted-random')
  const before = new Map<number, string>()
  for (let sport = 1000; sport < 1030; sport++) {
    before.set(sport, through(world, 'up', sport, 'S'))
    through(world, 'up', sport, '.')
  }
  world.hosts.get('g1')!.isCut = true
  world.settle(2000)
  for (const [sport, member] of before) assert.equal(through(world, 'up2', sport, 'P.'), member)
})
