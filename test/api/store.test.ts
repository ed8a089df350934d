// What the API says of an embedded store (of one on ZooKeeper: test/zookeeper/api.test.ts).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, openSystem } from './fixture.ts'

test('an embedded store says where it is, and that it is there', async () => {
  const system = await openSystem()
  const { status, body } = await call(`${system.url}/store`)
  assert.equal(status, 200)
  assert.deepEqual([body.kind, body.where, body.state], ['sqlite', ':memory:', 'connected'])
  assert.equal((await fetch(`${system.url}/bridges`)).headers.get('warning'), null)
  await system.close()
})
