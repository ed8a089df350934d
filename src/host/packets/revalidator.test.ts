// Flows that the topology makes stale are found anew before their next packets come.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OBJECTS, PLUGINS, unicast } from '../../../test/world/pair.ts'
import { World } from '../../../test/world/world.ts'
import { egressTag } from '../../flow/tag.ts'

function open() {
  const world = new World({ plugins: PLUGINS, objects: OBJECTS })
  world.exchange('a', unicast(0, 1))
  world.exchange('b', unicast(1, 0))
  world.exchange('a', unicast(0, 1))
  const { worker, events } = world.hosts.get('h')!.host
  return { world, worker, events }
}

test('a flow in use is there again without a packet, and takes the next one', () => {
  const { world, worker, events } = open()
  const walked = world.counter('packets.walked')
  events.outdate([egressTag('b')])
  world.settle()
  assert.equal(world.counter('flows.renewed'), 1)
  assert.equal(worker.cache.size, 2)
  assert.equal(world.exchange('a', unicast(0, 1)).length, 1)
  assert.equal(world.counter('packets.walked'), walked)
})

test('the datapath has a flow for its packets all the time', () => {
  const { world, worker, events } = open()
  const [id] = [...worker.cache.table.ids()].filter(each => worker.cache.tags.tags(each).length > 0)
  const before = worker.cache.get(id!)
  let removed = 0
  const { remove } = worker.cache
  worker.cache.remove = function (of: number) {
    removed++
    return remove.call(this, of)
  }
  events.outdate(worker.cache.tags.tags(id!))
  assert.equal(worker.cache.get(id!), before)
  world.settle()
  assert.notEqual(worker.cache.get(id!), before)
  assert.equal(removed, 0)
})

test('one that nobody uses any more is left to its packets', () => {
  const { world, worker, events } = open()
  world.settle(10_000)
  events.outdate([egressTag('b')])
  world.settle()
  assert.equal(world.counter('flows.renewed'), 0)
  assert.equal(worker.cache.size, 1)
})

test('what only state has made stale is left to its packets', () => {
  const { world, worker } = open()
  worker.invalidate([egressTag('b')])
  world.settle()
  assert.equal(world.counter('flows.renewed'), 0)
  assert.equal(worker.cache.size, 1)
})
