// What is left of the ways between the gateways and the outside while parts of them are gone: one
// has to be left, whatever is asked for. ways-out.test.ts holds it.

import { gateways } from './plan.ts'

/** A part of ways that may be gone. */
export type Part =
  | `dead ${string}` // a gateway, or a router outside
  | `drained ${string}`
  | `cut ${string} ${string}` // of a gateway and a router

/** The ways of both gateways by all routers. */
export class WaysOut {
  readonly #routers: readonly string[]
  readonly #gone = new Set<Part>()

  /** Without routers outside each gateway is a way of its own. */
  constructor(routers: readonly string[] = ['outside']) {
    this.#routers = routers
  }

  /** Whether the part is gone. */
  isGone(part: Part): boolean {
    return this.#gone.has(part)
  }

  /** Whether there is a way without this part too. */
  canLose(part: Part): boolean {
    const gone = new Set([...this.#gone, part])
    return gateways.some(gateway =>
      this.#routers.some(
        router =>
          !gone.has(`dead ${gateway}`) &&
          !gone.has(`drained ${gateway}`) &&
          !gone.has(`dead ${router}`) &&
          !gone.has(`cut ${gateway} ${router}`)
      )
    )
  }

  /** It is gone from now on. */
  lose(part: Part): void {
    this.#gone.add(part)
  }

  /** It is there again. */
  regain(part: Part): void {
    this.#gone.delete(part)
  }

  /** What is gone, for people. */
  get gone(): string {
    return [...this.#gone].join(', ')
  }
}
