// Routes that the store refuses, as one does that is away or has no room: they are said again until
// it takes them, and never in place of what was said since.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemClock, VirtualClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import type { RouteWriterParts } from './route-writer.ts'
import { RouteWriter } from './route-writer.ts'

const hop = { port: 'p', gateway: '10.0.0.1' }
const other = { port: 'q', gateway: '10.0.0.2' }
const [A, B] = ['10.1.0.0/16', '10.2.0.0/16'] as const
const turns = () => new Promise<void>(done => new SystemClock().soon(done))

/** A table that takes nothing while the test says so. */
function ground() {
  const rows = new Map<string, string>()
  const state = { refuses: false, asked: 0 }
  const asked = (): void => {
    state.asked++
    if (state.refuses) throw new Error('no room')
  }
  const table = {
    put: async (key: string, value: string) => {
      asked()
      rows.set(key, value)
    },
    remove: async (key: string) => {
      asked()
      rows.delete(key)
    },
    entries: async () => [...rows].map(([key, value]) => ({ key, value }))
  }
  const store = { table: () => table } as unknown as RouteWriterParts['store']
  const clock = new VirtualClock()
  const writer = new RouteWriter({ store, host: 'h', clock, log: silentLog() })
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await turns()
  }
  const change = (prefix: string, ...nextHops: (typeof hop)[]) =>
    writer.change('r', 'bgp', [{ prefix, nextHops }])
  const stored = () => Object.fromEntries([...rows].map(([key, text]) => [key.slice(6), text]))
  return { state, clock, writer, pass, change, stored }
}

test('what the store refused is said again until it takes it, and then no more', async () => {
  const { state, clock, pass, change, stored } = ground()
  state.refuses = true
  await assert.rejects(change(A, hop), /no room/)
  await pass(1000)
  await pass(2000)
  assert.equal(state.asked, 3, 'later each time')
  assert.deepEqual(stored(), {})
  state.refuses = false
  await change(B, hop)
  await pass(4000)
  assert.deepEqual(stored(), { [B]: JSON.stringify([hop]), [A]: JSON.stringify([hop]) })
  assert.equal(clock.waiting, 0)
})

test('a route that was to go and could not goes later', async () => {
  const { state, pass, change, stored, writer } = ground()
  await change(A, hop)
  await change(B, hop)
  state.refuses = true
  await assert.rejects(change(A))
  await assert.rejects(writer.withdraw('r', 'bgp'))
  state.refuses = false
  await pass(1000)
  assert.deepEqual(stored(), {})
})

test('what was said since stands: a refused route comes in place of none', async () => {
  const { state, pass, change, stored, writer } = ground()
  state.refuses = true
  await assert.rejects(change(A, hop))
  await assert.rejects(change(B, hop))
  state.refuses = false
  await change(A, other)
  await writer.withdraw('r', 'bgp', B)
  await pass(60_000)
  assert.deepEqual(stored(), { [A]: JSON.stringify([other]) })
  state.refuses = true
  await assert.rejects(change(B, hop))
  state.refuses = false
  await writer.withdraw('r', 'bgp')
  await pass(60_000)
  assert.deepEqual(stored(), {}, 'all that was to stand goes')
})

test('an agent that ends asks the store no more', async () => {
  const { state, clock, change, writer } = ground()
  state.refuses = true
  await assert.rejects(change(A, hop))
  writer.close()
  assert.equal(clock.waiting, 0)
  await assert.rejects(change(B, hop))
  assert.equal(clock.waiting, 0)
})
