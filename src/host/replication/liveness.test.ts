// Plugins hear of a host's end once, and of its return.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HostEvents } from '../events.ts'
import { PeerLiveness } from './liveness.ts'

test('a host is dead from when it stops answering until it answers', () => {
  const events = new HostEvents()
  const liveness = new PeerLiveness(events)
  const heard: string[] = []
  liveness.onChange(host => heard.push(`${host} ${liveness.isDead(host)}`))
  events.peer('a', true)
  events.peer('a', false)
  events.peer('a', false)
  events.peer('b', false)
  events.peer('a', true)
  assert.deepEqual(heard, ['a true', 'b true', 'a false'])
  assert.deepEqual([liveness.isDead('a'), liveness.isDead('b')], [false, true])
})
