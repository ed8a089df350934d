// Groups of one link (IEEE 802.1Q §8.6.3): what a bridge relays of them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth } from '../../src/wire/builder.ts'
import { OBJECTS, PLUGINS } from '../../test/world/pair.ts'
import { World } from '../../test/world/world.ts'

const reserved = (i: number): string => `01:80:c2:00:00:0${i.toString(16)}`
const exitOf = (world: World, dst: string, vlan = 0): string => {
  const plain = eth('02:00:00:00:00:0a', dst, vlan === 0 ? 0x88cc : undefined)
  const frame = vlan === 0 ? plain.payload(46) : plain.vlan(vlan).payload(46)
  return world
    .exchange('a', frame.frame())
    .map(({ port }) => port)
    .join()
}

test('B11: a bridge relays none of the sixteen, tagged or not', () => {
  const world = new World({ plugins: PLUGINS, objects: OBJECTS })
  for (let i = 0; i < 16; i++)
    for (const vlan of [0, 7])
      for (let n = 0; n < 2; n++) assert.equal(exitOf(world, reserved(i), vlan), '')
  assert.ok(world.counter('drop.bridge.reserved') >= 32)
  for (const next of ['01:80:c2:00:00:10', '01:80:c2:00:01:00', '01:80:c1:ff:ff:ff'])
    assert.equal(exitOf(world, next), 'b')
})

test('B11: with relayReserved all but spanning tree, pause and slow protocols; at once', () => {
  const world = new World({ plugins: PLUGINS, objects: OBJECTS })
  const relayed = (): number[] =>
    Array.from({ length: 16 }, (_, i) => i).filter(i => exitOf(world, reserved(i)) === 'b')
  assert.deepEqual(relayed(), [])
  world.store.put('bridge', { id: 'net', relayReserved: true })
  world.settle(10)
  assert.deepEqual(relayed(), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
  world.store.put('bridge', { id: 'net' })
  world.settle(10)
  assert.deepEqual(relayed(), [])
})
