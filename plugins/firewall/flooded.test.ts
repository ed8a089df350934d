// A machine that admits only answers speaks to one whose MAC its bridge does not know: the packet
// is flooded over linked bridges, and the answer passes whichever bridge it comes in by.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { eth } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'

const plugins = await loadPlugins()
const MACS = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' }
const IPS = { a: '10.0.0.1', b: '10.0.0.2' }
type End = keyof typeof MACS

/** a, which is guarded, is on `near`; b on this bridge, and others on both. */
function open(bridge: string, host: string): World {
  const topology = new Topology().bridge('near').bridge('far')
  topology.edge('a', 'near', 'h1', { outFilter: 'guard' })
  topology.edge('c', 'near').edge('b', bridge, host).edge('d', 'far')
  const [near, far] = ['near', 'far'].map(device => ({ type: 'bridge', device }))
  topology.link('to-far', near!, 'to-near', far!)
  topology.add('chain', 'guard', { name: 'guard' })
  topology.rule('guard', 1, 'accept', { connectionStates: ['established'] })
  topology.rule('guard', 2, 'drop')
  const world = new World({ plugins, objects: topology.objects, share: true })
  world.settle(300)
  return world
}

function udp(from: End, to: End): Uint8Array {
  const [src, dst] = from === 'a' ? [5000, 53] : [53, 5000]
  const ip = eth(MACS[from], MACS[to]).ipv4(IPS[from], IPS[to])
  return ip.udp(src, dst).payload('x').frame()
}

const comesOut = (world: World, from: End, to: End): string[] =>
  world.exchange(from, udp(from, to)).map(({ port }) => port)

for (const bridge of ['near', 'far'])
  for (const host of ['h1', 'h2'])
    test(`D1: an answer to what was flooded passes, of a machine on ${bridge}, on ${host}`, () => {
      const world = open(bridge, host)
      assert.deepEqual(comesOut(world, 'a', 'b').sort(), ['b', 'c', 'd'])
      for (let times = 0; times < 3; times++) {
        assert.deepEqual(comesOut(world, 'b', 'a'), ['a'])
        assert.deepEqual(comesOut(world, 'a', 'b'), ['b'])
      }
    })

test('D1: who was not spoken to gets no answer in, though it was flooded to', () => {
  const world = open('near', 'h1')
  comesOut(world, 'a', 'b')
  const frame = eth('02:00:00:00:00:0d', MACS.a).ipv4('10.0.0.4', IPS.a).udp(53, 5000).frame()
  assert.deepEqual(world.exchange('d', frame), [])
})
