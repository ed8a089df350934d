// Outcomes repeat: thousands of flows between two places have the same actions.  Equal lists are
// kept once; a kept list is never changed.

import { ACTION_WORDS, type ActionList } from './actions.ts'

const LISTS_MAX = 1024

/** Keeps one copy of each different action list: thousands of flows have the same. */
export class ActionCache {
  readonly #slots: Array<ActionList | undefined> = new Array(LISTS_MAX).fill(undefined)

  /** A list equal to this one, for keeping. */
  keep(actions: ActionList): ActionList {
    let hash = actions.count
    for (let i = actions.count * ACTION_WORDS - 1; i >= 0; i--)
      hash = (Math.imul(hash, 0x01000193) ^ actions.words[i]!) | 0
    const slot = (hash ^ (hash >>> 16)) & (LISTS_MAX - 1)
    const known = this.#slots[slot]
    if (known?.equals(actions) === true) return known
    const kept = actions.snapshot()
    this.#slots[slot] = kept
    return kept
  }
}
