// C3: the API on a unix socket that only its owner opens; counters on an address of their own.

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Health } from '../../src/api/health.ts'
import { openMetrics } from '../../src/api/metrics.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { silentLog } from '../../src/core/log.ts'
import { call, openSystem } from './fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-listen-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function ask(socketPath: string, path: string, host = 'localhost'): Promise<number> {
  return new Promise((done, failed) => {
    const asked = request({ socketPath, path, headers: { host } }, response => {
      response.resume()
      done(response.statusCode ?? 0)
    })
    asked.on('error', failed)
    asked.end()
  })
}

test('C3: a socket is open to its owner alone, and gone with the API', async () => {
  const path = join(folder, 'deep', 'api.sock')
  const before = process.umask(0)
  const system = await openSystem({ also: [{ socket: path }] })
  process.umask(before)
  const { mode } = lstatSync(path)
  assert.equal(mode & 0o777, 0o600)
  assert.ok(lstatSync(path).isSocket())
  assert.equal(statSync(join(folder, 'deep')).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(join(folder, 'deep')), ['api.sock'], 'nothing is left beside it')
  assert.equal(await ask(path, '/bridges'), 200)
  assert.equal(system.api.listeners[1]?.url, `unix:${path}`)
  await system.close()
  assert.ok(!existsSync(path))
})

test('C3: a socket left behind is replaced, one in use is not, nor what is no socket', async () => {
  const path = join(folder, 'left.sock')
  const left = createServer()
  await new Promise<void>(done => left.listen(join(folder, 'old'), done))
  renameSync(join(folder, 'old'), path)
  const taken = await openSystem({ also: [{ socket: path }] })
  assert.equal(taken.api.listeners.length, 1, 'it is in use')
  assert.match(taken.log.join(''), /left\.sock.*listens there already/)
  await taken.close()
  await new Promise(done => left.close(done))
  assert.ok(existsSync(path))
  const system = await openSystem({ also: [{ socket: path }] })
  assert.equal(await ask(path, '/health'), 200)
  await system.close()
  writeFileSync(path, 'precious')
  const kept = await openSystem({ also: [{ socket: path }] })
  assert.match(kept.log.join(''), /no socket/)
  await kept.close()
  assert.ok(existsSync(path))
})

test('C3: with a token the socket asks for it too', async () => {
  const path = join(folder, 'token.sock')
  const system = await openSystem({
    token: 'correct-horse-battery-staple',
    also: [{ socket: path }]
  })
  assert.equal(await ask(path, '/bridges'), 401)
  await system.close()
})

test('C3: counters have an address where nothing else can be asked or changed', async () => {
  const system = await openSystem({ token: 'correct-horse-battery-staple' })
  const { store, agents } = system
  const counters = new CounterTable()
  const log = silentLog()
  const health = new Health({ store, clock: new SystemClock(), counters, log, notes: () => [] })
  const listen = { host: '127.0.0.1', port: 0 }
  const metrics = await openMetrics({ health, agents, counters, log, listen })
  const { status, body } = await call(`${metrics.url}/metrics`)
  assert.equal(status, 200)
  assert.match(String(body), /mezzo_flow_hits_total\{host="compute1"\} 7/)
  assert.equal((await call(`${metrics.url}/health`)).status, 200)
  for (const path of ['/', '/bridges', '/models', '/openapi.json', '/agents', '/state-key'])
    assert.equal((await call(metrics.url + path)).status, 404, path)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    assert.equal((await call(`${metrics.url}/metrics`, method, {})).status, 404, method)
  const rebound = await new Promise(done =>
    request(`${metrics.url}/metrics`, { headers: { host: 'evil.example' } }, response => {
      response.resume()
      done(response.statusCode)
    }).end()
  )
  assert.equal(rebound, 403)
  await metrics.close()
  await system.close()
})
