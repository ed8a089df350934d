// One watch: first everything that is there, then each change, none missed and none twice.
//
//   loading ──► delivering pages ──► live
//      ▲                              │ fell behind the trimmed log
//      └──────────────────────────────┘ (loads again and tells only the difference)
//
// A snapshot may be larger than one turn of the event loop allows, and others write meanwhile.  So
// pages are read at different moments, and the log of that time is laid over them: the outcome is
// the state of one moment, `position`.  Later changes come from the log alone.
// test/store/sqlite.test.ts holds it.

import type { Pace } from '../../core/pace.ts'

/** What has become of a key: an event to tell, or nothing when it is gone. */
export interface Step<E> {
  /** Row of the log. */
  readonly n: number
  /** Rows of one write share it. */
  readonly write: number
  /** What changed. */
  readonly key: string
  /** The version it has since. */
  readonly version: number
  /** The event to tell; undefined: it is gone. */
  readonly put: (() => E) | undefined
}

/** Something that there is. */
export interface Item<E> {
  /** Its key. */
  readonly key: string
  /** Its version. */
  readonly version: number
  /** The event to tell. */
  readonly event: () => E
}

/** What a cursor follows: a part of the store, as it is and as it changes. */
export interface Source<E> {
  /** Runs a job on one state of the database. */
  read<T>(job: () => T): T
  /** Row numbers of the log: the newest, and the first that is still there. */
  head(): number
  /** The oldest change that can still be read. */
  oldest(): number
  /** At most PAGE items whose key comes after the given one, in key order. */
  page(after: string): Item<E>[]
  /** The next changes after this row of the log: whole writes; fewer than STEPS: all there are. */
  since(position: number): Step<E>[]
  /** The event that tells of a removal. */
  gone(key: string): E
}

/** Items read at once. */
export const PAGE = 256
/** Changes read at once. */
export const STEPS = 1024

/** Tells one watcher what there is, then every change in order, none twice, none missed. */
export class WatchCursor<E> {
  /** Resolves when all that there is has been told. */
  readonly ready: Promise<void>
  readonly #source: Source<E>
  readonly #listener: (events: readonly E[]) => void
  readonly #known = new Map<string, number>() // key → version told
  #position = 0
  #live = false
  #closed = false
  #loading = false
  #isReady: () => void = () => {}

  constructor(source: Source<E>, listener: (events: readonly E[]) => void) {
    this.#source = source
    this.#listener = listener
    this.ready = new Promise(resolve => {
      this.#isReady = resolve
    })
  }

  /** Whether changes are told as they come. */
  get live(): boolean {
    return this.#live
  }

  /** Tells nothing more. */
  close(): void {
    this.#closed = true
    this.#live = false
    this.#known.clear()
    this.#isReady()
  }

  /** Brings the listener from what it knows to what is.  Throws when the store cannot be read. */
  async load(pace: Pace): Promise<void> {
    if (this.#loading) return
    this.#loading = true
    this.#live = false
    try {
      while (!this.#closed && !(await this.#attempt(pace))) await pace.breathe()
    } finally {
      this.#loading = false
    }
  }

  /** Changes of one write, from the log, in order. */
  apply(steps: readonly Step<E>[]): void {
    const events: E[] = []
    for (const step of steps) {
      if (step.n <= this.#position) continue
      if (step.put === undefined) {
        if (this.#known.delete(step.key)) events.push(this.#source.gone(step.key))
      } else if (this.#known.get(step.key) !== step.version) {
        this.#known.set(step.key, step.version)
        events.push(step.put())
      }
    }
    this.#tell(events)
  }

  // False when the log was trimmed under its feet.
  async #attempt(pace: Pace): Promise<boolean> {
    const state = await this.#snapshot(pace)
    if (state === undefined) return false
    for (const events of this.#difference(state)) {
      this.#tell(events)
      await pace.breathe()
      if (this.#closed) return true
    }
    // What was written meanwhile; from there on the feed brings every change.
    return this.#advance(
      pace,
      steps => {
        for (const write of byWrite(steps)) this.apply(write)
      },
      () => {
        this.#live = true
        this.#isReady()
      }
    )
  }

  async #snapshot(pace: Pace): Promise<Map<string, Item<E>> | undefined> {
    const state = new Map<string, Item<E>>()
    const source = this.#source
    const begin = source.read(() => ({ head: source.head(), page: source.page('') }))
    let { page } = begin
    this.#position = begin.head
    for (;;) {
      for (const item of page) state.set(item.key, item)
      if (page.length < PAGE) break
      await pace.breathe()
      if (this.#closed) return undefined
      page = source.page(page.at(-1)!.key)
    }
    const isWhole = await this.#advance(pace, steps => {
      for (const { key, version, put } of steps)
        if (put === undefined) state.delete(key)
        else state.set(key, { key, version, event: put })
    })
    return isWhole ? state : undefined
  }

  // Goes through the log to its end.  `arrived` runs in the turn that found the end, because the
  // next write may come in the turn after.  False when rows it needs were trimmed, or when closed.
  async #advance(
    pace: Pace,
    take: (steps: readonly Step<E>[]) => void,
    arrived: () => void = () => {}
  ): Promise<boolean> {
    const source = this.#source
    while (!this.#closed) {
      const next = source.read(() => {
        if (source.oldest() > this.#position + 1) return undefined
        const steps = source.since(this.#position)
        return { steps, end: steps.length < STEPS ? source.head() : steps.at(-1)!.n }
      })
      if (next === undefined) return false
      take(next.steps)
      this.#position = next.end
      if (next.steps.length < STEPS) {
        if (!this.#closed) arrived()
        return true
      }
      await pace.breathe()
    }
    return false
  }

  // What is gone comes first.  What is told is known from then on.
  *#difference(state: Map<string, Item<E>>): Generator<E[]> {
    let events: E[] = []
    for (const key of this.#known.keys())
      if (!state.has(key)) {
        this.#known.delete(key)
        events.push(this.#source.gone(key))
      }
    for (const { key, version, event } of state.values()) {
      if (this.#known.get(key) === version) continue
      this.#known.set(key, version)
      if (events.push(event()) < PAGE) continue
      yield events
      events = []
    }
    if (events.length > 0) yield events
  }

  #tell(events: readonly E[]): void {
    if (events.length === 0 || this.#closed) return
    try {
      this.#listener(events)
    } catch (error) {
      // Our fault, not the store's: the process ends, but other listeners have heard.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

/** The steps of each write together, in order. */
export function* byWrite<S extends { readonly write: number }>(
  steps: readonly S[]
): Generator<S[]> {
  for (let from = 0, to = 0; from < steps.length; from = to) {
    while (to < steps.length && steps[to]!.write === steps[from]!.write) to++
    yield steps.slice(from, to)
  }
}
