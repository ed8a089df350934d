// Whose word about a port stands, and for how long.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../core/clock.ts'
import type { Port, PortId } from '../simulation/device.ts'
import type { PortModel } from './models.ts'
import { compilePort } from './port.ts'
import { PortActivity } from './port-activity.ts'
import { Estates, GRACE_MS } from './tables/estates.ts'

const model = (id: string, host: string): PortModel => ({
  ...{ id, number: 1, type: 'bridge', device: 'd' },
  ...{ host, interface: id }
})

function open() {
  const clock = new VirtualClock()
  const estates = new Estates('us', 'session', clock)
  const [p, q] = [model('p', 'h1'), model('q', 'h2')]
  const ports = new Map<PortId, Port>()
  for (const each of [p, q]) ports.set(each.id, compilePort(each, true, true))
  const told: PortId[] = []
  const activity = new PortActivity({ clock, estates, ports, changed: port => told.push(port) })
  const changed = (): PortId[] => told.splice(0)
  return { clock, activity, p, q, changed }
}

test('silence is no answer while we are young; then nobody is there', () => {
  const { clock, activity, p, q, changed } = open()
  assert.equal(activity.isActive(p), true)
  activity.heard('q', 'h2')
  assert.deepEqual(changed(), ['q'])
  clock.advance(30_000)
  assert.deepEqual(changed(), ['p'])
  assert.deepEqual([activity.isActive(p), activity.isActive(q)], [false, true])
})

test('a port is active where it is bound, and nowhere else', () => {
  const { activity, p } = open()
  activity.heard('p', 'h2')
  assert.equal(activity.isActive(p), false)
  activity.heard('p', 'h1')
  assert.equal(activity.isActive(p), true)
  activity.heard('p', '')
  assert.equal(activity.isActive(p), false)
})

test('what an agent said that is gone stands for its grace, unless somebody says otherwise', () => {
  const { clock, activity, p, changed } = open()
  activity.heard('p', 'h1')
  clock.advance(30_000)
  activity.heard('p', undefined)
  clock.advance(GRACE_MS - 1)
  activity.heard('p', 'h1') // another agent of the host
  clock.advance(2 * GRACE_MS)
  assert.equal(activity.isActive(p), true)
  changed()
  activity.heard('p', undefined)
  clock.advance(2 * GRACE_MS)
  assert.equal(activity.isActive(p), false)
  assert.deepEqual(changed(), ['p'])
})

test('a host that does not answer takes its ports with it, whatever it said', () => {
  const { activity, p, q, changed } = open()
  activity.heard('p', 'h1')
  changed()
  activity.hostAnswers('h1', false)
  activity.hostAnswers('h1', false)
  assert.deepEqual(changed(), ['p'])
  assert.deepEqual([activity.isActive(p), activity.isActive(q)], [false, true])
  activity.hostAnswers('h1', true)
  assert.equal(activity.isActive(p), true)
})

test('a port whose agent is away is active, and not attended', () => {
  const { activity, p, changed } = open()
  activity.agentAway('h1', true)
  assert.deepEqual(changed(), ['p'])
  assert.deepEqual([activity.isActive(p), activity.isAttended(p)], [true, false])
  activity.agentAway('h1', false)
  assert.equal(activity.isAttended(p), true)
})

test('what is closed says nothing more, and leaves no timer', () => {
  const { clock, activity, changed } = open()
  activity.close()
  activity.hostAnswers('h1', false)
  activity.agentAway('h1', true)
  clock.advance(60_000)
  assert.deepEqual(changed(), [])
  assert.equal(clock.waiting, 0)
})
