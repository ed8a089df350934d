// Parts start in order and stop in reverse, whatever one of them does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from './clock.ts'
import { type Lifetime, Lifetimes } from './lifetime.ts'

const site = (...faults: string[]) => {
  const clock = new VirtualClock()
  const lifetimes = new Lifetimes(clock, 100)
  const events: string[] = []
  const part = (name: string): Lifetime => ({
    async start() {
      events.push(`start ${name}`)
      if (faults.includes(`start ${name}`)) throw new Error('cannot start')
    },
    stop() {
      events.push(`stop ${name}`)
      if (faults.includes(`stop ${name}`)) throw new Error('cannot stop')
      if (faults.includes(`hang ${name}`)) return new Promise<void>(() => {})
      return undefined
    }
  })
  for (const name of ['a', 'b', 'c']) lifetimes.add(name, part(name))
  return { clock, lifetimes, events }
}

test('parts start in order and stop in reverse, once', async () => {
  const { clock, lifetimes, events } = site()
  await lifetimes.start()
  await lifetimes.stop()
  await lifetimes.stop()
  assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
  assert.equal(clock.waiting, 0, 'a limit is still set for a part that has stopped')
})

test('when a part fails to start, those that are up stop and its fault is reported', async () => {
  const { lifetimes, events } = site('start b', 'stop a')
  await assert.rejects(lifetimes.start(), { message: 'cannot start' })
  assert.deepEqual(events, ['start a', 'start b', 'stop b', 'stop a'])
})

test('parts that are up at once are up when the call returns, and down likewise', async () => {
  const lifetimes = new Lifetimes(new VirtualClock())
  const events: string[] = []
  for (const name of ['a', 'b'])
    lifetimes.add(name, {
      start: () => void events.push(`start ${name}`),
      stop: () => void events.push(`stop ${name}`)
    })
  const started = lifetimes.start()
  assert.deepEqual(events.splice(0), ['start a', 'start b'])
  await started
  const stopped = lifetimes.stop()
  assert.deepEqual(events, ['stop b', 'stop a'])
  await stopped
})

test('a stop while parts start leaves the rest down', async () => {
  const { lifetimes, events } = site()
  const started = lifetimes.start()
  await lifetimes.stop()
  await started
  assert.deepEqual(events, ['start a', 'stop a'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const { lifetimes, events } = site('stop c', 'stop b')
  await lifetimes.start()
  await assert.rejects(lifetimes.stop(), {
    code: 'STOP_FAILED',
    message: /c \(cannot stop\), b \(cannot stop\)/
  })
  assert.deepEqual(events.slice(3), ['stop c', 'stop b', 'stop a'])
})

test('a stop that hangs is left behind when its time is up', async () => {
  const { clock, lifetimes, events } = site('hang b')
  await lifetimes.start()
  const stopped = assert.rejects(lifetimes.stop(), { message: /b did not stop within 100 ms/ })
  while (!events.includes('stop b')) await Promise.resolve()
  clock.advance(100)
  await stopped
  assert.deepEqual(events.slice(3), ['stop c', 'stop b', 'stop a'])
})
