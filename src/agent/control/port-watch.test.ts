// The ports that are active on a host: what an agent's session says in a store, with their models.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { allModels } from '../../../test/api/fixture.ts'
import { eventually } from '../../../test/store/ground.ts'
import { SystemClock } from '../../core/clock.ts'
import type { Stored } from '../../topology/model.ts'
import { activeTable } from '../../topology/ports/port-status.ts'
import { openSqliteStore } from '../../topology/sqlite/store.ts'
import { PortWatch } from './port-watch.ts'

const BRIDGE = '00000000-0000-4000-8000-000000000001'
const A = '00000000-0000-4000-8000-00000000000a'
const B = '00000000-0000-4000-8000-00000000000b'

// A store with a bridge, the session of an agent, and what a watch of the ports of h1 hears.
async function ground(t: TestContext) {
  const store = await openSqliteStore({ models: await allModels(), clock: new SystemClock() })
  const agent = await store.fork('agent of h1')
  const heard: string[] = []
  const watch = new PortWatch(store, 'h1').watch({
    active: ({ id, name }) => heard.push(`${id.at(-1)} is ${name}`),
    gone: id => heard.push(`${id.at(-1)} is gone`)
  })
  t.after(async () => {
    watch.close()
    await agent.close()
    await store.close()
  })
  const bridge: Stored & { name: string } = { id: BRIDGE, name: 'br' }
  await store.write([{ op: 'create', kind: 'bridge', value: bridge }])
  await watch.ready
  const put = (op: 'create' | 'update', id: string, name: string) => {
    const value: Stored & Record<string, unknown> = { id, name, type: 'bridge', device: BRIDGE }
    return store.write([{ op, kind: 'port', value }])
  }
  const remove = (id: string) => store.write([{ op: 'delete', kind: 'port', id }])
  const hears = async (...expected: string[]) => {
    await eventually(() => assert.deepEqual(heard, expected))
    heard.length = 0
  }
  return { store, agent, watch, put, remove, hears, table: agent.table(activeTable('h1')) }
}

test('a port is told when it is active, with every change, and when it is down', async t => {
  const { put, hears, table } = await ground(t)
  await put('create', A, 'a1')
  await put('create', B, 'b1')
  await table.put(A, 'h1')
  await hears('a is a1')
  await put('update', A, 'a2')
  await put('update', B, 'b2')
  await hears('a is a2')
  await table.put(A, '')
  await hears('a is gone')
  await put('update', A, 'a3') // of nobody's concern
  await table.put(A, 'h1')
  await hears('a is a3')
  await table.remove(A)
  await hears('a is gone')
})

test('a port is gone once: deleted, or when the session of its agent ends', async t => {
  const { agent, put, remove, hears, table } = await ground(t)
  await put('create', A, 'a1')
  await put('create', B, 'b1')
  await table.put(A, 'h1')
  await hears('a is a1')
  await table.put(B, 'h1')
  await hears('b is b1')
  await remove(A)
  await hears('a is gone')
  await agent.close()
  await hears('b is gone') // and not A again
})

test('a port that is not in the store yet is told when it is, and never gone before', async t => {
  const { put, hears, table } = await ground(t)
  await table.put(A, 'h1')
  await table.remove(A)
  await table.put(B, 'h1')
  await put('create', B, 'b1')
  await hears('b is b1')
})

test('what an earlier agent has said is told apart from what this one says', async t => {
  const { store, agent, put, table } = await ground(t)
  await put('create', A, 'a1')
  await table.put(A, 'h1')
  const heard: string[] = []
  const next = await store.fork('the next agent of h1')
  const watch = new PortWatch(next, 'h1').watch({
    active: ({ name }, isOwn) => heard.push(`${name} ${isOwn}`),
    gone: id => heard.push(id)
  })
  t.after(async () => {
    watch.close()
    await next.close()
  })
  await eventually(() => assert.deepEqual(heard, ['a1 false']))
  await agent.leave()
  await next.table(activeTable('h1')).put(A, 'h1')
  await eventually(() => assert.deepEqual(heard, ['a1 false', 'a1 true']))
  await put('update', A, 'a2')
  await eventually(() => assert.deepEqual(heard.at(-1), 'a2 true'))
})

test('other hosts are not heard, and a closed watch hears nothing', async t => {
  const { store, agent, watch, put, hears, table } = await ground(t)
  await put('create', A, 'a1')
  await put('create', B, 'b1')
  await agent.table(activeTable('h2')).put(A, 'h2')
  await table.put(B, 'h1')
  await hears('b is b1')
  watch.close()
  const later: string[] = []
  const other = new PortWatch(store, 'h1').watch({
    active: ({ name = '' }) => later.push(name),
    gone: id => later.push(id)
  })
  await put('update', B, 'b2')
  await eventually(() => assert.deepEqual(later.at(-1), 'b2'))
  other.close()
  await hears() // the watch that was closed, while another one heard
})
