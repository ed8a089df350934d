// Two records with one key A: which of them stands.  The one whose opening is younger, and of two
// opened in one moment (two hosts heard the same first packet) the one of the greater owner, then
// of the greater key B.  Hosts hear of records in different orders and must end with the same one,
// so this is a join: any order of the same records gives one winner.  A record whose opening nobody
// saw (`born` 0: a connection picked up in its middle) is older than any that was seen to open.
// native/addon/state/rules.c says the same.

import { KEY_WORDS, RecordWord, sameKey } from './record.ts'
import { Put } from './table.ts'

/** What becomes of record[from] when words[at], with the same key A, is there already. */
export function judge(words: Int32Array, at: number, record: Int32Array, from: number): number {
  const age = byOpening(record, from, words, at)
  if (age === 0 && sameKey(words, at + RecordWord.b, record, from + RecordWord.b)) return Put.merged
  return (age !== 0 ? age : byReturn(record, from, words, at)) > 0 ? Put.replaced : Put.refused
}

/** Merges record[from] into words[at], of one opening: all flags, and of each word the larger. */
export function merge(words: Int32Array, at: number, record: Int32Array, from: number): void {
  words[at + RecordWord.flags]! |= record[from + RecordWord.flags]!
  for (let i = RecordWord.ingress; i <= RecordWord.data; i++) {
    const theirs = record[from + i]!
    if (unsigned(theirs, words[at + i]!) > 0) words[at + i] = theirs
  }
}

/**
 * When record[at] was opened, written into it: now, by the wall's clock, but after what it
 * succeeds, whose moment it carries (StateAccess.put).  `isSeen`: its packet opens connections; the
 * successor of what is in its middle is of the same opening.
 */
export function openAt(record: Int32Array, at: number, wallMs: number, isSeen: boolean): void {
  const born = record[at + RecordWord.born]! >>> 0
  const second = Math.floor(wallMs / 1000)
  if (!isSeen || second < born) return
  const moment = Math.floor(wallMs % 1000) * MOMENTS
  const generation = record[at + RecordWord.generation]! >>> 0
  record[at + RecordWord.born] = second
  if (second > born || moment > generation) record[at + RecordWord.generation] = moment
}

const MOMENTS = 2 ** 16 // generations in a millisecond

/** Above 0: the first was opened later. */
function byOpening(a: Int32Array, at: number, b: Int32Array, bt: number): number {
  for (const word of [RecordWord.born, RecordWord.generation, RecordWord.owner]) {
    const order = unsigned(a[at + word]!, b[bt + word]!)
    if (order !== 0) return order
  }
  return 0
}

function byReturn(a: Int32Array, at: number, b: Int32Array, bt: number): number {
  for (let i = RecordWord.b; i < RecordWord.b + KEY_WORDS; i++) {
    const order = unsigned(a[at + i]!, b[bt + i]!)
    if (order !== 0) return order
  }
  return 0
}

const unsigned = (a: number, b: number): number => (a >>> 0) - (b >>> 0)
