// Numbers the store gives out, such as the tunnel key of a port.  They go round: a number that
// became free is the last to be given again, because hosts may still know it by its old owner.
// test/store/sqlite.test.ts holds it.

import { fail, show } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import { invalid } from '../validation.ts'
import { numberKey } from './indexing.ts'
import type { HeldNumber, Records } from './records.ts'

type Sequence = Model['sequences'][string]

interface Owner {
  readonly kind: string
  readonly id: string
}

/** Gives out the numbers of sequences. */
export class Numbers {
  readonly #records: Records
  readonly #taken = new Map<string, Owner>() // within this write, also by what it deletes again
  readonly #next = new Map<string, number>()

  constructor(records: Records) {
    this.#records = records
  }

  /** Where the sequences that were asked go on. */
  get next(): ReadonlyMap<string, number> {
    return this.#next
  }

  /** A new object with its absent numbers filled in. */
  fill(model: Model, value: Stored): Stored {
    let filled = value
    for (const [field, sequence] of Object.entries(model.sequences)) {
      const given = value[field]
      const number = given === undefined ? this.#draw(sequence) : Number(given)
      this.#take({ sequence: sequence.sequence, number }, model.kind, value.id, field)
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

  #take(held: HeldNumber, kind: string, id: string, field: string): void {
    const owner = this.#taken.get(numberKey(held)) ?? this.#records.owner(held)
    if (owner !== undefined && (owner.kind !== kind || owner.id !== id))
      throw fail('EXISTS', { kind, id: `with ${field} ${held.number} (wanted for ${id})` })
    this.#taken.set(numberKey(held), { kind, id })
  }

  #draw({ sequence, min, max }: Sequence): number {
    const start = this.#next.get(sequence) ?? this.#records.next(sequence) ?? min
    const number = this.#free(sequence, start, max) ?? this.#free(sequence, min, max)
    if (number === undefined)
      throw fail('LIMIT', { what: `the sequence ${sequence}`, limit: max - min + 1 })
    this.#next.set(sequence, number < max ? number + 1 : min)
    return number
  }

  // Free in the records, and not given out by this write either.
  #free(sequence: string, from: number, max: number): number | undefined {
    let number = this.#records.free(sequence, from, max)
    while (number !== undefined && this.#taken.has(numberKey({ sequence, number })))
      number = number < max ? this.#records.free(sequence, number + 1, max) : undefined
    return number
  }
}
