// One fuzz campaign: many runs of one question, each with a seed of its own, until the number of
// runs or the seconds are used up. Run 1 of seed + i is run i of this campaign, so what fails is
// repeated by `--runs 1 --seed S`. It prints its seed first, and what it was about when it fails.
//   node test/fuzz/NAME.fuzz.ts [--runs N] [--seconds N] [--seed S]

import { parseArgs } from 'node:util'
import { SystemRandom } from '../../src/core/random.ts'
import type { Draw } from './packets.ts'

export interface Campaign {
  readonly name: string
  readonly runs: number
  readonly seconds: number
  /** Throws when a promise is broken. What it notes is printed then. */
  readonly run: (draw: Draw, note: (what: string) => void) => void | Promise<void>
}

const PROGRESS_MS = 10_000

/** Runs it with the options of the command line; a failure makes the process end with 1. */
export async function campaign(given: Campaign): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: 'string' }, seconds: { type: 'string' }, seed: { type: 'string' } }
  })
  const runs = natural('runs', values.runs) ?? given.runs
  const seconds = natural('seconds', values.seconds) ?? given.seconds
  const seed = natural('seed', values.seed) ?? new SystemRandom().uint32()
  const say = (text: string) => process.stdout.write(`${given.name} fuzz: ${text}\n`)
  say(`at most ${runs} runs and ${seconds} s, seed ${seed}`)
  const started = performance.now()
  const until = started + seconds * 1000
  let told = started
  let done = 0
  for (; done < runs && performance.now() < until; done++) {
    if (!(await holds(given, seed + done))) {
      process.exitCode = 1
      return
    }
    if (performance.now() - told < PROGRESS_MS) continue
    told = performance.now()
    say(`${done + 1} runs`)
  }
  say(
    `${done} runs, seed ${seed}: all held, ${((performance.now() - started) / 1000).toFixed(1)} s`
  )
}

async function holds({ run }: Campaign, seed: number): Promise<boolean> {
  let about = ''
  try {
    // Waited for only where there is something to wait for: a turn for each frame is dear.
    const running = run(xorshift(seed), what => (about = what))
    if (running !== undefined) await running
    return true
  } catch (error) {
    process.stdout.write(`FAILED; repeat with --runs 1 --seed ${seed}\n${about}\n`)
    process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return false
  }
}

function natural(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`--${name} "${text}" is not valid: expected a whole number from 0`)
  return value
}

// xorshift32 over a scrambled seed.
function xorshift(seed: number): Draw {
  let state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
