// Learned routes over breaks: what is told again stays, what is not told again goes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouteUpdate } from '../engine.ts'
import { LearnedRoutes } from './learned.ts'

const route = (prefix: string, gateway = '10.9.0.2') => ({ prefix, hops: [{ gateway, share: 1 }] })
const gone = (prefix: string) => ({ prefix, hops: [] })

test('a listener hears changes as they come, and when they are all', () => {
  const heard: RouteUpdate[] = []
  const routes = new LearnedRoutes()
  routes.listen(update => heard.push(update))
  routes.begin()
  routes.take([route('10.1.0.0/16')])
  routes.take([])
  routes.complete()
  routes.take([gone('10.1.0.0/16')])
  assert.deepEqual(heard, [
    { changes: [route('10.1.0.0/16')], isComplete: false },
    { changes: [], isComplete: true },
    { changes: [gone('10.1.0.0/16')], isComplete: true }
  ])
  assert.equal(routes.size, 0)
})

test('one that comes later is told all there is', () => {
  const routes = new LearnedRoutes()
  routes.begin()
  routes.take([route('10.1.0.0/16'), route('10.2.0.0/16')])
  routes.complete()
  const heard: RouteUpdate[] = []
  routes.listen(update => heard.push(update))
  const changes = [route('10.1.0.0/16'), route('10.2.0.0/16')]
  assert.deepEqual(heard, [{ changes, isComplete: true }])
})

test('after a break what is not told again goes, and only when all has been told', () => {
  const routes = new LearnedRoutes()
  routes.begin()
  routes.take([route('10.1.0.0/16'), route('10.2.0.0/16'), route('10.3.0.0/16')])
  routes.complete()
  const heard: RouteUpdate[] = []
  routes.listen(update => heard.push(update))
  heard.length = 0
  routes.begin()
  routes.take([route('10.1.0.0/16', '10.9.0.9')])
  routes.begin() // it broke again
  routes.take([route('10.2.0.0/16'), route('10.3.0.0/16')])
  routes.take([gone('10.2.0.0/16'), gone('10.3.0.0/16'), gone('10.9.0.0/16')])
  routes.take([route('10.3.0.0/16')])
  assert.equal(routes.size, 3)
  assert.ok(heard.every(({ changes }) => changes.every(({ hops }) => hops.length > 0)))
  routes.complete()
  assert.deepEqual(heard.at(-1), {
    changes: [gone('10.1.0.0/16'), gone('10.2.0.0/16')],
    isComplete: true
  })
  assert.equal(routes.size, 1)
})
