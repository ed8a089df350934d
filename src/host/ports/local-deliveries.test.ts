// A packet for the agent itself goes to the first that waits for it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CounterTable } from '../../core/counters.ts'
import { LocalDeliveries } from './local-deliveries.ts'

test('whoever takes it keeps it from the others; what nobody takes is counted', () => {
  const counters = new CounterTable()
  const deliveries = new LocalDeliveries('h', counters)
  const heard: string[] = []
  const taker = (name: string, first: number) => (frame: Uint8Array) => {
    heard.push(name)
    return frame[0] === first
  }
  deliveries.onDelivery(taker('one', 1))
  deliveries.onDelivery(taker('two', 2))
  for (const byte of [1, 2, 3]) deliveries.receive(Uint8Array.of(byte))
  assert.deepEqual(heard, ['one', 'one', 'two', 'one', 'two'])
  assert.equal(counters.value('agent.deliveries'), 3)
  assert.equal(counters.value('agent.deliveries-unknown'), 1)
})
