// The native build. make knows the details; the stamp only saves starting it.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { isThere, modified, root } from './files.mjs'
import { Progress, run, say } from './progress.mjs'

const folder = join(root, 'native')
const stamp = join(folder, 'build', '.mezzo-stamp')
const LIMIT_MS = 10 * 60_000
const isStep = line => /^(gcc|clang) /.test(line)

/** Without it there is the memory datapath, and that is said. */
export async function buildNative() {
  if (!existsSync(join(folder, 'Makefile'))) return
  if (modified(stamp) >= newest(folder)) return
  const missing = ['make', 'gcc', 'clang'].filter(program => !isThere(program))
  if (missing.length > 0) {
    say(`no native build without ${missing.join(', ')}: the memory datapath is used`)
    return
  }
  const plan = spawnSync('make', ['-n', '-C', folder], { encoding: 'utf8' })
  const steps = (plan.stdout ?? '').split('\n').filter(isStep).length
  const progress = steps > 0 ? new Progress('native build (make)') : undefined
  let begun = 0
  const { status, said } = await run('make', ['-C', folder, `-j${availableParallelism()}`], {
    limitMs: LIMIT_MS,
    onLine: line => {
      if (isStep(line)) progress?.at(`${++begun} of ${steps}`)
    }
  })
  if (status !== 0) {
    progress?.done('failed')
    say(`the native build failed: the memory datapath is used\n${said}`)
    return
  }
  progress?.done(`${steps} of ${steps}`)
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
}

function newest(inside) {
  let latest = modified(inside)
  for (const entry of readdirSync(inside, { withFileTypes: true })) {
    if (entry.name === 'build') continue
    const path = join(inside, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : modified(path))
  }
  return latest
}
