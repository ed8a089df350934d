// Every wrong request there is: one shape of answer, a status that fits, nothing changed.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

let system: System
let bridge: string
before(async () => {
  system = await openSystem()
  bridge = await create(system, '/bridges', { name: 'br' })
})
after(() => system.close())

const at = (path: string): string => system.url + path

async function snapshot(): Promise<string> {
  const versions: string[] = []
  for (const { kind } of system.models)
    for await (const { id, version } of system.store.list(kind)) versions.push(`${id} ${version}`)
  return versions.join('\n')
}

const JSON_TYPE = { 'content-type': 'application/json' }
const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

const wrong: readonly {
  readonly name: string
  readonly path?: string
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  readonly code: string
  readonly field: string
}[] = [
  { name: 'not JSON', body: '{"name"', status: 400, code: 'INVALID', field: 'body' },
  { name: 'empty body', body: '', headers: JSON_TYPE, status: 400, code: 'INVALID', field: 'body' },
  { name: 'no body', method: 'POST', status: 400, code: 'INVALID', field: 'body' },
  { name: 'a list', body: [], status: 400, code: 'INVALID', field: 'body' },
  { name: 'null', body: 'null', status: 400, code: 'INVALID', field: 'body' },
  { name: 'a number', body: 7, status: 400, code: 'INVALID', field: 'body' },
  { name: 'nested without end', body: deep(50_000), status: 400, code: 'INVALID', field: 'body' },
  { name: '__proto__', body: '{"__proto__":{}}', status: 400, code: 'INVALID', field: 'body' },
  {
    name: 'constructor.prototype',
    body: '{"constructor":{"prototype":{}}}',
    status: 400,
    code: 'INVALID',
    field: 'body'
  },
  {
    name: 'C12: 90 000 unknown fields',
    body: Object.fromEntries(Array.from({ length: 90_000 }, (_, i) => [`f${i}`, 1])),
    status: 400,
    code: 'INVALID',
    field: 'body'
  },
  {
    name: 'C12: 100 000 items',
    body: { name: Array(100_000).fill(0) },
    status: 400,
    code: 'INVALID',
    field: 'body'
  },
  ...['a\u0000b', '\u001b[2J', 'a\r\nb', '\ud800', 'a\u202eb'].map(name => ({
    name: `C10: ${JSON.stringify(name)} as a name`,
    body: { name },
    status: 400,
    code: 'INVALID',
    field: 'name'
  })),
  { name: 'unknown field', body: { nmae: 1 }, status: 400, code: 'INVALID', field: 'nmae' },
  { name: 'wrong type', body: { name: 7 }, status: 400, code: 'INVALID', field: 'name' },
  { name: 'empty text', body: { name: '' }, status: 400, code: 'INVALID', field: 'name' },
  {
    name: 'text too long',
    body: { name: 'x'.repeat(256) },
    status: 400,
    code: 'INVALID',
    field: 'name'
  },
  { name: 'null for a field', body: { name: null }, status: 400, code: 'INVALID', field: 'name' },
  { name: 'out of range', body: { macsMax: 0 }, status: 400, code: 'INVALID', field: 'macsMax' },
  { name: 'a fraction', body: { macsMax: 1.5 }, status: 400, code: 'INVALID', field: 'macsMax' },
  { name: 'no UUID', body: { inFilter: 'x' }, status: 400, code: 'INVALID', field: 'inFilter' },
  {
    name: 'upper-case UUID',
    body: { id: '3C7D2C52-6A5C-4B33-8B06-8C6F6F0B1A11' },
    status: 400,
    code: 'INVALID',
    field: 'id'
  },
  {
    name: 'more than 1 MiB',
    body: { name: 'x'.repeat(1 << 20) },
    status: 400,
    code: 'TOO_BIG',
    field: 'body'
  },
  {
    name: 'plain text',
    body: '{}',
    headers: { 'content-type': 'text/plain' },
    status: 415,
    code: 'UNSUPPORTED',
    field: 'Content-Type'
  },
  {
    name: 'a form',
    body: 'name=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    status: 415,
    code: 'UNSUPPORTED',
    field: 'Content-Type'
  },
  { name: 'no such path', path: '/nope', status: 404, code: 'NOT_FOUND', field: 'path' },
  { name: 'no such id', path: '/bridges/x', status: 404, code: 'NOT_FOUND', field: 'id' },
  {
    name: 'bad escape',
    path: '/bridges/%zz',
    status: 400,
    code: 'INVALID',
    field: 'path'
  },
  {
    name: 'endless id',
    path: `/bridges/${'x'.repeat(5000)}`,
    status: 400,
    code: 'INVALID',
    field: 'path'
  },
  {
    name: 'wrong method',
    path: '/bridges',
    method: 'DELETE',
    status: 405,
    code: 'NOT_ALLOWED',
    field: 'method'
  },
  {
    name: 'wrong method of an action',
    path: '/trace',
    status: 405,
    code: 'NOT_ALLOWED',
    field: 'method'
  }
]

