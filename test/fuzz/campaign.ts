// One fuzz campaign: many runs of one question, each with a seed of its own, until the number of
// runs or the seconds are used up. Run 1 of seed + i is run i of this campaign, so what fails is
// repeated by `--runs 1 --seed S`. It prints its seed first, and what it was about when it fails.
//   node test/fuzz/wire.fuzz.ts [--runs N] [--seconds N] [--seed S]

import { parseArgs } from 'node:util'
import { SystemRandom } from '../../src/core/random.ts'
import type { Draw } from './packets.ts'

export interface Campaign {
  readonly name: string
  readonly runs: number
  readonly seconds: number
  /** Throws when a promise is broken; what it notes is printed then. Says how the run ended. */
  readonly run: (draw: Draw, note: (what: string) => void) => Ending | Promise<Ending>
}

/** One of a few words: they are counted, and show that not everything ends alike. */
type Ending = string

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
  const endings = new Map<Ending, number>()
  for (; done < runs && performance.now() < until; done++) {
    const ended = await outcome(given, seed + done)
    if (ended === FAILED) {
      process.exitCode = 1
      return
    }
    endings.set(ended, (endings.get(ended) ?? 0) + 1)
    if (performance.now() - told < PROGRESS_MS) continue
    told = performance.now()
    say(`${done + 1} runs`)
  }
  const took = ((performance.now() - started) / 1000).toFixed(1)
  const counts = [...endings].map(([ending, count]) => `${count} ${ending}`).join(', ')
  say(`${done} runs, seed ${seed}: all held, ${took} s (${counts})`)
}

const FAILED = Symbol('failed')

async function outcome({ run }: Campaign, seed: number): Promise<Ending | typeof FAILED> {
  let about = ''
  try {
    return await run(xorshift(seed), what => (about = what))
  } catch (error) {
    process.stdout.write(`FAILED; repeat with --runs 1 --seed ${seed}\n${about}\n`)
    process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return FAILED
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
