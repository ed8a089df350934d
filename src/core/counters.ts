// Named counters, gauges and histograms. A name is claimed once, at start; the hot path then only
// adds to a slot: no map, no text, no allocation. A worker thread posts `snapshot()` as a message,
// and `exposition.ts` prints local counters and such snapshots for Prometheus.
//   const hits = counters.claim('flow.hits', 'Packets that found a flow'); hits.value++

import { fail } from './errors.ts'
import { token } from './token.ts'

/** A number that only grows. */
export class Counter {
  /** How often it happened. */
  value = 0

  /** Adds one. */
  count(): void {
    this.value++
  }
}

/** Counts observations in buckets; a bound belongs to the bucket below it, as in Prometheus. */
export class Histogram {
  /** Upper bounds of the buckets, ascending; what is above the last has a bucket of its own. */
  readonly bounds: Float64Array
  /** One more than the bounds: the last counts what is above all of them. */
  readonly buckets: Float64Array
  /** Of all values. */
  sum = 0
  /** How many values there were. */
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds).sort()
    this.buckets = new Float64Array(bounds.length + 1)
  }

  /** Puts a value into the first bucket whose bound it does not exceed. */
  observe(value: number): void {
    const { bounds } = this
    let i = 0
    while (i < bounds.length && value > bounds[i]!) i++
    this.buckets[i]!++
    this.sum += value
    this.count++
  }
}

/** What a histogram held at one moment. */
export interface HistogramSnapshot {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[]
  /** How many values in each, one more than bounds. */
  readonly buckets: readonly number[]
  /** Of all values. */
  readonly sum: number
  /** How many values there were. */
  readonly count: number
}

/** All values at one moment: plain data, so that it crosses a thread as it is. */
export interface CountersSnapshot {
  /** Numbers that only grow, by name. */
  readonly counters: Readonly<Record<string, number>>
  /** Numbers as they are now, by name. */
  readonly gauges: Readonly<Record<string, number>>
  /** Distributions, by name. */
  readonly histograms: Readonly<Record<string, HistogramSnapshot>>
  /** A sentence for each name. */
  readonly help: Readonly<Record<string, string>>
}

interface Gauge {
  readonly read: () => number
}

interface GaugeFamily {
  readonly label: string
  readonly read: () => Iterable<readonly [value: string, number]>
}

// Names come from code, a few hundred of them. The limit keeps a name built from a packet or a
// port from eating the memory of the process and of whoever scrapes it.
const NAMES_MAX = 4096
// Of one family, in a snapshot.
const FAMILY_MAX = 1024
const NAME = /^[a-z][a-z0-9]*([.-][a-z0-9]+)*$/

/** Where rooms and plugins claim their counters, gauges and histograms. */
export interface Counters {
  /**
   * The counter of that name; a second claim of the name gives the same one. It only ever grows.
   */
  claim(name: string, help?: string): Counter
  /** A value that goes up and down, read when somebody looks. */
  gauge(name: string, read: () => number, help?: string): void
  /**
   * Values of one name that go up and down, told apart by what a label says: read when somebody
   * looks, as many as there are then.
   */
  gauges(name: string, label: string, read: GaugeFamily['read'], help?: string): void
  /** A histogram over the given upper bounds; the unit ends the name: `walk.us`. */
  histogram(name: string, bounds: readonly number[], help?: string): Histogram
  /** What a counter or gauge holds now; 0 when nobody claimed it. For tests and tables. */
  value(name: string): number
  /** All of them as they are now. */
  snapshot(): CountersSnapshot
}
export const Counters = token<Counters>('counters')

/** The counters of one thread. */
export class CounterTable implements Counters {
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()
  readonly #families = new Map<string, GaugeFamily>()
  readonly #histograms = new Map<string, Histogram>()
  readonly #kinds = new Map<string, string>()
  readonly #help = new Map<string, string>()

  claim(name: string, help = ''): Counter {
    return this.#once(this.#counters, name, 'counter', help, () => new Counter())
  }

  gauge(name: string, read: () => number, help = ''): void {
    if (this.#kinds.has(name))
      throw fail('COUNTER_KIND', { name, actual: this.#kinds.get(name)!, expected: 'new gauge' })
    this.#once(this.#gauges, name, 'gauge', help, () => ({ read }))
  }

  gauges(name: string, label: string, read: GaugeFamily['read'], help = ''): void {
    if (this.#kinds.has(name))
      throw fail('COUNTER_KIND', { name, actual: this.#kinds.get(name)!, expected: 'new gauges' })
    this.#once(this.#families, name, 'gauges', help, () => ({ label, read }))
  }

  histogram(name: string, bounds: readonly number[], help = ''): Histogram {
    return this.#once(this.#histograms, name, 'histogram', help, () => new Histogram(bounds))
  }

  value(name: string): number {
    return this.#counters.get(name)?.value ?? this.#gauges.get(name)?.read() ?? 0
  }

  snapshot(): CountersSnapshot {
    return {
      counters: record(this.#counters, counter => counter.value),
      gauges: { ...record(this.#gauges, gauge => gauge.read()), ...this.#labelled() },
      histograms: record(this.#histograms, ({ bounds, buckets, sum, count }) => ({
        bounds: [...bounds],
        buckets: [...buckets],
        sum,
        count
      })),
      help: record(this.#help, help => help)
    }
  }

  // `name|label|value`: a name has no bar.
  #labelled(): Record<string, number> {
    const all: [string, number][] = []
    for (const [name, { label, read }] of this.#families)
      for (const [value, number] of [...read()].slice(0, FAMILY_MAX))
        all.push([`${name}|${label}|${value}`, number])
    return Object.fromEntries(all)
  }

  #once<T>(map: Map<string, T>, name: string, kind: string, help: string, make: () => T): T {
    const actual = this.#kinds.get(name)
    if (actual !== undefined && actual !== kind)
      throw fail('COUNTER_KIND', { name, actual, expected: kind })
    if (help !== '') this.#help.set(name, help)
    let slot = map.get(name)
    if (slot === undefined) {
      if (!NAME.test(name)) throw fail('COUNTER_NAME', { name })
      if (this.#kinds.size >= NAMES_MAX)
        throw fail('LIMIT', { what: 'the list of counters', limit: NAMES_MAX })
      this.#kinds.set(name, kind)
      map.set(name, (slot = make()))
    }
    return slot
  }
}

/** In order of name, so that two snapshots print alike. */
const record = <T, U>(map: Map<string, T>, read: (slot: T) => U): Record<string, U> =>
  Object.fromEntries(
    [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, slot]) => [name, read(slot)])
  )
