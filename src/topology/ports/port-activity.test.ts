// Whose word about a port stands, and for how long.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import type { PortModel } from '../models.ts'
import { Estates, GRACE_MS } from '../tables/estates.ts'
import { compilePort } from './port.ts'
import { PortActivity } from './port-activity.ts'

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
  const met: string[] = []
  const activity = new PortActivity({
    ...{ clock, estates, ports },
    changed: port => told.push(port),
    met: host => met.push(host),
    late: host => met.push(`${host} is late`)
  })
  const changed = (): PortId[] => told.splice(0)
  return { clock, activity, p, q, changed, met }
}

test('silence is no answer while we are young; then nobody is there', () => {
  const { clock, activity, p, q, changed } = open()
  for (const host of ['h1', 'h2']) activity.ready(host)
  assert.equal(activity.isActive(p), true)
  activity.heard('h2', 'q', 'h2')
  assert.deepEqual(changed(), ['q'])
  clock.advance(30_000)
  assert.deepEqual(changed(), ['p'])
  assert.deepEqual([activity.isActive(p), activity.isActive(q)], [false, true])
})

test('a port is active where it is bound, and nowhere else', () => {
  const { clock, activity, p } = open()
  activity.ready('h1')
  clock.advance(30_000)
  activity.heard('h2', 'p', 'h2')
  assert.equal(activity.isActive(p), false)
  activity.heard('h1', 'p', 'h1')
  assert.equal(activity.isActive(p), true)
  activity.heard('h1', 'p', '')
  assert.equal(activity.isActive(p), false)
})

test('what an agent said that is gone stands for its grace, unless somebody says otherwise', () => {
  const { clock, activity, p, changed } = open()
  activity.ready('h1')
  activity.heard('h1', 'p', 'h1')
  clock.advance(30_000)
  activity.heard('h1', 'p', undefined)
  clock.advance(GRACE_MS - 1)
  activity.heard('h1', 'p', 'h1') // another agent of the host
  clock.advance(2 * GRACE_MS)
  assert.equal(activity.isActive(p), true)
  changed()
  activity.heard('h1', 'p', undefined)
  clock.advance(2 * GRACE_MS)
  assert.equal(activity.isActive(p), false)
  assert.deepEqual(changed(), ['p'])
})

test('a host is asked when a port of it is met, and waited for, but not for ever', () => {
  const { clock, activity, p, met } = open()
  clock.advance(30_000)
  met.length = 0
  const r = { ...p, host: 'h3' }
  assert.equal(activity.isHeard('h3'), false)
  assert.equal(activity.isActive(r), false, 'not yet')
  assert.deepEqual(met, ['h3'])
  clock.advance(500)
  assert.deepEqual(met, ['h3', 'h3 is late'])
  assert.deepEqual([activity.isHeard('h3'), activity.isActive(r)], [true, true])
  activity.ready('h3')
  assert.equal(activity.isActive(r), false, 'silence is an answer now')
})

test('a host that does not answer takes its ports with it, whatever it said', () => {
  const { activity, p, q, changed } = open()
  activity.heard('h1', 'p', 'h1')
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
  assert.equal(activity.isHeard('h9'), false)
  activity.close()
  activity.hostAnswers('h1', false)
  activity.agentAway('h1', true)
  clock.advance(60_000)
  assert.deepEqual(changed(), [])
  assert.equal(clock.waiting, 0)
})
