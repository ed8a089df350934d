// What a port waits for before it is activated. Whoever has to prepare something for a port adds
// its question here; bindings ask them all.

import type { PortModel } from '../../topology/models.ts'

type IsReady = (port: PortModel) => boolean

/** What ports wait for before they are activated. */
export class Readiness {
  readonly #questions: IsReady[] = []

  /**
   * A port is not activated until this gives true. The first question about a port makes sure that
   * it soon will, and whoever makes it so says `portReady` or `bindingsChanged` (events.ts).
   */
  requires(isReady: IsReady): void {
    this.#questions.push(isReady)
  }

  /** A question is asked when those before it were answered with yes. */
  isReady(port: PortModel): boolean {
    return this.#questions.every(isReady => isReady(port))
  }
}
