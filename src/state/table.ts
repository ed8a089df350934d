// The table of state records.  Two implementations keep this contract
// (test/state/table-contract.ts): one in TypeScript for the memory datapath, one in native memory,
// which other threads write as well.
//
// A handle names a record and the key it was found by: id << 1 | (1 for key B).  Slots are reused;
// `stamp` tells one tenant from the next.

/** Kinds are below this; a record of another is refused. */
export const KINDS_MAX = 16

/** Evicted records remembered until the next `expire`. */
export const EVICTED_MAX = 4096

/** What became of a `put`. */
export const Put = {
  refused: 0, // older than what is there, or there is no room for it
  added: 1,
  merged: 2, // the same record: flags were or-ed
  replaced: 3 // by a younger opening
} as const

/** Records by key: what connections have left behind. */
export interface StateTable {
  /** Records in it. */
  readonly size: number
  /** Records it takes. */
  readonly capacity: number
  /** A handle, or 0.  Of several records with this key, the one added or replaced last. */
  find(key: Int32Array, at?: number): number
  /** Copies a record.  False when the slot is empty. */
  read(id: number, into: Int32Array, at?: number): boolean
  /** 0 for an empty slot. */
  stamp(id: number): number
  /**
   * Files a record, last used `idleMs` ago.  With the same key A in the table, the one that was
   * opened later stands; of one opening and the same key B they merge (conflict.ts).  A full table
   * lets one go, of some looked at, of the port that holds most (holders.ts).  Gives Put; `lastId`
   * then names the record that stands, 0 when none does.  Who replaces gets the slot, with a stamp
   * of its own.
   */
  put(record: Int32Array, at?: number, idleMs?: number): number
  /** The record that the last `put` concerned; 0: none. */
  readonly lastId: number
  /**
   * A direction of a record was active until `idleMs` ago, with these TCP flags (or-ed).  Nothing
   * happens when the stamp is not the slot's.  True when its flags changed.
   */
  note(handle: number, stamp: number, tcpFlags: number, idleMs: number): boolean
  /** Takes a record out.  False when the stamp is not the slot's. */
  remove(id: number, stamp: number): boolean
  /**
   * Takes out what has been idle as long as it may (timeouts.ts), `max` records at most, and
   * copies them to `into` (RECORD_WORDS each).  Before them come those that were evicted since, as
   * far as they are remembered.  Gives how many.
   */
  expire(into: Int32Array, max: number): number
  /**
   * Copies live records from slot `from` on, with their idle times, ms: how many; `next` is where
   * to go on, 0 at the end.
   */
  scan(from: number, into: Int32Array, idleMs: Float64Array): number
  /** Where the next `scan` goes on; 0: it was the last. */
  readonly next: number
  /** Records evicted for want of room so far. */
  readonly evicted: number
  /** Of them, those that `expire` could not tell. */
  readonly untold: number
  /** How many there are of a kind (Kind). */
  count(kind: number): number
  /** How many there are whose openers' packets come in by this port (its number). */
  heldBy(port: number): number
  /** From now on it is empty and takes nothing. */
  close(): void
}
