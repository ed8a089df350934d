// Who is asked for the state of a port's flows, in which order, and how long a port waits for it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { HostEvents } from '../events.ts'
import { PortHandover } from './port-handover.ts'

const [BEFORE, OTHER] = ['before', 'other']

interface Options {
  readonly ready?: readonly string[]
  readonly recover?: boolean
  readonly keeps?: boolean
}

const LATE = 'late'
const [LATE_WORD, BEFORE_WORD] = [77, 88]
const HOSTS = new Map([
  [LATE_WORD, LATE],
  [BEFORE_WORD, BEFORE]
])

// Alone: the other hosts are a list of what they were asked.
function open({ ready = [BEFORE, OTHER], recover = false, keeps = false }: Options = {}) {
  const clock = new VirtualClock()
  const events = new HostEvents()
  const counters = new CounterTable()
  const told: string[] = []
  const begun = new Set<string>() // hosts there is a session with since
  const say = (text: string): void => void told.push(text)
  const peers = {
    settled: (then: () => void): void => then(),
    hostOf: (word: number): string | undefined => HOSTS.get(word),
    ready: () => [...ready, ...begun],
    ask: (host: string, ports: readonly number[]): void => say(`ask ${host} ${ports.join()}`),
    asked: (word: number, ports: readonly number[]): void => say(`answer ${word} ${ports.join()}`),
    give: (host: string): void => say(`give ${host}`)
  }
  const load = keeps ? (port: number): void => say(`load ${port}`) : null
  const movedState = { came: (port: number): void => say(`moved ${port}`) }
  events.portReady.on(port => say(`ready ${port}`))
  const parts = { peers, clock, counters, load, recover, events, movedState }
  const handover = new PortHandover(parts)
  const joins = (word: number): void => {
    const host = HOSTS.get(word)
    if (host !== undefined) begun.add(host)
    events.joined(word)
  }
  return { clock, events, counters, handover, joins, heard: () => told.splice(0) }
}

test('a port that was nowhere before is ready at once', () => {
  const { handover, heard } = open()
  assert.equal(handover.ready(1, undefined), true)
  assert.deepEqual(heard(), [])
})

test('the host before is asked, for all ports at one going, and no other when it answers', () => {
  const { clock, events, handover, heard } = open()
  assert.deepEqual([handover.ready(1, BEFORE), handover.ready(2, BEFORE)], [false, false])
  clock.advance(1)
  assert.deepEqual(heard(), ['ask before 1,2'])
  events.given(BEFORE, [1, 2])
  assert.deepEqual(heard(), ['moved 1', 'ready 1', 'moved 2', 'ready 2'])
  assert.equal(handover.ready(1, BEFORE), true)
  assert.equal(handover.settled, true)
  clock.advance(5000)
  assert.deepEqual(heard(), [])
})

test('who begins after us is asked for all that concerns us, while hosts are being started', () => {
  const { clock, handover, joins, heard } = open({ ready: [], recover: true })
  handover.ready(1, undefined)
  clock.advance(3000)
  handover.ready(2, undefined)
  handover.concern(new Set([1, 2, 7]))
  heard()
  joins(LATE_WORD)
  joins(LATE_WORD + 1) // nobody's
  clock.advance(1)
  assert.deepEqual(heard(), [`ask ${LATE} 1,2,7`])
  handover.concern(new Set([1])) // 2 has moved before it was bound
  joins(LATE_WORD)
  clock.advance(1)
  assert.deepEqual(heard(), [`ask ${LATE} 1`])
  clock.advance(600_000)
  joins(LATE_WORD)
  clock.advance(1)
  assert.deepEqual(heard(), [])
})

test('when the host before does not answer, the others are asked', () => {
  const { clock, events, handover, heard } = open()
  handover.ready(1, BEFORE)
  clock.advance(149)
  assert.deepEqual(heard(), ['ask before 1'])
  clock.advance(2)
  assert.deepEqual(heard(), ['ask other 1'])
  events.given(OTHER, [1])
  assert.equal(handover.settled, false) // the host before may still answer
  events.given(BEFORE, [1])
  assert.deepEqual(heard(), ['moved 1', 'ready 1'])
})

test('when the host before is gone, the others are asked at once', () => {
  const { clock, events, handover, heard } = open()
  handover.ready(1, BEFORE)
  clock.advance(1)
  heard()
  events.peerLeft(BEFORE)
  clock.advance(1)
  assert.deepEqual(heard(), ['ask other 1'])
  events.given(OTHER, [1])
  assert.deepEqual(heard(), ['moved 1', 'ready 1'])
})

test('no host is waited for longer than 3 s; what is in the kernel waits until it answers', () => {
  const { clock, counters, events, handover, heard } = open()
  handover.ready(1, BEFORE)
  clock.advance(3000)
  assert.ok(heard().includes('ready 1'))
  assert.equal(handover.ready(1, BEFORE), true)
  assert.equal(counters.value('state.ports-late'), 1)
  assert.deepEqual([handover.settled, handover.complete], [true, false])
  for (const host of [BEFORE, OTHER]) events.given(host, [1])
  assert.equal(handover.complete, true)
  assert.deepEqual(heard(), [])
})

