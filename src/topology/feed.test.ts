// The worker's end at the store: what the store refuses is told, but a flood of it not each time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLog } from '../core/log.ts'
import { TopologyFeed } from './feed.ts'
import type { Store } from './store.ts'

test('a thousand refused writes are ten lines of log, and each is answered', async () => {
  const lines: string[] = []
  const log = openLog({ level: 'warn' }, { write: line => void lines.push(line) })
  const refuse = (): Promise<void> => Promise.reject(new Error('full'))
  const store = { table: () => ({ put: refuse, remove: refuse }) } as unknown as Store
  let answered = 0
  const listener = {
    events: () => {},
    tableEvents: () => {},
    unwanted: () => {},
    tableWritten: () => answered++
  }
  const feed = new TopologyFeed(store, listener, log)
  for (let n = 0; n < 1000; n++) feed.put('mac/br', `${n}`, 'p')
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  assert.equal(answered, 1000)
  assert.equal(lines.length, 10)
  assert.equal(JSON.parse(lines.at(-1)!).times, 512)
})
