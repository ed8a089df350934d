// What one write needs of the place where objects are kept, and what it leaves there.  The rules of
// a write (defaults, references, uniqueness, sequences, versions) stand beside this file once; a
// store brings these few ways to look something up, and one to put the outcome away.

import type { ObjectId } from '../model.ts'
import type { Versioned } from '../store.ts'
import type { Indexed } from './indexing.ts'

/** An object that points at another one, by this field. */
export interface Referrer {
  /** Kind of the object that refers. */
  readonly kind: string
  readonly id: ObjectId
  /** Its field. */
  readonly field: string
}

/** A pointer as it is kept: the field that holds it and the object at its end. */
export interface Link {
  /** The field that refers. */
  readonly field: string
  /** The kind it names. */
  readonly kind: string
  readonly id: ObjectId
}

/** Values, of a group of fields, that no other object of the kind may have. */
export interface Combination {
  /** The fields of the group, joined by commas. */
  readonly fields: string
  /** Their values, as the JSON of a list. */
  readonly value: string
}

/** A number of a sequence, held by one object. */
export interface HeldNumber {
  /** The sequence. */
  readonly sequence: string
  /** The number. */
  readonly number: number
}

/** What holds no longer, and what holds from now on and did not before. */
export interface Difference<T> {
  /** What is no more. */
  readonly gone: readonly T[]
  /** What is new. */
  readonly come: readonly T[]
}

/** One changed object, with all that is kept beside it so that it can be found. */
export interface Save {
  /** The kind. */
  readonly kind: string
  readonly id: ObjectId
  /** The object as JSON; null when it is deleted. */
  readonly text: string | null
  /** The indexed fields before and after; without any where there was or is no object. */
  readonly before: Indexed
  /** Values by indexed field, as they will be. */
  readonly after: Indexed
  /** References. */
  readonly links: Difference<Link>
  /** What the object alone may have. */
  readonly combinations: Difference<Combination>
  /** Numbers of sequences. */
  readonly numbers: Difference<HeldNumber>
}

/** What a write comes to. */
export interface Outcome {
  /** The version of all its objects: one more than the last row of the log before it. */
  readonly version: number
  /** In the order of the changes; none when the write made and took back. */
  readonly saves: readonly Save[]
  /** Sequence → the number to try next. */
  readonly next: ReadonlyMap<string, number>
}

/** What a write needs of a store. */
export interface Records {
  /** The last row of the log: rows of the next write are numbered from there, one per object. */
  head(): number
  /** The object; undefined: there is none. */
  read(kind: string, id: ObjectId): Versioned | undefined
  /** Whether there is such an object. */
  exists(kind: string, id: ObjectId): boolean
  /** Who points at an object. */
  referrers(kind: string, id: ObjectId): readonly Referrer[]
  /** Who of a kind has this combination; undefined when nobody does. */
  holder(kind: string, combination: Combination): ObjectId | undefined
  /** Who has this number. */
  owner(held: HeldNumber): { readonly kind: string; readonly id: ObjectId } | undefined
  /** Where a sequence goes on; undefined when it has not begun. */
  next(sequence: string): number | undefined
  /** The first number from `from` to `max` that nobody holds. */
  free(sequence: string, from: number, max: number): number | undefined
  /** Keeps the outcome, all of it or nothing. */
  put(outcome: Outcome): void
}
