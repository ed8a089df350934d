// Where the table appears: redrawn in place on a terminal, printed when something is to be said
// elsewhere. test/demo-screen.test.ts holds it.

import { families } from '../plan/plan.ts'
import type { Report } from '../report/report.ts'
import { fold } from './fold.ts'
import { MATRIX_COLUMNS, type Paint, plain, tableOf } from './table.ts'

const ESC = '\x1b['
const TURNS = 8 // a family is shown for so many drawings
const codes = { good: '32', bad: '31;1', dim: '2', bold: '1' } as const

/** The report on a terminal, drawn over the one before; elsewhere, lines. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly #paint: Paint
  /** Whether it is a terminal. */
  readonly isLive: boolean
  #drawn = 0 // lines of the table that stand on the terminal
  #turn = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
    this.isLive = out.isTTY === true && process.env.TERM !== 'dumb'
    const isPlain = !this.isLive || (process.env.NO_COLOR ?? '') !== ''
    this.#paint = isPlain ? plain : (text, how) => `${ESC}${codes[how]}m${text}${ESC}0m`
  }

  /** A line above the table. */
  say(text: string): void {
    this.#erase()
    this.#out.write(`${this.#folded(text.split('\n'))}\n`)
  }

  /** The table as it is now; nothing where it cannot be redrawn. */
  draw(report: Report, live: boolean): void {
    if (!this.isLive) return
    this.#turn++
    const lines = this.#fit(report, live)
    this.#erase()
    this.#out.write(`${lines.join('\n')}\n`)
    this.#drawn = lines.length
  }

  /** The table for good. */
  print(report: Report, live: boolean): void {
    this.#erase()
    const lines = tableOf(report, { paint: this.#paint, live })
    this.#out.write(`${this.#folded(lines)}\n`)
  }

  /** The table stays where it is; what follows comes below it. */
  leave(text: string): void {
    this.#drawn = 0
    this.#out.write(`${text}\n`)
  }

  #erase(): void {
    if (this.#drawn > 0) this.#out.write(`${ESC}${this.#drawn}A${ESC}0J`)
    this.#drawn = 0
  }

  // What wraps by itself or scrolls could not be redrawn: on a small terminal the families take
  // turns, on a smaller or narrower one there is no matrix, and what is still too much is cut.
  #fit(report: Report, live: boolean): string[] {
    const { rows = 24, columns = 80 } = this.#out
    const one = [families[Math.floor(this.#turn / TURNS) % families.length]!]
    const choices = columns < MATRIX_COLUMNS ? [[]] : [families, one, []]
    let lines: string[] = []
    for (const shown of choices) {
      const table = tableOf(report, { paint: this.#paint, live, families: shown })
      lines = table.flatMap(line => fold(line, columns))
      if (lines.length < rows) break
    }
    return lines.slice(0, rows - 1)
  }

  /** Lines that are said for good; whole where no terminal would break them. */
  #folded(lines: readonly string[]): string {
    const { columns = 80, isTTY } = this.#out
    return lines.flatMap(line => (isTTY ? fold(line, columns) : [line])).join('\n')
  }
}
