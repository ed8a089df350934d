// What keeping a program running takes, whoever it ends with: how long to wait before it is started
// again, and which of its lines are logged. processes.test.ts holds it.

import { Backoff } from '../../core/backoff.ts'
import type { SupervisorParts } from './processes.ts'

const BACKOFF_MS = 100 // before the first start after an end; doubles
const BACKOFF_MS_MAX = 30_000
const STEADY_MS = 10_000 // who ran so long begins with the least again
const LINE_MAX = 500 // characters
const LINES_MAX = 20 // a second

/** How long to wait before a program is started again. */
export class RestartBackoff {
  readonly #waits = new Backoff(BACKOFF_MS, BACKOFF_MS_MAX)

  /** After it ran so long. */
  after(ranMs: number): number {
    if (ranMs >= STEADY_MS) this.#waits.reset()
    return this.#waits.next()
  }
}

/** Logs what a program prints, so far as is bearable. */
export class PrintedLines {
  readonly #name: string
  readonly #parts: SupervisorParts
  #lines = 0 // logged in this second
  #secondMs = 0

  constructor(name: string, parts: SupervisorParts) {
    this.#name = name
    this.#parts = parts
  }

  /** Takes what comes by one output, whole lines or not. */
  reader(): (text: string) => void {
    let rest = ''
    return text => {
      const lines = `${rest}${text}`.split('\n')
      rest = lines.pop()!.slice(0, LINE_MAX)
      for (const line of lines) this.#say(line.slice(0, LINE_MAX))
    }
  }

  #say(line: string): void {
    const { clock, counters, log } = this.#parts
    if (clock.now() - this.#secondMs >= 1000) {
      this.#secondMs = clock.now()
      this.#lines = 0
    }
    if (++this.#lines > LINES_MAX) counters.unlogged.value++
    else log.info({ name: this.#name, line }, 'a program says')
  }
}
