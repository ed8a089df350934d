// Objects that stand in order among their siblings, such as the rules of a chain.  Who comes to a
// taken position pushes the one there one further, and so on up to the first gap; who names none
// comes last.  Positions are kept as they are otherwise: a gap left by a deletion is harmless.

import type { Versioned } from '../../topology/store.ts'

/** Where an object goes among its siblings. */
export interface Placed {
  /** Its position. */
  readonly position: number
  /** Siblings that make room, with their new positions. */
  readonly moved: readonly { readonly object: Versioned; readonly position: number }[]
}

const FIRST = 1

/** Finds a place for an object; without a wish, the last. */
export function place(
  siblings: readonly Versioned[],
  field: string,
  wanted: number | undefined
): Placed {
  const sorted = inOrder(siblings, field)
  if (wanted === undefined) {
    const last = sorted.at(-1)
    return { position: last === undefined ? FIRST : at(last, field) + 1, moved: [] }
  }
  const moved: { object: Versioned; position: number }[] = []
  let taken = wanted
  for (const object of sorted) {
    if (at(object, field) < wanted) continue
    if (at(object, field) > taken) break
    moved.push({ object, position: ++taken })
  }
  return { position: wanted, moved }
}

/** By position; by id where two share one. */
export const inOrder = (objects: readonly Versioned[], field: string): Versioned[] =>
  [...objects].sort((a, b) => at(a, field) - at(b, field) || (a.id < b.id ? -1 : 1))

const at = (object: Versioned, field: string): number => Number(object.value[field] ?? FIRST)
