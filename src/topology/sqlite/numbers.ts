// Numbers the store gives out, such as the tunnel key of a port.  They go round: a number that
// became free is the last to be given again, because hosts may still know it by its old owner.

import { fail, show } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import { invalid } from '../validation.ts'
import type { Database } from './database.ts'
import type { Draft } from './write.ts'

type Sequence = Model['sequences'][string]

export class Numbers {
  readonly #database: Database
  readonly #taken: { sequence: string; number: number; kind: string; id: string }[] = []

  constructor(database: Database) {
    this.#database = database
  }

  /** A new object with its absent numbers filled in. */
  fill(model: Model, value: Stored): Stored {
    let filled = value
    for (const [field, sequence] of Object.entries(model.sequences)) {
      const given = value[field]
      const number = given === undefined ? this.#next(sequence) : Number(given)
      this.#take(sequence.sequence, number, model.kind, value.id, field)
      if (given === undefined) filled = { ...filled, [field]: number }
    }
    return filled
  }

  /** An update keeps the numbers; naming another one is refused. */
  keep(model: Model, value: Stored, current: Stored): Stored {
    let kept = value
    for (const field of Object.keys(model.sequences)) {
      if (value[field] === undefined) kept = { ...kept, [field]: current[field] }
      else if (value[field] !== current[field]) {
        const expected = `${show(current[field])}, which it got when it was made`
        throw invalid(model.kind, value.id, [{ field, value: value[field], expected }])
      }
    }
    return kept
  }

  /** Gives back the numbers of objects that are no more. */
  settle(drafts: ReadonlyMap<string, Draft>): void {
    for (const { model, id, before, after } of drafts.values())
      for (const [field, { sequence }] of Object.entries(model.sequences)) {
        const number = before?.value[field]
        if (typeof number === 'number' && after?.[field] !== number)
          this.#giveBack(sequence, number, model.kind, id)
      }
    for (const { sequence, number, kind, id } of this.#taken)
      if (drafts.get(`${kind} ${id}`)?.after === undefined)
        this.#giveBack(sequence, number, kind, id)
  }

  #take(sequence: string, number: number, kind: string, id: string, field: string): void {
    const sql = `INSERT INTO numbers (sequence, number, kind, id) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET id = excluded.id
                 WHERE kind = excluded.kind AND id = excluded.id`
    if (this.#database.run(sql, sequence, number, kind, id) === 0)
      throw fail('EXISTS', { kind, id: `with ${field} ${number} (wanted for ${id})` })
    this.#taken.push({ sequence, number, kind, id })
  }

  #giveBack(sequence: string, number: number, kind: string, id: string): void {
    const sql = 'DELETE FROM numbers WHERE sequence = ? AND number = ? AND kind = ? AND id = ?'
    this.#database.run(sql, sequence, number, kind, id)
  }

  #next({ sequence, min, max }: Sequence): number {
    const held = 'SELECT next FROM sequences WHERE name = ?'
    const start = this.#database.get<{ next: number }>(held, sequence)?.next ?? min
    const number = this.#free(sequence, start, max) ?? this.#free(sequence, min, max)
    if (number === undefined)
      throw fail('LIMIT', { what: `the sequence ${sequence}`, limit: max - min + 1 })
    const keep = `INSERT INTO sequences (name, next) VALUES (?, ?)
                  ON CONFLICT DO UPDATE SET next = excluded.next`
    this.#database.run(keep, sequence, number < max ? number + 1 : min)
    return number
  }

  // The first free number from..max: `from` itself, or what follows a taken one.
  #free(sequence: string, from: number, max: number): number | undefined {
    const taken = 'SELECT 1 FROM numbers WHERE sequence = ? AND number = ?'
    if (from <= max && this.#database.get(taken, sequence, from) === undefined) return from
    const gap = `SELECT a.number + 1 AS number FROM numbers a
                 WHERE a.sequence = ? AND a.number >= ? AND a.number < ? AND NOT EXISTS
                 (SELECT 1 FROM numbers b WHERE b.sequence = a.sequence AND b.number = a.number + 1)
                 ORDER BY a.number LIMIT 1`
    return this.#database.get<{ number: number }>(gap, sequence, from, max)?.number
  }
}
