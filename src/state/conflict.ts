// Two records with one key A: which of them stands.  Hosts hear of records in different orders and
// must end with the same one, so this is a join: any order of the same records gives one winner.
// (Flags are or-ed as records of one key B meet; those of a loser that met another first are lost,
// and the connection's next packets tell them anew.)  native/addon/state-rules.c says the same.

import { KEY_WORDS, RecordWord, sameKey } from './record.ts'
import { Put } from './table.ts'

/** What becomes of record[from] when words[at], with the same key A, is there already. */
export function judge(words: Int32Array, at: number, record: Int32Array, from: number): number {
  const generation = RecordWord.generation
  const newer = unsigned(record[from + generation]!, words[at + generation]!)
  if (newer !== 0) return newer > 0 ? Put.replaced : Put.refused
  if (sameKey(words, at + RecordWord.b, record, from + RecordWord.b)) return Put.merged
  const age = byAge(record, from, words, at)
  return (age !== 0 ? age : byReturn(record, from, words, at)) < 0 ? Put.replaced : Put.refused
}

/** Merges record[from] into words[at]: the older one's words, of twins the larger; all flags. */
export function merge(words: Int32Array, at: number, record: Int32Array, from: number): void {
  const age = byAge(record, from, words, at)
  words[at + RecordWord.flags]! |= record[from + RecordWord.flags]!
  for (let i = RecordWord.born; i <= RecordWord.data; i++) {
    const theirs = record[from + i]!
    const isTheirs = age !== 0 ? age < 0 : unsigned(theirs, words[at + i]!) > 0
    if (isTheirs) words[at + i] = theirs
  }
}

/** Below 0: the first is older. */
function byAge(a: Int32Array, at: number, b: Int32Array, bt: number): number {
  const born = unsigned(a[at + RecordWord.born]!, b[bt + RecordWord.born]!)
  return born !== 0 ? born : unsigned(a[at + RecordWord.owner]!, b[bt + RecordWord.owner]!)
}

function byReturn(a: Int32Array, at: number, b: Int32Array, bt: number): number {
  for (let i = RecordWord.b; i < RecordWord.b + KEY_WORDS; i++) {
    const order = unsigned(a[at + i]!, b[bt + i]!)
    if (order !== 0) return order
  }
  return 0
}

const unsigned = (a: number, b: number): number => (a >>> 0) - (b >>> 0)
