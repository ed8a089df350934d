// Objects that stand in order among their siblings, such as the rules of a chain.  Who comes to a
// taken position pushes the one there one further, and so on up to the first gap; who names none
// comes last.  Positions are kept as they are otherwise: a gap left by a deletion is harmless.

import type { Versioned } from '../../topology/store.ts'

/** A sibling that makes room, and where it goes. */
export interface Moved {
  /** As it is stored. */
  readonly object: Versioned
  /** Its new position. */
  readonly position: number
}

interface Standing {
  readonly id: string
  readonly stored: Versioned | undefined // undefined: it has come
  position: number
}

const FIRST = 1

/** Siblings in their order, of those that are stored and of those that come to them. */
export class Siblings {
  readonly #field: string
  readonly #sorted: Standing[]

  constructor(stored: readonly Versioned[], field: string) {
    this.#field = field
    this.#sorted = inOrder(stored, field).map(object => ({
      ...{ id: object.id, stored: object, position: at(object, field) }
    }))
  }

  /** One more comes; without a wish, as the last. */
  add(id: string, wanted: number | undefined): void {
    const all = this.#sorted
    const last = all.at(-1)?.position
    const position = wanted ?? (last === undefined ? FIRST : last + 1)
    const from = wanted === undefined ? all.length : this.#firstFrom(position)
    for (let i = from, taken = position; i < all.length && all[i]!.position <= taken; i++)
      all[i]!.position = ++taken
    all.splice(from, 0, { id, stored: undefined, position })
  }

  /** Positions of those that have come, by id. */
  get come(): ReadonlyMap<string, number> {
    const come = this.#sorted.filter(({ stored }) => stored === undefined)
    return new Map(come.map(({ id, position }) => [id, position]))
  }

  /** Those that are stored and have made room. */
  get moved(): Moved[] {
    return this.#sorted.flatMap(({ stored: object, position }) =>
      object === undefined || at(object, this.#field) === position ? [] : [{ object, position }]
    )
  }

  #firstFrom(position: number): number {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sorted[middle]!.position < position) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** By position; by id where two share one. */
export const inOrder = (objects: readonly Versioned[], field: string): Versioned[] =>
  [...objects].sort((a, b) => at(a, field) - at(b, field) || (a.id < b.id ? -1 : 1))

const at = (object: Versioned, field: string): number => Number(object.value[field] ?? FIRST)
