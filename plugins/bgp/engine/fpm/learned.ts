// What is learned, as it stands: the changes of each frame go in, and when zebra has told all again
// after a break, what it did not name any more goes out. learned.test.ts holds it.

import type { RouteChange, RouteUpdate } from '../engine.ts'

/** The learned routes of one speaker. */
export class LearnedRoutes {
  readonly #routes = new Map<string, { readonly change: RouteChange; readonly round: number }>()
  #round = 0
  #isComplete = false
  #listener: ((update: RouteUpdate) => void) | null = null

  /** How many there are. */
  get size(): number {
    return this.#routes.size
  }

  /** Calls with all there is, and from then on with changes. */
  listen(listener: (update: RouteUpdate) => void): void {
    this.#listener = listener
    const changes = [...this.#routes.values()].map(({ change }) => change)
    if (changes.length > 0 || this.#isComplete) listener({ changes, isComplete: this.#isComplete })
  }

  /** All is about to be told anew. */
  begin(): void {
    this.#round++
  }

  /** Takes what one frame changes. */
  take(changes: readonly RouteChange[]): void {
    for (const change of changes)
      if (change.hops.length === 0) this.#routes.delete(change.prefix)
      else this.#routes.set(change.prefix, { change, round: this.#round })
    if (changes.length > 0) this.#listener?.({ changes, isComplete: this.#isComplete })
  }

  /** All has been told: what was not named since `begin` is withdrawn. */
  complete(): void {
    const stale = [...this.#routes].filter(([, { round }]) => round !== this.#round)
    for (const [prefix] of stale) this.#routes.delete(prefix)
    this.#isComplete = true
    const changes = stale.map(([prefix]) => ({ prefix, hops: [] }))
    this.#listener?.({ changes, isComplete: true })
  }
}
