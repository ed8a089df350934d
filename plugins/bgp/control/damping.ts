// Ways out that come and go: one that was lost is taken again at once, one that was lost again soon
// after is taken last until it has been steady for a while, twice as long after each failure. In
// the spirit of RFC 2439, but never suppressed: a way that flaps is better than none.
// damping.test.ts holds it.

import type { Clock, Timer } from '../../../src/control.ts'

/** How it is damped. */
export interface DampingSettings {
  /** So long after the second failure; 0: never. */
  readonly dampFirstMs: number
  /** So long at most. */
  readonly dampMaxMs: number
  /** Without a failure for so long all of them are forgotten. */
  readonly dampForgetMs: number
}

const WAYS_MAX = 1024 // of which failures are remembered

interface Memory {
  flaps: number
  lastMs: number // that it was lost, or came back
  isHere: boolean
  holdMs: number
  hold: Timer | null // while it is to be steady
}

/** The ways of one port, by the addresses of next hops. */
export class Damping {
  readonly #clock: Clock
  readonly #settings: DampingSettings
  readonly #changed: (way: string) => void
  readonly #byWay = new Map<string, Memory>()
  readonly #meant = new Set<string>() // those that are to go

  /** `changed`: one is damped no more. */
  constructor(clock: Clock, settings: DampingSettings, changed: (way: string) => void) {
    this.#clock = clock
    this.#settings = settings
    this.#changed = changed
  }

  /** It was there, and is not any more. */
  lost(way: string): void {
    if (this.#meant.has(way)) return
    this.#forgetOld()
    const known = this.#byWay.get(way)
    if (known === undefined && this.#byWay.size >= WAYS_MAX) return
    known?.hold?.cancel()
    const flaps = (known?.flaps ?? 0) + 1
    const lastMs = this.#clock.now()
    this.#byWay.set(way, { flaps, lastMs, isHere: false, holdMs: 0, hold: null })
  }

  /** It is there, or there again; whether it is damped. */
  found(way: string): boolean {
    this.#meant.delete(way)
    this.#forgetOld()
    const known = this.#byWay.get(way)
    if (known === undefined || known.isHere) return this.isDamped(way)
    known.isHere = true
    known.lastMs = this.#clock.now()
    known.holdMs = this.#holdAfter(known.flaps)
    if (known.holdMs > 0) known.hold = this.#clock.after(known.holdMs, () => this.#release(way))
    return this.isDamped(way)
  }

  /** It is taken away on purpose: what it did does not count, nor that it goes. */
  forget(way: string): void {
    const wasDamped = this.isDamped(way)
    this.#drop(way)
    if (this.#meant.size < WAYS_MAX) this.#meant.add(way)
    if (wasDamped) this.#changed(way)
  }

  /** All of them; nobody is told. */
  forgetAll(): void {
    for (const way of [...this.#byWay.keys()]) this.#drop(way)
  }

  /** It is there, and is to be taken last. */
  isDamped(way: string): boolean {
    return (this.#byWay.get(way)?.hold ?? null) !== null
  }

  /** Why it is taken last; null: it is not. */
  reason(way: string): string | null {
    const known = this.#byWay.get(way)
    if (known === undefined || known.hold === null) return null
    return `damped for ${known.holdMs / 1000} s: ${known.flaps} flaps`
  }

  #drop(way: string): void {
    this.#byWay.get(way)?.hold?.cancel()
    this.#byWay.delete(way)
  }

  #release(way: string): void {
    const known = this.#byWay.get(way)
    if (known === undefined) return
    known.hold = null
    this.#changed(way)
  }

  #holdAfter(flaps: number): number {
    const { dampFirstMs, dampMaxMs } = this.#settings
    return flaps < 2 ? 0 : Math.min(dampFirstMs * 2 ** (flaps - 2), dampMaxMs)
  }

  #forgetOld(): void {
    const before = this.#clock.now() - this.#settings.dampForgetMs
    for (const [way, { lastMs, hold }] of this.#byWay)
      if (lastMs < before && hold === null) this.#byWay.delete(way)
  }
}
