// Puts a checked draft into the tables: the object, what it is found by, and its row of the log.

import { fail } from '../../core/errors.ts'
import type { Stored } from '../model.ts'
import type { Database } from './database.ts'
import {
  combinations,
  type Indexed,
  indexed,
  kindsOf,
  type Pointer,
  pointers,
  textOf
} from './indexing.ts'
import type { Draft } from './write.ts'

interface Target {
  readonly pointer: Pointer
  readonly kind: string
}

/** Frees all old combinations before it takes the new: two objects may swap theirs. */
export function takeCombinations(database: Database, drafts: readonly Draft[]): void {
  const free = 'DELETE FROM uniques WHERE kind = ? AND fields = ? AND value = ?'
  for (const { model, before } of drafts)
    if (before !== undefined)
      for (const [fields, value] of combinations(model, before.value))
        database.run(free, model.kind, fields, value)
  for (const draft of drafts) if (draft.after !== undefined) takeOwn(database, draft, draft.after)
}

function takeOwn(database: Database, { model, id }: Draft, after: Stored): void {
  const holder = 'SELECT id FROM uniques WHERE kind = ? AND fields = ? AND value = ?'
  const take = 'INSERT INTO uniques (kind, fields, value, id) VALUES (?, ?, ?, ?)'
  for (const [fields, value] of combinations(model, after)) {
    const other = database.get<{ id: string }>(holder, model.kind, fields, value)
    if (other !== undefined)
      throw fail('EXISTS', {
        kind: model.kind,
        id: `with ${fields} ${value.slice(1, -1)} (wanted for ${id}, taken by ${other.id})`
      })
    database.run(take, model.kind, fields, value, id)
  }
}

export function saveDraft(
  database: Database,
  draft: Draft,
  targets: readonly Target[],
  version: number,
  n: number
): void {
  const { model, id, before, after } = draft
  const text = after === undefined ? null : textOf(model, after)
  if (text === null) database.run('DELETE FROM objects WHERE kind = ? AND id = ?', model.kind, id)
  else
    database.run(
      `INSERT INTO objects (kind, id, version, value) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value`,
      model.kind,
      id,
      version,
      text
    )
  const old = before === undefined ? {} : indexed(model, before.value)
  saveFields(database, model.kind, id, old, after === undefined ? {} : indexed(model, after))
  saveReferences(database, draft, targets)
  database.run(
    'INSERT INTO object_log (n, write, kind, id, before, value) VALUES (?, ?, ?, ?, ?, ?)',
    n,
    version,
    model.kind,
    id,
    JSON.stringify(old),
    text
  )
}

function saveFields(
  database: Database,
  kind: string,
  id: string,
  old: Indexed,
  now: Indexed
): void {
  const remove = 'DELETE FROM fields WHERE kind = ? AND field = ? AND value = ? AND id = ?'
  const add = `INSERT INTO fields (kind, field, value, id) VALUES (?, ?, ?, ?)
               ON CONFLICT DO NOTHING`
  for (const [field, values] of Object.entries(old))
    for (const value of values)
      if (!now[field]?.includes(value)) database.run(remove, kind, field, value, id)
  for (const [field, values] of Object.entries(now))
    for (const value of values)
      if (!old[field]?.includes(value)) database.run(add, kind, field, value, id)
}

// The kind of a target is fixed while it exists, so an unchanged pointer keeps its row.
function saveReferences(database: Database, draft: Draft, targets: readonly Target[]): void {
  const { model, id, before } = draft
  const remove = `DELETE FROM refs
                  WHERE target_kind = ? AND target = ? AND kind = ? AND id = ? AND field = ?`
  const add = `INSERT INTO refs (target_kind, target, kind, id, field) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT DO NOTHING`
  const now = new Set(
    targets.map(t => `${t.pointer.reference.field} ${t.kind} ${t.pointer.target}`)
  )
  for (const { reference, target } of before === undefined ? [] : pointers(model, before.value))
    for (const kind of kindsOf(reference))
      if (!now.has(`${reference.field} ${kind} ${target}`))
        database.run(remove, kind, target, model.kind, id, reference.field)
  for (const { pointer, kind } of targets)
    database.run(add, kind, pointer.target, model.kind, id, pointer.reference.field)
}
