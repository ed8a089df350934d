// C6, C13: whoever holds connections, sends nothing, or sends a request by the byte keeps nobody
// else out, knowing the token or not; and a request says once what it may say once.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { CONNECTIONS_MAX, CONNECTIONS_PER_SOURCE_MAX } from '../../src/api/http/connections.ts'
import { eventually } from '../store/ground.ts'
import { call, openSystem, type System } from './fixture.ts'

const TOKEN = 'correct-horse-battery-staple'
const known = { authorization: `Bearer ${TOKEN}` }

let system: System
let port: number
before(async () => {
  system = await openSystem({ token: TOKEN })
  port = Number(new URL(system.url).port)
})
after(() => system.close())

let open: Socket[] = []
beforeEach(() => {
  for (const socket of open) socket.destroy()
  open = []
})

function dial(says: string, from = '127.0.0.1'): Promise<Socket> {
  return new Promise(done => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from })
    open.push(socket)
    socket.on('error', () => done(socket))
    socket.on('connect', () => socket.write(says, () => done(socket)))
    socket.resume()
  })
}

const many = (count: number, says: string, from?: (i: number) => string) =>
  Promise.all(Array.from({ length: count }, (_, i) => dial(says, from?.(i))))

const head = (method: string, path: string, ...lines: string[]): string =>
  `${[`${method} ${path} HTTP/1.1`, 'host: localhost', ...lines].join('\r\n')}\r\n\r\n`

const authorized = `authorization: Bearer ${TOKEN}`
const body = ['content-type: application/json', 'content-length: 100']

async function mustAnswer(): Promise<void> {
  const answer = await call(`${system.url}/bridges`, 'GET', undefined, known)
  assert.equal(answer.status, 200)
}

const held = (): Promise<number> =>
  new Promise(done => system.api.listeners[0]!.server.getConnections((_, count) => done(count)))

for (const [name, says] of [
  ['that say nothing', ''],
  ['in the middle of a head', 'GET /bridges HTTP/1.1\r\nhost: loc'],
  ['answered 401 and kept alive', head('GET', '/bridges')],
  ['without a token, in the middle of a body', `${head('POST', '/bridges', ...body)}{`],
  ['with the token, in the middle of a body', `${head('POST', '/bridges', authorized, ...body)}{`],
  ['with the token, idle', head('GET', '/health', authorized)]
] as const)
  test(`C6: ${CONNECTIONS_MAX} connections ${name} close the API to nobody`, async () => {
    await many(CONNECTIONS_MAX, says)
    await mustAnswer()
    assert.ok((await held()) <= CONNECTIONS_PER_SOURCE_MAX + 1)
  })

test('C6: connections of many addresses close the API to nobody', async () => {
  const addresses = (i: number): string => `127.0.${1 + (i >> 6)}.1`
  await many(CONNECTIONS_MAX / 2, '', addresses)
  await many(CONNECTIONS_MAX / 2 + 50, head('GET', '/health', authorized), i => addresses(i + 256))
  await mustAnswer()
  assert.ok((await held()) <= CONNECTIONS_MAX + 1)
})

test('C6: who says nothing, or does not come to an end, is hung up on', async () => {
  const ends = [
    '',
    'GET /bridges HTTP/1.1\r\n',
    `${head('POST', '/bridges', authorized, ...body)}{`
  ]
  const { server } = system.api.listeners[0]!
  const { headersTimeout, requestTimeout } = server
  for (const limitMs of [headersTimeout, requestTimeout])
    assert.ok(limitMs > 0 && limitMs <= 15_000)
  // Nobody needs to see how long that is.
  Object.assign(server, { headersTimeout: 100, requestTimeout: 200 })
  const sockets = await Promise.all(ends.map(says => dial(says)))
  await eventually(async () => assert.ok(sockets.every(socket => socket.closed)))
  Object.assign(server, { headersTimeout, requestTimeout })
})

test('C6: an answer under way is not cut off for who comes later', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { interfaces } = system.agents
  const id = (await call(`${system.url}/hosts`, 'POST', { name: 'slow' }, known)).body.id
  system.agents.interfaces = async () => {
    await promise
    return []
  }
  const slow = call(`${system.url}/hosts/${id}/interfaces`, 'GET', undefined, known)
  await eventually(async () => assert.ok((await held()) >= 1))
  await many(CONNECTIONS_MAX, '')
  resolve()
  assert.equal((await slow).status, 200)
  system.agents.interfaces = interfaces
  const { body } = await call(`${system.url}/metrics`, 'GET', undefined, known)
  assert.match(String(body), /mezzo_api_connections_closed_total\{host="api"\} [1-9]/)
})

const raw = (...lines: string[]): Promise<string> => rawTo(port, ...lines)

async function rawTo(to: number, ...lines: string[]): Promise<string> {
  let heard = ''
  const socket = connect(to, '127.0.0.1')
  socket.on('data', chunk => (heard += chunk))
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  socket.end()
  await new Promise(done => socket.on('close', done))
  return heard
}

test('C13: a target in absolute form says whom it is for', async () => {
  const own = await openSystem()
  const to = Number(new URL(own.url).port)
  const status = async (target: string): Promise<string> =>
    (await rawTo(to, `GET ${target} HTTP/1.1`, 'Host: localhost')).split('\r\n')[0]!
  assert.match(await status('http://localhost/bridges'), / 200 /)
  assert.match(await status('http://evil.example/bridges'), / 403 /)
  assert.match(await status('http://localhost@evil.example/bridges'), / 403 /)
  await own.close()
})

for (const [name, lines] of [
  ['Host', ['Host: localhost', 'Host: evil.example']],
  ['Host, the same twice', ['Host: localhost', 'host: localhost']],
  ['Authorization', ['Host: localhost', authorized, 'authorization: Bearer wrong']],
  ['Content-Type', ['Host: localhost', authorized, 'content-type: a/b', 'content-type: c/d']],
  ['Content-Length', ['Host: localhost', 'content-length: 0', 'content-length: 1']],
  ['no Host', [authorized]]
] as const)
  test(`C13: ${name}: what is said twice, or not at all, is refused`, async () => {
    const text = await raw('GET /bridges HTTP/1.1', ...lines)
    assert.match(text, /^HTTP\/1\.1 400 /, text)
  })
