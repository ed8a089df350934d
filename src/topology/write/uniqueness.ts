// No two objects of a kind have the same values in a unique group of fields.  All old combinations
// of a write are free before the new ones are taken: two objects may swap theirs.
// test/store/sqlite.test.ts holds it.

import { fail } from '../../core/errors.ts'
import type { Draft } from './drafts.ts'
import { combinationKey, combinations, difference } from './indexing.ts'
import type { Combination, Difference, Records } from './records.ts'

/** Refuses what two objects may not both have. */
export class Uniqueness {
  readonly #records: Records
  readonly #freed: Set<string>
  readonly #taken = new Map<string, string>() // key → id

  constructor(records: Records, changed: readonly Draft[]) {
    this.#records = records
    this.#freed = new Set(changed.flatMap(draft => before(draft).map(c => keyOf(draft, c))))
  }

  /** Takes what an object alone may have after the write; throws EXISTS when another has it. */
  take(draft: Draft): Difference<Combination> {
    const { model, id, after } = draft
    const come = after === undefined ? [] : combinations(model, after)
    for (const combination of come) {
      const key = keyOf(draft, combination)
      const other = this.#taken.get(key) ?? this.#holder(key, model.kind, combination)
      if (other !== undefined) {
        const { fields, value } = combination
        const wanted = `(wanted for ${id}, taken by ${other})`
        throw fail('EXISTS', {
          kind: model.kind,
          id: `with ${fields} ${value.slice(1, -1)} ${wanted}`
        })
      }
      this.#taken.set(key, id)
    }
    return difference(before(draft), come, combinationKey)
  }

  #holder(key: string, kind: string, combination: Combination): string | undefined {
    return this.#freed.has(key) ? undefined : this.#records.holder(kind, combination)
  }
}

const before = ({ model, before }: Draft): Combination[] =>
  before === undefined ? [] : combinations(model, before.value)

const keyOf = ({ model }: Draft, combination: Combination): string =>
  `${model.kind} ${combinationKey(combination)}`
