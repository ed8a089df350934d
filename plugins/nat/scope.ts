// The scopes of translations: the device whose chains are being run.  A translation of one router
// says nothing of another. nat/world.test.ts holds it.

import { type Scope, type SimulationContext, state } from '../../src/plugin.ts'

/** A key to write into. */
export const newKey = (): Int32Array => new Int32Array(state.KEY_WORDS)

const SCOPES_MAX = 65_536

/** Keys of translations hold in one device: its id in words, made once. */
export class Scopes {
  readonly #kind: number
  readonly #scopes = new Map<string, Scope>()

  constructor(kind: number) {
    this.#kind = kind
  }

  /** The scope of the device where the packet is. */
  of(ctx: SimulationContext): Scope {
    const { device } = ctx.inPort
    let scope = this.#scopes.get(device)
    if (scope === undefined) {
      if (this.#scopes.size >= SCOPES_MAX) this.#scopes.clear()
      scope = { kind: this.#kind, words: state.scopeOf(device) }
      this.#scopes.set(device, scope)
    }
    return scope
  }
}
