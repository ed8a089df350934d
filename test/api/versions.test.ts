// Versions: ETag, If-Match, If-None-Match; writers that meet; rules in order; lists by pages.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

let system: System
before(async () => {
  system = await openSystem()
})
after(() => system.close())

const at = (path: string): string => system.url + path
const idsAt = async (path: string): Promise<string[]> =>
  ((await call(at(path))).body as unknown as { id: string }[]).map(({ id }) => id)

test('If-Match lets the change of the version that was read pass, and no other', async () => {
  const path = at(`/bridges/${await create(system, '/bridges', { name: 'one' })}`)
  const first = (await call(path)).headers.get('etag')!
  const change = await call(path, 'PATCH', { name: 'two' }, { 'if-match': first })
  assert.equal(change.status, 200)
  const second = change.headers.get('etag')
  assert.notEqual(second, first)
  for (const [method, body] of [
    ['PATCH', { name: 'three' }],
    ['PUT', { name: 'three' }],
    ['DELETE', undefined]
  ] as const) {
    const late = await call(path, method, body, { 'if-match': first })
    assert.equal(late.status, 412, method)
    assert.equal(late.body.error.code, 'PRECONDITION')
    assert.equal(late.body.error.faults[0]?.value, first)
  }
  assert.equal((await call(path)).body.name, 'two')
  const list = { 'if-match': `${first}, ${second}` }
  assert.equal((await call(path, 'PATCH', { name: 'four' }, list)).status, 200)
  assert.equal((await call(path, 'PATCH', { name: 'five' }, { 'if-match': '*' })).status, 200)
  const broken = await call(path, 'PATCH', { name: 'six' }, { 'if-match': 'abc' })
  assert.equal(broken.status, 400)
  assert.equal(broken.body.error.faults[0]?.field, 'If-Match')
})

test('If-None-Match answers 304 while nothing has changed', async () => {
  const path = at(`/bridges/${await create(system, '/bridges', {})}`)
  const tag = (await call(path)).headers.get('etag')!
  assert.equal((await call(path, 'GET', undefined, { 'if-none-match': tag })).status, 304)
  await call(path, 'PATCH', { name: 'new' })
  assert.equal((await call(path, 'GET', undefined, { 'if-none-match': tag })).status, 200)
})

test('changes of different fields at once all arrive', async () => {
  const path = at(`/bridges/${await create(system, '/bridges', {})}`)
  const edits = [{ name: 'n' }, { tenant: 't' }, { macsMax: 5 }, { macAgeMs: 5000 }]
  const answers = await Promise.all(edits.map(edit => call(path, 'PATCH', edit)))
  assert.deepEqual(
    answers.map(answer => answer.status),
    [200, 200, 200, 200]
  )
  const { name, tenant, macsMax, macAgeMs } = (await call(path)).body
  assert.deepEqual({ name, tenant, macsMax, macAgeMs }, Object.assign({}, ...edits))
})

test('a rule comes to the position it names and pushes those behind it', async () => {
  const chain = await create(system, '/chains', { name: 'ordered' })
  const rules = `/chains/${chain}/rules`
  const add = (position: number): Promise<string> =>
    create(system, rules, { action: 'accept', position })
  const positions = async () =>
    ((await call(at(rules))).body as unknown as { position: number }[]).map(each => each.position)
  const a = await add(1)
  const b = await add(2)
  const d = await add(4)
  const first = await add(1)
  assert.deepEqual(await idsAt(rules), [first, a, b, d])
  assert.deepEqual(await positions(), [1, 2, 3, 4])
  await call(at(`/rules/${d}`), 'PATCH', { position: 2 })
  assert.deepEqual(await idsAt(rules), [first, d, a, b])
  assert.deepEqual(await positions(), [1, 2, 3, 4])
  await call(at(`/rules/${d}`), 'DELETE')
  assert.deepEqual(await idsAt(`/rules?chain=${chain}`), [first, a, b])
  const tooFar = await call(at(rules), 'POST', { action: 'drop', position: 1_000_001 })
  assert.equal(tooFar.status, 400)
  assert.equal(tooFar.body.error.faults[0]?.field, 'position')
})

