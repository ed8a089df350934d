// Bodies by chance, to every route that takes one: never a 500, and after a refusal the store is
// as it was.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../cases.ts'
import { call, openSystem, type System } from './fixture.ts'
import { createSample, type ModelText, modelTexts, sampleOf } from './samples.ts'

const SEED = 20240607
const RUNS = casesOf(60)

let system: System
let models: ModelText[]
before(async () => {
  system = await openSystem()
  models = await modelTexts(system)
})
after(() => system.close())

async function snapshot(): Promise<string> {
  const versions: string[] = []
  for (const { kind } of system.models)
    for await (const { id, version } of system.store.list(kind)) versions.push(`${id} ${version}`)
  return versions.join('\n')
}

const hostile = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', 0, -1, 2 ** 53, 1e308, '0', 'NaN', [], {}, [[]], ['']),
  fc.constantFrom('10.0.0.0/24', '::/0', '02:00:00:00:00:01', '../..', '\u0000', '💥', '%00'),
  fc.uuid(),
  fc.string({ maxLength: 300 }),
  fc.integer(),
  fc.jsonValue({ maxDepth: 4 })
)

const statuses = new Map<number, number>()

async function send(method: string, path: string, body: unknown, headers = {}): Promise<void> {
  const before = await snapshot()
  const answer = await call(system.url + path, method, body, headers)
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
  const what = `${method} ${path} ${JSON.stringify(body)} → ${answer.status}`
  assert.ok(answer.status < 500, `${what} ${JSON.stringify(answer.body)}`)
  if (answer.status < 400) return
  assert.ok(answer.body.error.message.length > 0, what)
  assert.equal(await snapshot(), before, `${what} has changed something`)
}

test('a good body with one field spoilt is made or refused, never a 500', async () => {
  const samples = new Map<string, Record<string, unknown>>()
  for (const { kind } of models) samples.set(kind, await sampleOf(system, kind))
  const fields = new Map(system.models.map(m => [m.kind, Object.keys(m.schema.properties)]))
  const kinds = models.map(model => model.kind)
  const spoilt = fc.constantFrom(...kinds).chain(kind =>
    fc.record({
      kind: fc.constant(kind),
      edits: fc.dictionary(fc.constantFrom('id', 'x', ...fields.get(kind)!), hostile, {
        minKeys: 1,
        maxKeys: 3
      })
    })
  )
  await fc.assert(
    fc.asyncProperty(spoilt, async ({ kind, edits }) => {
      const { plural } = models.find(model => model.kind === kind)!
      await send('POST', `/${plural}`, { ...samples.get(kind), ...edits })
    }),
    { seed: SEED, numRuns: RUNS * 4 }
  )
})

test('any JSON, put, patched or posted anywhere, is never a 500', async () => {
  const paths: string[] = []
  for (const { kind, plural } of models)
    paths.push(`/${plural}/${await createSample(system, kind)}`)
  const port = await createSample(system, 'port')
  const actions = [`POST /ports/${port}/link`, `PUT /ports/${port}/binding`, 'POST /trace']
  const edits = paths.flatMap(path => [`PUT ${path}`, `PATCH ${path}`])
  const below = models
    .filter(model => model.kind === 'router' || model.kind === 'chain')
    .flatMap(({ plural }) => [paths.find(path => path.startsWith(`/${plural}/`))!])
    .map(path => `POST ${path}/${path.startsWith('/routers') ? 'ports' : 'rules'}`)
  const keys = fc.constantFrom('peer', 'host', 'interface', 'port', 'packet', 'frame', 'name', 'x')
  const body = fc.oneof(fc.jsonValue({ maxDepth: 5 }), fc.dictionary(keys, hostile))
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...actions, ...edits, ...below), body, async (route, json) => {
      const [method, path] = route.split(' ')
      await send(method!, path!, json)
    }),
    { seed: SEED, numRuns: RUNS * 5 }
  )
})

test('any bytes as a body, a path, a query or a header are never a 500', async () => {
  const header = fc.constantFrom('if-match', 'if-none-match', 'content-type', 'accept')
  const ascii = fc.string({ unit: 'binary-ascii', maxLength: 80 })
  const clean = ascii.map(text => text.replace(/[^\x20-\x7e]/g, '').trim())
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 200 }), clean, header, async (text, value, name) => {
      await send('POST', '/bridges', text)
      await send('POST', '/bridges', '{}', { [name]: value })
      await send('GET', `/bridges/${encodeURIComponent(text.toWellFormed())}`, undefined)
      await send('GET', `/bridges?${encodeURI(value)}`, undefined)
      await send('GET', `/${encodeURI(value)}`, undefined)
    }),
    { seed: SEED, numRuns: RUNS }
  )
})

test('the bodies were neither all refused nor all taken', () => {
  for (const status of [200, 201, 400, 404, 415])
    assert.ok((statuses.get(status) ?? 0) > 0, `${status} among ${[...statuses]}`)
})
