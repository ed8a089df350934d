// Who may speak to the API: nobody without the token, nobody from elsewhere without one.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { call, openSystem } from './fixture.ts'

const TOKEN = 'correct-horse-battery-staple'

test('with a token, only those who know it are heard; health tells nothing to all', async () => {
  const system = await openSystem({ token: TOKEN })
  for (const authorization of ['', 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
    const headers = authorization === '' ? {} : { authorization }
    const answer = await call(`${system.url}/bridges`, 'GET', undefined, headers)
    assert.equal(answer.status, 401, authorization)
    assert.equal(answer.body.error.code, 'UNAUTHORISED')
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
    assert.equal((await call(`${system.url}/nope`, 'GET', undefined, headers)).status, 401)
  }
  const known = { authorization: `Bearer ${TOKEN}` }
  assert.equal((await call(`${system.url}/bridges`, 'GET', undefined, known)).status, 200)
  assert.equal((await call(`${system.url}/health`)).status, 200)
  const { body } = await call(`${system.url}/openapi.json`, 'GET', undefined, known)
  assert.deepEqual(body.security, [{ token: [] }])
  assert.doesNotMatch(system.log.join(''), new RegExp(TOKEN))
  await system.close()
})

test('without a token it listens on this machine only', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1'])
    await assert.rejects(openSystem({ host }), {
      code: 'INVALID',
      message: /api\.address.*loopback/
    })
  await assert.rejects(openSystem({ token: 'short' }), { message: /api\.token.*16 characters/ })
  const open = await openSystem({ host: '0.0.0.0', token: TOKEN })
  await open.close()
})

test('without a token it is not fooled by a name that points at this machine', async () => {
  const system = await openSystem()
  const { port } = new URL(system.url)
  const status = (host: string) =>
    new Promise(done =>
      request({ port, path: '/bridges', headers: { host } }, response => {
        response.resume()
        done(response.statusCode)
      }).end()
    )
  assert.equal(await status('evil.example'), 403)
  assert.equal(await status(`evil.example:${port}`), 403)
  assert.equal(await status(`localhost:${port}`), 200)
  assert.equal(await status(`[::1]:${port}`), 200)
  await system.close()
})

test('every answer carries headers that keep browsers from guessing', async () => {
  const system = await openSystem()
  for (const path of ['/', '/nope', '/bridges/x']) {
    const { headers } = await call(system.url + path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.equal(headers.get('access-control-allow-origin'), null)
  }
  await system.close()
})

test('an address that is taken is an error that names it', async () => {
  const system = await openSystem()
  const port = Number(new URL(system.url).port)
  await assert.rejects(openSystem({ port }), {
    code: 'UNAVAILABLE',
    message: new RegExp(`:${port}`)
  })
  await system.close()
})
