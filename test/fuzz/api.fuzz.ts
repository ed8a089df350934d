// Bodies, paths and headers against a real server over a real store: never a 500, every refusal
// says why, and nothing has changed after one.

import assert from 'node:assert/strict'
import type { HTTPMethods } from 'fastify'
import type { JsonSchema } from '../../src/core/config/schema.ts'
import { openSystem } from '../api/fixture.ts'
import { campaign } from './campaign.ts'
import { type Draw, pick } from './packets.ts'
import { hostileValue, randomValue } from './values.ts'

const KEPT = 6 // objects of each kind that requests go to
const system = await openSystem()
const ids = new Map<string, string[]>(system.models.map(({ kind }) => [kind, []]))

interface Request {
  readonly method: HTTPMethods
  readonly url: string
  readonly payload: string
  readonly headers: Record<string, string>
}

function someId(draw: Draw, kind: string): string {
  const known = ids.get(kind)!
  return known.length > 0 && draw(8) !== 0 ? pick(draw, known) : UNKNOWN
}
const UNKNOWN = '00000000-0000-4000-8000-000000000009'

function bodyFor(draw: Draw, kind: string): unknown {
  if (draw(30) === 0) return hostileValue(draw)
  const model = system.models.find(each => each.kind === kind)!
  const body = randomValue(model.schema as JsonSchema, draw, pick(draw, [400, 40])) as Record<
    string,
    unknown
  >
  for (const { field, kind: to } of model.references) {
    if (body === null || typeof body !== 'object' || !(field in body)) continue
    const one = () => someId(draw, pick(draw, [to].flat()))
    body[field] = Array.isArray(body[field]) ? [one(), one()] : one()
  }
  return body
}

function requestOf(draw: Draw): Request {
  const { kind, plural } = pick(draw, system.models)
  const [one, port] = [`/${plural}/${someId(draw, kind)}`, `/ports/${someId(draw, 'port')}`]
  const link = { peer: someId(draw, 'port') }
  const binding = { host: someId(draw, 'host'), interface: pick(draw, ['tap0', 'tap1', '']) }
  const trace = {
    port: someId(draw, 'port'),
    packet: pick(draw, ['icmp 10.0.0.1 > 10.0.0.2', 'x'])
  }
  const [method, url, body] = pick<readonly [HTTPMethods, string, unknown]>(draw, [
    ['POST', `/${plural}`, bodyFor(draw, kind)],
    ['POST', `/${plural}`, bodyFor(draw, kind)],
    ['PUT', one, bodyFor(draw, kind)],
    ['PATCH', one, bodyFor(draw, kind)],
    ['GET', `/${plural}?limit=${draw(3)}&name=${draw(4)}`, undefined],
    ['DELETE', draw(3) === 0 ? one : '/bridges/none', undefined],
    ['POST', `${port}/link`, draw(5) === 0 ? hostileValue(draw) : link],
    ['DELETE', `${port}/link`, undefined],
    ['PUT', `${port}/binding`, draw(5) === 0 ? hostileValue(draw) : binding],
    ['POST', '/trace', draw(5) === 0 ? hostileValue(draw) : trace]
  ])
  return spoilt(draw, {
    method,
    url,
    payload: JSON.stringify(body) ?? '',
    headers: json(draw, body)
  })
}

function json(draw: Draw, body: unknown): Record<string, string> {
  const type = body === undefined ? undefined : 'application/json'
  const match = draw(20) === 0 ? pick(draw, ['"1"', '*', 'x', '"', 'W/"3"', '']) : undefined
  return {
    host: 'localhost',
    ...(type !== undefined && { 'content-type': type }),
    ...(match !== undefined && { 'if-match': match })
  }
}

function spoilt(draw: Draw, request: Request): Request {
  if (draw(12) !== 0) return request
  const { payload, url } = request
  const at = draw(payload.length + 1)
  const bytes = pick(draw, ['', '{', '"', '\u0000', '\\', ',]', ' '])
  const tail = pick(draw, [
    '',
    '/',
    '/..',
    '?',
    '?limit=x',
    '%',
    '%00',
    '?name[]=1',
    '/\ud83d\ude00'
  ])
  return {
    ...request,
    payload: payload.slice(0, at) + bytes + payload.slice(at + 1),
    url: url + tail
  }
}

async function snapshot(): Promise<string> {
  const versions: string[] = []
  for (const { kind } of system.models) {
    const found: string[] = []
    for await (const { id, version } of system.store.list(kind)) {
      versions.push(`${id} ${version}`)
      found.push(id)
    }
    ids.set(kind, found.slice(-KEPT))
  }
  return versions.join('\n')
}

// So many objects that the snapshots stay cheap.
const OBJECTS_MAX = 120

async function thin(before: string): Promise<string> {
  if (before.split('\n').length < OBJECTS_MAX) return before
  for (const { plural, kind } of system.models)
    for (const id of ids.get(kind)!)
      await system.api.app.inject({ method: 'DELETE', url: `/${plural}/${id}`, headers: LOCAL })
  return snapshot()
}
const LOCAL = { host: 'localhost' }

await campaign({
  name: 'api',
  runs: 20_000,
  seconds: 50,
  async run(draw, note) {
    const before = await thin(await snapshot())
    const request = requestOf(draw)
    note(JSON.stringify(request))
    const answer = await system.api.app.inject(request)
    assert.ok(
      answer.statusCode < 500 || answer.statusCode === 503,
      `${answer.statusCode} ${answer.body}`
    )
    if (answer.statusCode < 400) return `${answer.statusCode}`
    const { error } = answer.json() as { error: { code: string; message: string } }
    assert.ok(error.code.length > 0 && error.message.length > 0, answer.body)
    assert.equal(await snapshot(), before, 'a refusal has changed something')
    return error.code
  }
})
await system.close()
