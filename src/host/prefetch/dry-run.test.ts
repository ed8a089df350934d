// A dry run loads what a port's first broadcast needs, and leaves no other trace.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import bridge from '../../../plugins/bridge/index.ts'
import router from '../../../plugins/router/index.ts'
import type { WorldObject } from '../../../test/world/store.ts'
import { World } from '../../../test/world/world.ts'
import type { Plugin } from '../../plugin.ts'
import { eth } from '../../wire/builder.ts'

const port = (fields: object): WorldObject => ({ kind: 'port', value: fields as never })
const link = { type: 'router', device: 'r', mac: '02:00:00:00:01:01' }

// A bridge on two hosts with a router at it, and another bridge behind the router.
const OBJECTS: readonly WorldObject[] = [
  { kind: 'bridge', value: { id: 'near' } },
  { kind: 'bridge', value: { id: 'far' } },
  { kind: 'router', value: { id: 'r' } },
  port({ id: 'a', number: 1, type: 'bridge', device: 'near', host: 'h1', interface: 'a' }),
  port({ id: 'b', number: 2, type: 'bridge', device: 'near', host: 'h2', interface: 'b' }),
  port({ id: 'up', number: 3, type: 'bridge', device: 'near', peer: 'r1' }),
  port({ id: 'r1', number: 4, ...link, peer: 'up', addresses: ['10.0.1.1/24'] }),
  port({ id: 'r2', number: 5, ...link, peer: 'down', addresses: ['10.0.2.1/24'] }),
  port({ id: 'down', number: 6, type: 'bridge', device: 'far', peer: 'r2' })
]

function open(prefetch: boolean) {
  const plugins = [bridge, router] as unknown as readonly Plugin[]
  const world = new World({ plugins, objects: OBJECTS, prefetch })
  return { world, host: world.hosts.get('h1')!.host }
}

test('what the first broadcast of a port needs is there when it is bound', () => {
  assert.equal(open(false).host.view.known().devices, 0)
  const { host } = open(true)
  assert.equal(host.view.known().devices, 2) // the bridge and the router, not what is behind it
  assert.equal(host.dryRuns, 0)
})

test('a dry run sends nothing, makes no flow and counts no packet', () => {
  const { world, host } = open(true)
  assert.deepEqual(world.delivered, [])
  assert.equal(host.worker.cache.size, 0)
  for (const name of ['packets.walked', 'bridge.macs-learned', 'router.neighbour-requests'])
    assert.equal(world.counter(name), 0, name)
})

test('the first packet does not wait, and goes where it would have gone', () => {
  const frame = eth('02:00:00:00:00:0a', 'ff:ff:ff:ff:ff:ff').payload(40).frame()
  const { world, host } = open(true)
  const told = world.exchange('a', frame)
  assert.deepEqual(told, open(false).world.exchange('a', frame))
  assert.deepEqual(
    told.map(({ port: at }) => at),
    ['b']
  )
  assert.equal(host.worker.postponed.size, 0)
})
