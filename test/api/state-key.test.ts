// The secret of flow state is nowhere in the API: no path, no document, no refusal and no log line
// has it, whatever is asked.  It can be made anew.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SystemRandom } from '../../src/core/random.ts'
import { watchStateKey } from '../../src/topology/state-key.ts'
import type { Watch } from '../../src/topology/store.ts'
import { type Body, call, openSystem, type System } from './fixture.ts'

let system: System
let watch: Watch
const keys: string[] = []
before(async () => {
  system = await openSystem()
  watch = watchStateKey(system.store, new SystemRandom(), key => {
    keys.push(Buffer.from(key).toString('hex'))
  })
  await watch.ready
})
after(async () => {
  watch.close()
  await system.close()
})

interface Paths {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

test('no route, no document and no log line has the key or its kind', async () => {
  const stored = (await stateKey())!
  assert.equal(stored.value.secret, keys[0])
  const { paths } = (await call(`${system.url}/openapi.json`)).body as unknown as Paths
  const ids = [stored.id, '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99']
  const guesses = ['/state-keys', '/state-key', `/state-keys/${stored.id}`, `/hosts/${stored.id}`]
  const urls = [
    ...guesses,
    ...Object.keys(paths).flatMap(path => ids.map(id => path.replace('{id}', id)))
  ]
  assert.ok(urls.length > 30)
  for (const url of urls)
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST']) {
      if (method === 'DELETE' && url === '/state-key') continue // makes a new one
      const body = method === 'GET' || method === 'DELETE' ? undefined : { ...stored.value }
      const answer = await call(system.url + url, method, body)
      const text = JSON.stringify([answer.body, [...answer.headers]])
      // A refusal may show what we sent; not when it is named like a secret.
      assert.ok(!text.includes(keys[0]!), `${method} ${url}: ${text}`)
      if (guesses.includes(url)) assert.ok([404, 405].includes(answer.status), `${method} ${url}`)
    }
  const document = JSON.stringify((await call(`${system.url}/models`)).body)
  assert.ok(!document.includes('state-key'))
  assert.equal((await stateKey())?.version, stored.version, 'nothing has touched it')
  assert.ok(!system.log.join('').includes(keys[0]!))
})

test('an error of the store about it does not show it', async () => {
  const stored = (await stateKey())!
  const secret = `${keys[0]!}00`
  const change = { op: 'update', kind: 'state-key', value: { ...stored.value, secret } } as const
  await assert.rejects(system.store.write([change]), error => {
    assert.ok(error instanceof Error && /hidden/.test(error.message), String(error))
    return !String(error).includes(keys[0]!)
  })
})

test('a new key reaches those who watch, and is not told to who asked for it', async () => {
  const answer = await call(`${system.url}/state-key`, 'DELETE')
  assert.deepEqual([answer.status, answer.body], [204, '' as unknown as Body])
  assert.equal(keys.length, 2)
  assert.notEqual(keys[1], keys[0])
})

async function stateKey() {
  for await (const object of system.store.list('state-key')) return object
  return undefined
}