for (const { name, path, method, body, headers, status, code, field } of wrong)
  test(`refused with ${status}: ${name}`, async () => {
    const before = await snapshot()
    const verb = method ?? (path === undefined ? 'POST' : 'GET')
    const answer = await call(at(path ?? '/bridges'), verb, body, headers)
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    const { error } = answer.body
    assert.equal(error.code, code)
    assert.ok(error.message.length > 0 && error.message.length < 1000)
    assert.equal(error.faults[0]?.field, field)
    assert.ok(error.faults[0]?.expected)
    assert.equal(await snapshot(), before)
  })

test('405 says what is allowed', async () => {
  const answer = await call(at(`/ports/${bridge}/link`), 'PUT', {})
  assert.equal(answer.status, 405)
  assert.equal(answer.headers.get('allow'), 'DELETE, GET, HEAD, POST')
})

test('what is no HTTP is answered in our shape as well', async () => {
  const { port } = new URL(system.url)
  const text = await new Promise<string>((done, failed) => {
    let heard = ''
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'))
    socket.on('data', chunk => (heard += chunk))
    socket.on('end', () => done(heard))
    socket.on('error', failed)
  })
  assert.match(text, /^HTTP\/1\.1 400 /)
  const { error } = JSON.parse(text.split('\r\n\r\n')[1]!)
  assert.equal(error.code, 'INVALID')
})

test('a long or secret value is not told back whole', async () => {
  const long = await call(at('/bridges'), 'POST', { name: ['x'.repeat(5000)] })
  assert.ok(JSON.stringify(long.body).length < 2000)
  const secret = await call(at('/bridges'), 'POST', { password: 'hunter2' })
  assert.doesNotMatch(JSON.stringify(secret.body), /hunter2/)
})

test('many faults make a bounded answer', async () => {
  const body = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, i]))
  const answer = await call(at('/bridges'), 'POST', body)
  assert.equal(answer.status, 400)
  assert.ok(answer.body.error.faults.length <= 32)
})

test('a store that is gone is 503, and /health says so', async () => {
  const other = await openSystem()
  await other.store.close()
  const answer = await call(`${other.url}/bridges`, 'POST', {})
  assert.equal(answer.status, 503)
  assert.equal(answer.body.error.code, 'STORE_UNAVAILABLE')
  const health = await call(`${other.url}/health`)
  assert.equal(health.status, 503)
  assert.equal(health.body.status, 'failing')
  await other.api.close()
})

test('a mistake of ours is 500, tells nothing, and is in the log', async () => {
  system.agents.hosts = () => {
    throw new TypeError('the secret of the inside')
  }
  const answer = await call(at('/agents'))
  Reflect.deleteProperty(system.agents, 'hosts')
  assert.equal(answer.status, 500)
  assert.equal(answer.body.error.code, 'INTERNAL')
  assert.doesNotMatch(JSON.stringify(answer.body), /secret of the inside/)
  assert.match(system.log.join(''), /secret of the inside/)
})
