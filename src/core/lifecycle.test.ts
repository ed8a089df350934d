// Parts start in order and stop in reverse, whatever one of them does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from './clock.ts'
import { Lifecycle, type Running } from './lifecycle.ts'

const site = (...faults: string[]) => {
  const clock = new VirtualClock()
  const lifecycle = new Lifecycle(clock, 100)
  const events: string[] = []
  const part = (name: string): Running => ({
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
  for (const name of ['a', 'b', 'c']) lifecycle.add(name, part(name))
  return { clock, lifecycle, events }
}

test('parts start in order and stop in reverse, once', async () => {
  const { clock, lifecycle, events } = site()
  await lifecycle.start()
  await lifecycle.stop()
  await lifecycle.stop()
  assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
  assert.equal(clock.waiting, 0, 'a limit is still set for a part that has stopped')
})

test('when a part fails to start, those that are up stop and its fault is reported', async () => {
  const { lifecycle, events } = site('start b', 'stop a')
  await assert.rejects(lifecycle.start(), { message: 'cannot start' })
  assert.deepEqual(events, ['start a', 'start b', 'stop b', 'stop a'])
})

test('parts that are up at once are up when the call returns, and down likewise', async () => {
  const lifecycle = new Lifecycle(new VirtualClock())
  const events: string[] = []
  for (const name of ['a', 'b'])
    lifecycle.add(name, {
      start: () => void events.push(`start ${name}`),
      stop: () => void events.push(`stop ${name}`)
    })
  const started = lifecycle.start()
  assert.deepEqual(events.splice(0), ['start a', 'start b'])
  await started
  const stopped = lifecycle.stop()
  assert.deepEqual(events, ['stop b', 'stop a'])
  await stopped
})

test('a stop while parts start leaves the rest down', async () => {
  const { lifecycle, events } = site()
  const started = lifecycle.start()
  await lifecycle.stop()
  await started
  assert.deepEqual(events, ['start a', 'stop a'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const { lifecycle, events } = site('stop c', 'stop b')
  await lifecycle.start()
  await assert.rejects(lifecycle.stop(), {
    code: 'STOP_FAILED',
    message: /c \(cannot stop\), b \(cannot stop\)/
  })
  assert.deepEqual(events.slice(3), ['stop c', 'stop b', 'stop a'])
})

test('a stop that hangs is left behind when its time is up', async () => {
  const { clock, lifecycle, events } = site('hang b')
  await lifecycle.start()
  const stopped = assert.rejects(lifecycle.stop(), { message: /b did not stop within 100 ms/ })
  while (!events.includes('stop b')) await Promise.resolve()
  clock.advance(100)
  await stopped
  assert.deepEqual(events.slice(3), ['stop c', 'stop b', 'stop a'])
})
