// Whether a member is up, by the outcomes of its checks.  It takes several in a row to change; one
// that keeps going up and down is kept down longer each time, up to a bound, until it has stayed up
// for a while.  The first outcome ever decides by itself: nothing is known that could be upset.
//
//   up ── fallCount failures ──► down ── riseCount successes, not before the hold is over ──► up
// health.test.ts holds it.

/** How many results it takes to believe one. */
export interface DampingRules {
  /** Good results in a row until a member is up. */
  readonly riseCount: number
  /** Bad ones until it is down. */
  readonly fallCount: number
  /** Of the second fall in a row; doubles. */
  readonly holdMs: number
  /** The longest time a member that comes and goes is kept down. */
  readonly holdMsMax: number
  /** Up for so long, and what was is forgotten. */
  readonly calmMs: number
}

/** Whether one member counts as up, by its results so far. */
export class Damping {
  /** undefined: nothing is known yet. */
  isUp: boolean | undefined
  #streak = 0 // outcomes in a row that speak against what is
  #flaps = 0
  #changedMs = 0
  #heldUntilMs = 0

  constructor(isUp: boolean | undefined, nowMs: number) {
    this.isUp = isUp
    this.#changedMs = nowMs
  }

  /** True when the member has just gone up or down. */
  heard(isWell: boolean, nowMs: number, rules: DampingRules): boolean {
    if (this.isUp === undefined) return this.#become(isWell, nowMs, rules)
    if (isWell === this.isUp) {
      this.#streak = 0
      return false
    }
    this.#streak++
    if (this.#streak < (isWell ? rules.riseCount : rules.fallCount)) return false
    if (isWell && nowMs < this.#heldUntilMs) return false
    return this.#become(isWell, nowMs, rules)
  }

  #become(isUp: boolean, nowMs: number, rules: DampingRules): boolean {
    const wasUp = this.isUp === true
    const isCalm = nowMs - this.#changedMs >= rules.calmMs
    this.isUp = isUp
    this.#streak = 0
    if (!isUp) {
      this.#flaps = wasUp && !isCalm ? this.#flaps + 1 : 0
      const hold = this.#flaps === 0 ? 0 : rules.holdMs * 2 ** (this.#flaps - 1)
      this.#heldUntilMs = nowMs + Math.min(rules.holdMsMax, hold)
    }
    this.#changedMs = nowMs
    return true
  }
}
