// Which host checks: one at a time, and another when it dies, is cut off, or sees nobody well.

import assert from 'node:assert/strict'
import test from 'node:test'
import type { PortName } from '../../router/fixture.test.ts'
import { MEMBERS, portObject } from '../fixture.test.ts'
import { ALL_UP, CheckedLab } from './fixture.test.ts'

// Devices come, members are heard of, a checker is found and looks.
function begin(lab: CheckedLab, ms: number): void {
  lab.live(ms)
  for (const port of MEMBERS) lab.announce(port)
  lab.memberFor(1)
  lab.live(5000)
}

// Three hosts, members on the second and the third.
function spreadOut(): CheckedLab {
  const lab = new CheckedLab('tcp')
  for (const [port, host] of Object.entries({ d1: 'h2', d2: 'h2', d3: 'h3' })) {
    if (!lab.world.hosts.has(host)) lab.world.addHost(host)
    lab.add(portObject(port as PortName, { host }))
  }
  begin(lab, 2000)
  return lab
}

// Two hosts, all members on the second.
function onTwoHosts(): CheckedLab {
  const lab = new CheckedLab('tcp')
  lab.world.addHost('h2')
  for (const port of MEMBERS) lab.change('port', port, { host: 'h2' })
  begin(lab, 1000)
  return lab
}

test('LB-03: members elsewhere; the checker dies, another takes over, no flaps', async () => {
  const lab = spreadOut()
  const { world } = lab
  lab.moods.set('d2', 'refusing')
  lab.live(8000)
  const expected = { ...ALL_UP, d2: 'down refused' }
  const first = lab.checker!
  for (const host of world.hosts.keys()) assert.deepEqual(lab.statuses(host), expected, host)
  assert.equal(world.counter('agent.deliveries-unknown'), 0)
  assert.ok(world.counter('agent.deliveries') > 0, 'answers came from other hosts')

  await world.hosts.get(first)!.host.stop(false)
  world.store.forget(`session-${first}`)
  const living = [...world.hosts.keys()].filter(host => host !== first)
  for (const port of [...MEMBERS, 'up'])
    if (world.store.get('port', port)!.host === first) lab.change('port', port, { host: living[0] })
  lab.live(4000)
  const second = lab.checker
  assert.ok(second !== undefined && second !== first, `${second} after ${first}`)
  lab.live(8000)
  for (const host of living) {
    const now = lab.statuses(host)
    assert.match(now.d1!, /^up/)
    assert.match(now.d2!, /^down/)
    assert.match(now.d3!, /^up/)
  }
  lab.moods.set('d2', 'well')
  lab.live(6000)
  for (const host of living) assert.equal(lab.statuses(host).d2, 'up well')
})

test('a checker that sees nobody well lets another host look', () => {
  const lab = onTwoHosts()
  const { world } = lab
  if (lab.checker === 'h2') {
    // The members are to be on the other host than the checker.
    for (const port of MEMBERS) lab.change('port', port, { host: 'h1' })
    lab.live(3000)
  }
  const first = lab.checker!
  assert.deepEqual(lab.statuses(), ALL_UP)
  world.hosts.get(first)!.hasTunnels = false
  lab.live(20_000)
  assert.notEqual(lab.checker, first)
  const other = first === 'h1' ? 'h2' : 'h1'
  assert.deepEqual(lab.statuses(other), ALL_UP)
})

test('LB-03: a checker whose host is dead has a successor, though its session lives', () => {
  const lab = spreadOut()
  const { world } = lab
  const seats = () => [...world.store.leases.pools()].filter(name => name.startsWith('health/p'))
  const first = lab.checker!
  const host = world.hosts.get(first)!
  assert.deepEqual(seats(), ['health/p'])
  host.isCut = true
  lab.live(3000)
  const second = lab.checker!
  assert.notEqual(second, first)
  // The store still reaches the first: it has read that another one checks, and has stopped.
  assert.deepEqual(seats(), ['health/p/1'])
  const changes = world.counter('load-balancer.members-down')
  const out = MEMBERS.find(port => world.store.get('port', port)!.host === second)!
  lab.moods.set(out, 'refusing')
  lab.live(6000)
  assert.equal(lab.statuses(second)[out], 'down refused')
  assert.ok(world.counter('load-balancer.members-down') > changes)

  // It is back: nothing changes hands.
  host.isCut = false
  lab.live(6000)
  assert.equal(lab.checker, second)
  for (const id of world.hosts.keys()) assert.equal(lab.statuses(id)[out], 'down refused', id)
  // And the next one dies: the seat goes on by terms.
  world.hosts.get(second)!.isCut = true
  lab.live(3000)
  assert.notEqual(lab.checker, second)
  assert.deepEqual(seats(), ['health/p/2'])
})

test('two hosts that take each other for dead: one checks, and the seat does not wander', () => {
  const lab = onTwoHosts()
  const { world } = lab
  world.hosts.get('h1')!.isCut = true
  lab.live(30_000)
  const terms: string[] = []
  for (let i = 0; i < 20; i++) {
    lab.live(1000)
    terms.push(world.store.table('health/p').get('checker')!.value)
  }
  assert.deepEqual(new Set(terms), new Set(['h2 1']))
})

test('a lease that is lost: this host stops, and asks again', () => {
  const lab = new CheckedLab('tcp')
  lab.memberFor(1)
  lab.live(3000)
  assert.equal(lab.checker, 'h1')
  const before = lab.world.counter('load-balancer.checks')
  lab.world.hosts.get('h1')!.host.leases.lostAll()
  lab.world.store.leases.forget('session-h1')
  lab.live(4000)
  assert.equal(lab.checker, 'h1')
  assert.ok(lab.world.counter('load-balancer.checks') > before)
})
