// What is learned, as it stands: the changes of each frame go in, and when zebra has told all again
// after a break, what it did not name any more goes out. A zebra that was restarted takes back what
// it found, and puts it again as soon as bgpd has told it: until all is told nothing is withdrawn.
// learned.test.ts holds it.

import type { RouteChange, RouteUpdate } from '../engine.ts'

const UNNAMED = -1 // in no round

/** The learned routes of one speaker. */
export class LearnedRoutes {
  readonly #routes = new Map<string, { readonly change: RouteChange; readonly round: number }>()
  #round = 0
  #isHolding = false // a round goes on after a break
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
    this.#isHolding = this.#routes.size > 0
  }

  /** Takes what one frame changes. */
  take(changes: readonly RouteChange[]): void {
    const told = changes.filter(change => this.#isTaken(change))
    if (told.length > 0) this.#listener?.({ changes: told, isComplete: this.#isComplete })
  }

  /** All has been told: what was not named since `begin` is withdrawn. */
  complete(): void {
    const stale = [...this.#routes].filter(([, { round }]) => round !== this.#round)
    for (const [prefix] of stale) this.#routes.delete(prefix)
    this.#isComplete = true
    this.#isHolding = false
    const changes = stale.map(([prefix]) => ({ prefix, hops: [] }))
    this.#listener?.({ changes, isComplete: true })
  }

  #isTaken(change: RouteChange): boolean {
    const { prefix, hops } = change
    const known = this.#routes.get(prefix)
    if (hops.length > 0) this.#routes.set(prefix, { change, round: this.#round })
    else if (!this.#isHolding) this.#routes.delete(prefix)
    else if (known !== undefined) this.#routes.set(prefix, { ...known, round: UNNAMED })
    return hops.length > 0 || !this.#isHolding
  }
}
