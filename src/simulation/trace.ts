// A trace is the walk told in lines.  The walk writes the steps; devices add what they decided.
// Guard every call with `if (ctx.trace !== null)`: text that nobody reads is not made.
// simulate.test.ts holds it.

export interface Trace {
  step(text: string): void
}

export class LineTrace implements Trace {
  static readonly LINES_MAX = 4096
  readonly lines: string[] = []

  step(text: string): void {
    if (this.lines.length < LineTrace.LINES_MAX) this.lines.push(text)
  }
}
