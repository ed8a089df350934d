// Members that were removed, or moved to another place, while this host knew them: their
// connections cannot go on.  A member that a connection names and this host does not know is
// another matter: another host may have heard of it first. balancer.test.ts holds it.

import { hashWith, state } from '../../../src/plugin.ts'
import type { Member, Parts } from '../parts.ts'

const { KeyWord, RecordWord } = state

const KEPT_MAX = 4096 // whose connections are told; those of the oldest time out

/** Places of members that were removed or moved, so that their clients hear of it. */
export class Departed {
  readonly #places = new Set<number>()

  /** `after` holds now. */
  note(before: Parts, after: Parts): void {
    const now = new Set(placesOf(after))
    for (const place of placesOf(before)) if (!now.has(place)) this.#places.add(place)
    for (const place of now) this.#places.delete(place)
    for (const oldest of this.#places) {
      if (this.#places.size <= KEPT_MAX) break
      this.#places.delete(oldest)
    }
  }

  /** Whether the member of a record is no longer where it was. */
  has(record: Int32Array): boolean {
    const port = record[RecordWord.b + KeyWord.ports]! >>> 16
    const word = record[RecordWord.data]!
    const at = (of: number): number => placeOf(word, record, RecordWord.b + KeyWord.src, of)
    return this.#places.has(at(port)) || this.#places.has(at(0))
  }
}

const placesOf = ({ pools }: Parts): number[] =>
  pools.flatMap(({ members }) => members.map(placeOfMember))

const placeOfMember = ({ word, words, port }: Member): number => placeOf(word, words, 0, port)

const placeOf = (word: number, words: Int32Array, at: number, port: number): number =>
  hashWith(hashWith(word, words[at]!, words[at + 1]!, words[at + 2]!), words[at + 3]!, port)
