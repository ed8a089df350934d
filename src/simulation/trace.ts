// A trace is the walk told in lines.  The walk writes the steps; devices add what they decided.
// Guard every call with `if (ctx.trace !== null)`: text that nobody reads is not made.
// simulate.test.ts holds it.

/** Listens to a walk. */
export interface Trace {
  /** Something happened, in a line. */
  step(text: string): void
}

/** Keeps the lines of a walk. */
export class LineTrace implements Trace {
  /** Lines that are kept; then one says that there were more. */
  static readonly LINES_MAX = 4096
  /** In order. */
  readonly lines: string[] = []

  step(text: string): void {
    if (this.lines.length < LineTrace.LINES_MAX) this.lines.push(text)
  }
}
