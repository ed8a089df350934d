// Looks at all states of a model with spin: it writes a program in C, which a compiler makes and
// which is then run, in a folder of its own.  test/model/lease.test.ts holds it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, run } from '../../src/lab/index.ts'
import { missingProgram } from '../../src/lab/services/service.ts'

/** How a model is looked at. */
export interface Model {
  readonly name: string
  /** Its bounds and what is left out of it, as the preprocessor takes them. */
  readonly defines: readonly string[]
  /** Whether what shall come comes, and not only that nothing wrong does. */
  readonly isLive?: boolean
}

export interface Explored {
  /** What is wrong in some state; undefined: nothing in any. */
  readonly fault: string | undefined
  readonly states: number
  readonly seconds: number
}

const FILE = join(import.meta.dirname, 'lease.pml')
const COMPILE_MS = 120_000
const EXPLORE_MS = 600_000
const MEMORY_MB = 2_048
const DEPTH = 100_000

/** The sizes of which all states are looked at in seconds. */
export const quick: readonly Model[] = [
  { name: 'two owners', defines: ['OWNERS=2', 'EPOCHS=3', 'ENDS=2'] },
  { name: 'two owners, a lease is had again', defines: ['OWNERS=2', 'ENDS=2'], isLive: true }
]

/** Larger ones. */
export const slow: readonly Model[] = [
  { name: 'two owners, four epochs', defines: ['OWNERS=2', 'EPOCHS=4', 'ENDS=3'] },
  { name: 'three owners', defines: ['OWNERS=3', 'EPOCHS=2', 'ENDS=2'] },
  {
    name: 'three owners, a lease is had again',
    defines: ['OWNERS=3', 'EPOCHS=2', 'ENDS=1'],
    isLive: true
  }
]

const sizes = ['OWNERS=3', 'EPOCHS=3', 'ENDS=3']

/** Without one of its fences: there is a fault in each. */
export const broken: readonly Model[] = [
  ...['NO_GATE', 'NO_EPOCHS', 'NO_BEATS', 'NO_SESSIONS'].map(fence => ({
    name: fence,
    defines: [...sizes, fence]
  })),
  { name: 'NO_JUDGE', defines: ['OWNERS=2', 'ENDS=2', 'NO_JUDGE'], isLive: true }
]

/** Why it cannot be done here; undefined when it can. */
export function missingForModels(): string | undefined {
  const program = missingProgram(['spin', 'gcc'])
  return program === undefined
    ? undefined
    : `${program} is not installed; node setup.mjs --model does`
}

/**
 * Looks at all states.  Throws when there were more than there is room or time for.  What is over
 * in a moment is compiled with less `effort`: that takes a multiple of the look.
 */
export async function explore(
  { defines, isLive = false }: Model,
  effort: 0 | 1 | 2 = 2
): Promise<Explored> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-model-'))
  const given = { cwd: folder, timeoutMs: COMPILE_MS }
  try {
    const flags = [...defines, ...(isLive ? ['LIVE'] : [])].map(each => `-D${each}`)
    await must(['spin', '-a', ...flags, FILE], given)
    const kind = isLive ? '-DNFAIR=3' : '-DSAFETY'
    const limit = `-DMEMLIM=${MEMORY_MB}`
    await must(['gcc', `-O${effort}`, '-w', kind, limit, '-o', 'pan', 'pan.c'], given)
    const words = [`-m${DEPTH}`, ...(isLive ? ['-a', '-f'] : [])]
    const { stdout } = await run([join(folder, 'pan'), ...words], {
      cwd: folder,
      timeoutMs: EXPLORE_MS
    })
    return judged(stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function judged(said: string): Explored {
  const errors = /errors: (\d+)/.exec(said)?.[1]
  assert.ok(errors !== undefined, said)
  const fault = /^pan:1: (.*?)( \(at depth.*)?$/m.exec(said)?.[1]
  if (errors === '0') {
    assert.doesNotMatch(said, /bytes limit|max search depth too small/, said)
    assert.equal(fault, undefined)
  }
  return {
    fault: errors === '0' ? undefined : (fault ?? said),
    states: Number(/(\d+) states, stored/.exec(said)?.[1]),
    seconds: Number(/elapsed time ([\d.]+)/.exec(said)?.[1])
  }
}
