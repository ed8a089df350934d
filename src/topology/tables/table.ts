// A replicated table as the packet worker sees it: a local copy that never waits.  What this host
// writes shows at once; the store's word, when it comes, is final.

/** Hears of a change: undefined: there is none now, or was none before. */
export type TableListener = (
  key: string,
  value: string | undefined,
  before: string | undefined
) => void

/** A shared table as devices see it: the last writer wins. */
export interface Table {
  readonly name: string
  /** Entries in it. */
  readonly size: number
  /** The value; undefined: there is none. */
  get(key: string): string | undefined
  /** True when this host wrote the entry that now stands. */
  owns(key: string): boolean
  /** Keys and values. */
  entries(): IterableIterator<[string, string]>
  /** Shows at once here, soon at the other hosts. */
  put(key: string, value: string): void
  /** Removes this host's own entry. */
  remove(key: string): void
  /** Called for every change of what `get` answers, whoever made it. Returns how to stop. */
  onChange(listener: TableListener): () => void
}
