// The records of a write, in SQLite: how they are looked up, and how the outcome is kept.
// test/store/sqlite.test.ts holds it.

import type { ObjectId } from '../model.ts'
import type { Versioned } from '../store.ts'
import type { Combination, HeldNumber, Outcome, Records, Referrer, Save } from '../write/records.ts'
import type { Database } from './database.ts'
import type { Objects } from './objects.ts'

/** What a write reads and saves, in SQLite. */
export class SqliteRecords implements Records {
  readonly #database: Database
  readonly #objects: Objects

  constructor(database: Database, objects: Objects) {
    this.#database = database
    this.#objects = objects
  }

  head(): number {
    return this.#objects.head()
  }

  read(kind: string, id: ObjectId): Versioned | undefined {
    return this.#objects.read(kind, id)
  }

  exists(kind: string, id: ObjectId): boolean {
    return this.#objects.exists(kind, id)
  }

  referrers(kind: string, id: ObjectId): Referrer[] {
    const sql = 'SELECT kind, id, field FROM refs WHERE target_kind = ? AND target = ?'
    return this.#database.all<Referrer>(sql, kind, id)
  }

  holder(kind: string, { fields, value }: Combination): ObjectId | undefined {
    const sql = 'SELECT id FROM uniques WHERE kind = ? AND fields = ? AND value = ?'
    return this.#database.get<{ id: string }>(sql, kind, fields, value)?.id
  }

  owner({ sequence, number }: HeldNumber): { kind: string; id: ObjectId } | undefined {
    const sql = 'SELECT kind, id FROM numbers WHERE sequence = ? AND number = ?'
    return this.#database.get<{ kind: string; id: string }>(sql, sequence, number)
  }

  next(sequence: string): number | undefined {
    const sql = 'SELECT next FROM sequences WHERE name = ?'
    return this.#database.get<{ next: number }>(sql, sequence)?.next
  }

  /** `from` itself, or what follows a taken one. */
  free(sequence: string, from: number, max: number): number | undefined {
    if (from > max) return undefined
    if (this.owner({ sequence, number: from }) === undefined) return from
    const gap = `SELECT a.number + 1 AS number FROM numbers a
                 WHERE a.sequence = ? AND a.number >= ? AND a.number < ? AND NOT EXISTS
                 (SELECT 1 FROM numbers b WHERE b.sequence = a.sequence AND b.number = a.number + 1)
                 ORDER BY a.number LIMIT 1`
    return this.#database.get<{ number: number }>(gap, sequence, from, max)?.number
  }

  put({ version, saves, next }: Outcome): void {
    for (const save of saves) this.#release(save)
    for (const [i, save] of saves.entries()) this.#keep(save, version, version + i)
    const go = `INSERT INTO sequences (name, next) VALUES (?, ?)
                ON CONFLICT DO UPDATE SET next = excluded.next`
    for (const [sequence, number] of next) this.#database.run(go, sequence, number)
  }

  // First of all saves, so that what one gives back another may take.
  #release({ kind, id, before, after, links, combinations, numbers }: Save): void {
    const field = 'DELETE FROM fields WHERE kind = ? AND field = ? AND value = ? AND id = ?'
    for (const [name, value] of difference(before, after))
      this.#database.run(field, kind, name, value, id)
    const link = `DELETE FROM refs
                  WHERE target_kind = ? AND target = ? AND kind = ? AND id = ? AND field = ?`
    for (const gone of links.gone)
      this.#database.run(link, gone.kind, gone.id, kind, id, gone.field)
    const unique = 'DELETE FROM uniques WHERE kind = ? AND fields = ? AND value = ?'
    for (const { fields, value } of combinations.gone)
      this.#database.run(unique, kind, fields, value)
    const number = 'DELETE FROM numbers WHERE sequence = ? AND number = ?'
    for (const held of numbers.gone) this.#database.run(number, held.sequence, held.number)
  }

  #keep(save: Save, version: number, n: number): void {
    const { kind, id, text, before, after, links, combinations, numbers } = save
    const object = `INSERT INTO objects (kind, id, version, value) VALUES (?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value`
    if (text === null) this.#database.run('DELETE FROM objects WHERE kind = ? AND id = ?', kind, id)
    else this.#database.run(object, kind, id, version, text)
    const field = `INSERT INTO fields (kind, field, value, id) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO NOTHING`
    for (const [name, value] of difference(after, before))
      this.#database.run(field, kind, name, value, id)
    const link = `INSERT INTO refs (target_kind, target, kind, id, field) VALUES (?, ?, ?, ?, ?)
                  ON CONFLICT DO NOTHING`
    for (const come of links.come)
      this.#database.run(link, come.kind, come.id, kind, id, come.field)
    const unique = 'INSERT INTO uniques (kind, fields, value, id) VALUES (?, ?, ?, ?)'
    for (const { fields, value } of combinations.come)
      this.#database.run(unique, kind, fields, value, id)
    const number = 'INSERT INTO numbers (sequence, number, kind, id) VALUES (?, ?, ?, ?)'
    for (const held of numbers.come)
      this.#database.run(number, held.sequence, held.number, kind, id)
    const row =
      'INSERT INTO object_log (n, write, kind, id, before, value) VALUES (?, ?, ?, ?, ?, ?)'
    this.#database.run(row, n, version, kind, id, JSON.stringify(before), text)
  }
}

/** Field and value of what is in one and not in the other. */
function* difference(these: Save['before'], others: Save['before']): Generator<[string, string]> {
  for (const [field, values] of Object.entries(these))
    for (const value of new Set(values)) if (!others[field]?.includes(value)) yield [field, value]
}
