// What runs of liveness share: a machine whose every core computes, and figures for people or for
// programs.

import { spawn } from 'node:child_process'
import { availableParallelism, loadavg } from 'node:os'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { Job } from '../../src/lab/index.ts'

const BURNERS_PER_CORE = 2

/** Has every core compute, with ordinary priority; what it gives ends that. */
export function burn(): () => void {
  const burners = Array.from({ length: availableParallelism() * BURNERS_PER_CORE }, () =>
    spawn(process.execPath, ['-e', 'for (;;) ;'], { stdio: 'ignore' })
  )
  return () => {
    for (const burner of burners) burner.kill('SIGKILL')
  }
}

// Ticks before all others, and says by how much the latest of its ticks was late.
const WATCH = `
let [last, late] = [performance.now(), 0]
setInterval(() => {
  const now = performance.now()
  late = Math.max(late, now - last - 10)
  last = now
}, 10)
process.stdin.on('data', () => { process.stdout.write(Math.round(late) + '\\n'); late = 0 })
`

/** Whether the machine itself goes on: how late a program was that goes before all others. */
export class Stillness {
  readonly #job = new Job(['chrt', '--fifo', '50', process.execPath, '-e', WATCH])

  /** The longest since it was asked last, ms. */
  async lateMs(): Promise<number> {
    const from = this.#job.stdout.length
    this.#job.write('?\n')
    for (;;) {
      const line = /(\d+)\n$/.exec(this.#job.stdout.slice(from))
      if (line !== null) return Number(line[1])
      await sleep(new SystemClock(), 20)
    }
  }

  async close(): Promise<void> {
    await this.#job.stop('SIGKILL')
  }
}

/** Of the last 1, 5 and 15 minutes. */
export const load = (): number[] => loadavg().map(each => Number(each.toFixed(1)))

export function report(figures: Readonly<Record<string, unknown>>, asJson: boolean): void {
  if (asJson) process.stdout.write(`${JSON.stringify(figures)}\n`)
  else
    for (const [name, value] of Object.entries(figures))
      process.stdout.write(`${name.padEnd(18)} ${JSON.stringify(value)}\n`)
}
