// The settings choose the store: what the defaults give, and what is refused.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Value } from 'typebox/value'
import { SystemClock } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { stateSectionOf } from '../../src/main/state-settings.ts'
import { type FlowStateStoreSettings, openFlowStateStore } from '../../src/state/storage/open.ts'
import type { FlowStateStore } from '../../src/state/storage/store.ts'
import { batchOf, loads, textsOf } from './store-contract.ts'

const clock = new SystemClock()

const stateSection = stateSectionOf([])

function settings(store: object): FlowStateStoreSettings {
  const complete = Value.Default(stateSection, { store })
  assert.ok(Value.Check(stateSection, complete))
  return complete.store
}

const open = (store: object): Promise<FlowStateStore> =>
  openFlowStateStore(settings(store), 'h1', silentLog(), clock)

test('without a word it is a journal, in a folder of the host', async t => {
  const path = mkdtempSync(join(tmpdir(), 'mezzo-open-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  const batch = batchOf(1, 100)
  for (const expected of [[], textsOf([batch], 1)]) {
    const store = await open({ path })
    assert.deepEqual(await loads(store, 1), expected)
    store.save([batch])
    await store.close()
  }
  assert.ok(existsSync(join(path, 'h1')))
})

test('none keeps nothing', async () => {
  const store = await open({ kind: 'none' })
  store.save([batchOf(1, 100)])
  await store.settle()
  assert.equal(store.state, 'ready')
  assert.deepEqual(await store.load(1), [])
  await store.close()
})

test('a cluster without contact points is refused; one that is not there is away', async () => {
  await assert.rejects(open({ kind: 'cassandra' }), /contactPoints is \[\]; expected one address/)
  const contactPoints = ['127.0.9.2:1'] // nobody listens there
  const store = await open({ kind: 'cassandra', cassandra: { contactPoints } })
  store.save([batchOf(1, 100)])
  await store.settle()
  assert.equal(store.state, 'away')
  await store.close()
  assert.equal(store.counters()['state.store-left-out'], 1)
})