test('F9: rules without a position come last, in the order in which they are entered', async () => {
  const chain = await create(system, '/chains', { name: 'entered' })
  const rules = `/chains/${chain}/rules`
  const ids: string[] = []
  for (const action of ['accept', 'drop', 'reject', 'return'])
    ids.push(await create(system, rules, { action }))
  assert.deepEqual(await idsAt(rules), ids)
  const first = await create(system, rules, { action: 'accept', position: 1 })
  const last = await create(system, '/rules', { chain, action: 'drop' })
  assert.deepEqual(await idsAt(rules), [first, ...ids, last])
  await call(at(`/rules/${first}`), 'PATCH', { position: null })
  assert.deepEqual(await idsAt(rules), [...ids, last, first], 'a position taken away is the last')
  const kept = (await call(at(`/rules/${ids[1]}`))).body
  const { position, ...rest } = kept
  await call(at(`/rules/${ids[1]}`), 'PUT', rest)
  assert.equal((await call(at(`/rules/${ids[1]}`))).body.position, position, 'a PUT moves nothing')
  const many = await Promise.all(
    Array.from({ length: 8 }, () => create(system, rules, { action: 'accept' }))
  )
  assert.deepEqual(new Set((await idsAt(rules)).slice(-8)), new Set(many))
})

test('rules that come first at once end in different positions', async () => {
  const chain = await create(system, '/chains', { name: 'crowded' })
  const rules = `/chains/${chain}/rules`
  await Promise.all(
    Array.from({ length: 8 }, () => create(system, rules, { action: 'accept', position: 1 }))
  )
  const { body } = await call(at(rules))
  const positions = (body as unknown as { position: number }[]).map(each => each.position)
  assert.deepEqual(positions, [1, 2, 3, 4, 5, 6, 7, 8])
})

test('a list comes in pages that miss nothing and repeat nothing', async () => {
  const made: string[] = []
  for (let i = 0; i < 7; i++) made.push(await create(system, '/bridges', { tenant: 'paged' }))
  const chain = await create(system, '/chains', { name: 'paged' })
  const rules: string[] = []
  for (let i = 1; i <= 7; i++)
    rules.push(await create(system, `/chains/${chain}/rules`, { action: 'drop', position: i }))
  for (const [path, expected] of [
    ['/bridges?tenant=paged&limit=3', made.sort()],
    [`/chains/${chain}/rules?limit=3`, rules],
    ['/bindings?limit=3', []]
  ] as const) {
    const seen: string[] = []
    let next: string | undefined = path
    while (next !== undefined) {
      const answer = await call(at(next))
      const page = answer.body as unknown as { id: string }[]
      assert.ok(page.length <= 3)
      seen.push(...page.map(({ id }) => id))
      next = /<(.+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    assert.deepEqual(seen, expected)
  }
})

test('a list may be asked for by what is indexed, and by name', async () => {
  const id = await create(system, '/bridges', { tenant: 'blue', name: 'b1' })
  const other = await create(system, '/bridges', { tenant: 'blue', name: 'b2' })
  assert.deepEqual(await idsAt('/bridges?tenant=blue'), [id, other].sort())
  assert.deepEqual(await idsAt('/bridges?tenant=blue&name=b2'), [other])
  assert.deepEqual(await idsAt('/bridges?tenant=red'), [])
  for (const [query, field] of [
    ['macsMax=1', 'macsMax'],
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=x', 'limit'],
    ['tenant=a&tenant=b', 'tenant'],
    ['tenant=', 'tenant']
  ]) {
    const answer = await call(at(`/bridges?${query}`))
    assert.equal(answer.status, 400, query)
    assert.equal(answer.body.error.faults[0]?.field, field)
  }
})
