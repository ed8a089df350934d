// A backup and its restoration give the same topology; what is wrong with a document changes
// nothing.  A store that somebody wrote past us into is found out, and mended where that can be
// told.  (The commands, and the way into ZooKeeper: test/zookeeper/backup.test.ts.)

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { SystemClock } from '../../src/core/clock.ts'
import { audit, repair } from '../../src/topology/backup/audit.ts'
import { documentOf, parseDocument } from '../../src/topology/backup/document.ts'
import { inOrder } from '../../src/topology/backup/order.ts'
import { restore } from '../../src/topology/backup/restore.ts'
import type { Stored } from '../../src/topology/model.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { casesOf } from '../cases.ts'
import { refused } from './ground.ts'
import { create, models, newId, teamModel } from './models.ts'

const clock = new SystemClock()
const folder = mkdtempSync(join(tmpdir(), 'mezzo-backup-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string): string => join(folder, name)

// Two bridges whose ports are each other's peers, teams of hosts, seats with their numbers.
async function filled(path: string) {
  const store = await openSqliteStore({ path, models, clock })
  const [a, b] = [create('bridge', { name: 'a' }), create('bridge', { name: 'b' })]
  const [p, q] = [newId(), newId()]
  const port = (id: string, device: string, peer: string) =>
    ({ op: 'create', kind: 'port', value: { id, type: 'bridge', device, peer } }) as const
  const hosts = Array.from({ length: 1500 }, (_, i) => create('host', { name: `h${i}` }))
  await store.write([a, b, port(p, a.value.id, q), port(q, b.value.id, p)])
  await store.write(hosts)
  await store.write([create('team', { members: [hosts[0]!.value.id, hosts[9]!.value.id] })])
  await store.write([create('seat'), create('seat', { number: 3 })])
  return store
}

test('a backup, restored, is the same topology, numbers and all', async () => {
  const store = await filled(file('full.db'))
  const document = await documentOf(store, models)
  const other = await openSqliteStore({ models, clock })
  const text = JSON.stringify(document)
  assert.equal(await restore(other, models, parseDocument(text, models), clock), 1507)
  assert.deepEqual(await documentOf(other, models), document)
  assert.deepEqual(await audit(other, models), [])
  await refused(restore(other, models, document, clock), 'EXISTS')
  await other.close()
  await store.close()
})

test('a document that is wrong is refused, and nothing of it is made', async () => {
  const parse = async (text: string) => parseDocument(text, models)
  const whole = { format: 'mezzo-topology', version: 1, objects: {} }
  await refused(parse('{'), 'INVALID', 'backup', 'JSON')
  await refused(parse('{"format":"other"}'), 'INVALID', 'format', 'other', 'mezzo-topology')
  await refused(parse(JSON.stringify({ ...whole, version: 2 })), 'INVALID', 'version', '2')
  await refused(parse(JSON.stringify({ ...whole, objects: { cow: [] } })), 'INVALID', 'cow')
  await refused(
    parse(JSON.stringify({ ...whole, objects: { host: 5 } })),
    'INVALID',
    'host',
    'list'
  )
  const store = await openSqliteStore({ models, clock })
  const host = { id: newId(), name: 'fine' }
  for (const [bad, code] of [
    [{ host: [host], team: [{ id: newId(), members: [newId()] }] }, 'MISSING_REFERENCE'],
    [{ host: [host, { ...host }] }, 'EXISTS'],
    [{ host: [host], seat: [{ id: newId(), number: 9 }] }, 'INVALID']
  ] as const) {
    const objects = bad as unknown as Record<string, Stored[]>
    await refused(restore(store, models, { ...whole, version: 1, objects } as never, clock), code)
    assert.deepEqual((await documentOf(store, models)).objects, {})
  }
  await store.close()
})

test('whatever points at what, each comes after what it points at, or together with it', () => {
  const graph = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { maxLength: 12 })
  const property = fc.property(graph, lists => {
    const id = (i: number): string => `team ${i}`
    const model = {
      ...teamModel,
      references: [{ field: 'members', kind: 'team', onDelete: 'clear' }] as const
    }
    const objects = lists.map((targets, i) => ({
      model,
      value: { id: id(i), members: targets.filter(to => to < lists.length).map(id) } as Stored
    }))
    const groups = inOrder(objects)
    assert.equal(groups.flat().length, objects.length)
    const made = new Set<string>()
    for (const group of groups) {
      for (const { value } of group) made.add(value.id)
      for (const { value } of group)
        for (const target of value.members as string[]) assert.ok(made.has(target))
    }
  })
  fc.assert(property, { numRuns: casesOf(1000) })
})

test('what was written past us is found, and mended where that can be told', async () => {
  const path = file('damaged.db')
  const store = await filled(path)
  const raw = new DatabaseSync(path)
  raw.exec(`DELETE FROM objects WHERE kind = 'host' AND value LIKE '%"h9"%'`)
  raw.exec(`UPDATE objects SET value = replace(value, '"b"', '5') WHERE kind = 'bridge'`)
  raw.exec(`UPDATE objects SET value = replace(value, '"number":3', '"number":1')
            WHERE kind = 'seat'`)
  raw.exec(`INSERT INTO objects (kind, id, version, value) SELECT 'router', id, 1, value
            FROM objects WHERE kind = 'bridge' AND value LIKE '%"a"%'`)
  raw.close()
  const found = await audit(store, models)
  const said = found.map(({ kind, field, repair }) => [kind, field, repair]).sort()
  assert.deepEqual(said, [
    ['bridge', 'id', undefined],
    ['bridge', 'name', undefined],
    ['router', 'id', undefined],
    ['seat', 'seat', undefined],
    ['team', 'members', 'clear']
  ])
  assert.equal(await repair(store, models, found), 1)
  const left = await audit(store, models)
  assert.deepEqual(left.map(({ kind }) => kind).sort(), ['bridge', 'bridge', 'router', 'seat'])
  await store.close()
})
