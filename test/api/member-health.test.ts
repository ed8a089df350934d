// What hosts report of an object is shown among its fields, and is none of them: the health of a
// pool's members, as the host that checks them has written it to the store.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { allModels, call, openSystem, type System } from './fixture.ts'

const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
const SINCE = '2026-01-02T03:04:05Z'

let system: System
let store: SqliteStore
let pool: string
let members: string[]

before(async () => {
  store = await openSqliteStore({ models: await allModels(), clock: new SystemClock() })
  system = await openSystem({ store })
  await post('/hosts', { id: HOST, name: 'compute1' })
  const loadBalancer = await post('/load-balancers', {})
  pool = await post('/pools', { loadBalancer, name: 'web' })
  members = [
    await post('/pool-members', { pool, address: '10.0.1.11', port: 80 }),
    await post('/pool-members', { pool, address: '10.0.1.12', port: 80 }),
    await post('/pool-members', { pool, address: '10.0.1.13', port: 80 })
  ]
})
after(() => system.close())

async function post(path: string, body: object): Promise<string> {
  const { status, body: made } = await call(system.url + path, 'POST', body)
  assert.equal(status, 201, JSON.stringify(made))
  return made.id
}

const get = (path: string, headers: Record<string, string> = {}) =>
  call(system.url + path, 'GET', undefined, headers)

interface Shown {
  readonly address: string
  readonly health: string
}
const healths = (body: unknown) =>
  (body as Shown[]).map(({ address, health }) => `${address} ${health}`).sort()

test('before anybody checks, it is not known', async () => {
  const { body } = await get(`/pool-members/${members[0]}`)
  assert.equal(body.health, 'unknown')
  for (const field of ['healthSince', 'healthReason', 'checker']) assert.ok(!(field in body), field)
})

test('what the checker has written is shown by every GET', async () => {
  const checker = await store.fork('compute1')
  try {
    const table = checker.table(`health/${pool}`)
    const since = Date.parse(SINCE) / 1000
    await table.put('checker', `${HOST} 3`)
    await table.put(members[0]!, `up ${since} well`)
    await table.put(members[1]!, `down ${since} status-503`)
    await table.put(members[2]!, 'sideways')
    const first = await get(`/pool-members/${members[0]}`)
    const { health, healthSince, healthReason, checker: by } = first.body
    assert.deepEqual([health, healthSince, healthReason, by], ['up', SINCE, 'well', HOST])
    const expected = ['10.0.1.11 up', '10.0.1.12 down', '10.0.1.13 unknown']
    assert.deepEqual(healths((await get(`/pools/${pool}/members`)).body), expected)
    assert.deepEqual(healths((await get(`/pool-members?pool=${pool}`)).body), expected)
    // Its health has changed and its version has not: nobody is told that he knows it.
    const headers = { 'if-none-match': first.headers.get('etag')! }
    assert.equal((await get(`/pool-members/${members[0]}`, headers)).status, 200)

    const lines: string[] = []
    const context = { api: system.url, token: undefined, complain: assert.fail }
    const say = (text: string): unknown => lines.push(text)
    assert.equal(await command(['pool-member', 'list', 'pool=web'], { ...context, say }), 0)
    assert.match(lines.join('\n'), /address +port +health +healthSince +healthReason +checker\n/)
    assert.match(
      lines.join('\n'),
      /10\.0\.1\.12 +80 +down +2026-01-02T03:04:05Z +status-503 +compute1$/m
    )
  } finally {
    await checker.close()
  }
  assert.equal((await get(`/pool-members/${members[0]}`)).body.health, 'unknown') // it went
})

test('it is nobody else’s to say', async () => {
  const url = `${system.url}/pool-members`
  const { body: read, headers } = await get(`/pool-members/${members[0]}`)
  const put = await call(`${url}/${members[0]}`, 'PUT', { ...read, health: 'down' })
  assert.deepEqual([put.status, put.body], [200, read])
  assert.equal(put.headers.get('etag'), headers.get('etag'))
  const made = { pool, address: '10.0.1.14', health: 'up' }
  for (const refused of [
    await call(`${url}/${members[0]}`, 'PATCH', { health: 'down' }),
    await call(url, 'POST', made),
    await call(`${system.url}/pools/${pool}/members`, 'POST', { ...made, pool: undefined })
  ]) {
    assert.equal(refused.status, 400)
    assert.equal(refused.body.error.faults[0]?.field, 'health')
  }
})
