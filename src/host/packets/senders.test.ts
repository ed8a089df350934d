// Who may send by tunnel: members of the zones this host is in, and nobody else.  A header on the
// underlay is easily written and a tunnel key easily guessed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import bridge from '../../../plugins/bridge/index.ts'
import { Topology } from '../../../test/world/objects.ts'
import { World } from '../../../test/world/world.ts'
import type { Plugin } from '../../plugin.ts'
import { parseIpv4 } from '../../wire/address.ts'
import { eth } from '../../wire/builder.ts'

const PLUGINS = [bridge] as unknown as readonly Plugin[]
const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const KEY_A = 1
const UNDERLAY = 1
const H2 = '172.31.0.2'
const STRANGER = '192.0.2.66'
const bytes = eth(B, A).ipv4('10.0.0.2', '10.0.0.1').udp(1, 2).frame()

const open = (): World => {
  const { objects } = new Topology().bridge('net').edge('a', 'net', 'h1').edge('b', 'net', 'h2')
  return new World({ plugins: PLUGINS, objects })
}

function arrive(world: World, key: number, src: string): string[] {
  world.delivered.length = 0
  world.hosts.get('h1')!.datapath.input(UNDERLAY, bytes, { key, src: parseIpv4(src) })
  world.settle()
  return world.delivered.splice(0).map(({ port }) => port)
}

test('what a stranger tunnels is a counted drop, as a flow', () => {
  const world = open()
  assert.deepEqual(arrive(world, KEY_A, STRANGER), [])
  assert.deepEqual(arrive(world, KEY_A, STRANGER), [])
  assert.equal(world.drops()['drop.agent.stranger'], 1)
  assert.deepEqual(arrive(world, KEY_A, H2), ['a'])
  assert.deepEqual(arrive(world, KEY_A, STRANGER), [])
})

test('what claims to come from ourselves is a stranger', () => {
  assert.deepEqual(arrive(open(), KEY_A, '172.31.0.1'), [])
})

for (const key of [0, 0xfffffe, 0xffffff])
  test(`a tunnelled frame with key ${key} stops nobody else's`, () => {
    for (const src of [STRANGER, H2, '0.0.0.0']) {
      const world = open()
      assert.deepEqual(arrive(world, key, src), [])
      assert.deepEqual(arrive(world, KEY_A, H2), ['a'], src)
    }
  })

test('a host that leaves the zone is a stranger from then on, until it is back', () => {
  const world = open()
  assert.deepEqual(arrive(world, KEY_A, H2), ['a'])
  const membership = world.store.get('tunnel-zone-host', 'zone-h2')!
  world.store.delete('tunnel-zone-host', 'zone-h2')
  world.settle()
  assert.deepEqual(arrive(world, KEY_A, H2), [])
  world.store.put('tunnel-zone-host', membership)
  world.settle()
  assert.deepEqual(arrive(world, KEY_A, H2), ['a'])
})
