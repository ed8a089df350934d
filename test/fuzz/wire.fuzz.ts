// The wire room against a million hostile frames: `node test/fuzz/wire.fuzz.ts [--runs N]
// [--seed S]`.  Prints its seed first; on a failure it prints the seed, the run and the frame in
// hex, and ends with 1, so that the frame can become a test.

import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { exercise } from './exercise.ts'
import { type Draw, hostile } from './packets.ts'

const PROGRESS_MS = 10_000

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '1000000' }, seed: { type: 'string' } }
})
const runs = natural('runs', values.runs)
const seed = values.seed === undefined ? randomInt(2 ** 32) : natural('seed', values.seed)

process.stdout.write(`wire fuzz: ${runs} runs, seed ${seed}\n`)
process.exitCode = run()

function run(): number {
  const started = performance.now()
  let told = started
  for (let i = 0; i < runs; i++) {
    // Each run has a seed of its own: run 1 of seed + i is run i of this one.
    const frame = hostile(xorshift(seed + i))
    try {
      exercise(frame)
    } catch (error) {
      report(i, frame, error)
      return 1
    }
    if (performance.now() - told < PROGRESS_MS) continue
    told = performance.now()
    process.stdout.write(`  ${i + 1} frames\n`)
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`wire fuzz: ${runs} runs, seed ${seed}: all held, ${seconds} s\n`)
  return 0
}

function report(i: number, frame: Uint8Array, error: unknown): void {
  const hex = Array.from(frame, byte => byte.toString(16).padStart(2, '0')).join('')
  process.stdout.write(`FAILED at run ${i}; repeat with --runs 1 --seed ${seed + i}\n`)
  process.stdout.write(`frame: ${hex}\n`)
  process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n`)
}

function natural(name: string, text: string): number {
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