test('a host that never answers keeps the kernel waiting for 30 s', () => {
  const { clock, handover, heard } = open()
  handover.ready(1, BEFORE)
  clock.advance(29_999)
  assert.equal(handover.complete, false)
  clock.advance(1)
  assert.equal(handover.complete, true)
  assert.equal(heard().filter(text => text === 'ready 1').length, 1)
  assert.equal(clock.waiting, 0)
})

test('what is in the kernel waits for agents that begin a little later, and asks them', () => {
  const { clock, events, handover, joins, heard } = open({ recover: true, ready: [OTHER] })
  events.agentAway(BEFORE, true)
  events.peer('dead', false)
  events.agentAway('dead', true)
  handover.ready(1, undefined)
  clock.advance(1)
  events.given(OTHER, [1])
  assert.deepEqual(heard(), ['ask other 1', 'ready 1'])
  assert.deepEqual([handover.settled, handover.complete], [true, false])
  clock.advance(8000)
  events.agentAway(BEFORE, false) // it is heard; the session it is asked in begins after that
  clock.advance(1)
  assert.deepEqual([handover.complete, heard()], [false, []])
  joins(BEFORE_WORD)
  clock.advance(1)
  assert.deepEqual(heard(), ['ask before 1'])
  assert.equal(handover.complete, false)
  events.given(BEFORE, [1])
  assert.deepEqual([handover.complete, heard()], [true, []])
})

test('one that begins anew while it is asked is asked again: its answer went with it', () => {
  for (const recover of [false, true]) {
    const { clock, events, handover, joins, heard } = open({ recover })
    handover.ready(1, BEFORE)
    clock.advance(1)
    assert.deepEqual(heard(), ['ask before 1'])
    joins(BEFORE_WORD) // within less time than it takes to be missed
    clock.advance(1)
    assert.deepEqual(heard(), ['ask before 1'])
    events.given(BEFORE, [1])
    assert.deepEqual([handover.complete, heard()], [true, ['moved 1', 'ready 1']])
  }
})

test('one that has gone again by the time we hear that it began is not waited for twice', () => {
  const { clock, events, handover, heard } = open({ recover: true, ready: [OTHER] })
  handover.ready(1, undefined)
  clock.advance(1)
  events.given(OTHER, [1])
  events.agentAway(BEFORE, true)
  heard()
  events.joined(BEFORE_WORD)
  clock.advance(1)
  assert.deepEqual([handover.complete, heard()], [false, []])
})

test('an agent that does not come back is not waited for longer than 30 s', () => {
  const { clock, events, handover } = open({ recover: true, ready: [] })
  events.agentAway(BEFORE, true)
  assert.equal(handover.ready(1, undefined), true)
  clock.advance(29_999)
  assert.equal(handover.complete, false)
  clock.advance(1)
  assert.equal(handover.complete, true)
})

test('what was kept here is waited for longer than hosts are, and others hear of it then', () => {
  const { clock, events, handover, heard } = open({ recover: true, keeps: true, ready: [OTHER] })
  handover.ready(1, undefined)
  events.asked(7, [1])
  clock.advance(10_000)
  assert.deepEqual(heard(), ['load 1', 'ask other 1'])
  assert.equal(handover.ready(1, undefined), false)
  handover.loaded(1)
  assert.deepEqual(heard(), ['ready 1', 'give other', 'answer 7 1'])
})

test('what was kept here and comes after 30 s is told to others all the same', () => {
  const { clock, handover, heard } = open({ recover: true, keeps: true, ready: [OTHER] })
  handover.ready(1, undefined)
  clock.advance(30_000)
  assert.equal(handover.ready(1, undefined), true)
  heard()
  handover.loaded(1)
  assert.deepEqual(heard(), ['give other'])
})

test('what was kept here is waited for, and then told to others', () => {
  const { clock, events, handover, heard } = open({ recover: true, keeps: true, ready: [OTHER] })
  assert.equal(handover.ready(1, undefined), false)
  events.asked(7, [1]) // by another that begins at the same time
  clock.advance(1)
  assert.deepEqual(heard(), ['load 1', 'ask other 1'])
  events.given(OTHER, [1])
  handover.loaded(1)
  assert.deepEqual(heard(), ['give other', 'ready 1', 'answer 7 1'])
})

test('a port that goes and comes back begins anew', () => {
  const { clock, events, handover, heard } = open()
  handover.ready(1, BEFORE)
  clock.advance(1)
  events.given(BEFORE, [1])
  handover.gone(1)
  heard()
  assert.equal(handover.ready(1, OTHER), false)
  clock.advance(1)
  assert.deepEqual(heard(), ['ask other 1'])
})

test('closed, it leaves no timer', () => {
  const { clock, handover } = open({ recover: true, keeps: true })
  handover.ready(1, BEFORE)
  handover.close()
  clock.advance(1)
  assert.equal(clock.waiting, 0)
})
