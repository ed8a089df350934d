// Files of node:test in one process each, or several in one: most of the time of a small file is
// that of starting Node, loading the same modules and compiling the same code again.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { apart, cpuMsIn } from './apart.mjs'
import { node, root, run } from './process.mjs'

const testMsMax = 120_000
// Worlds are made and forgotten by the thousand: with less, collecting them takes a tenth longer.
const youngMb = 16
const scratch = mkdtempSync(join(tmpdir(), 'mezzo-test-'))
let serial = 0

/**
 * Runs the files, one after the other in one process, with `isApart` in namespaces of their own.
 * Resolves to what came of it.
 */
export async function runFiles(files, { limitMs, print, env, isApart = false }) {
  const told = join(scratch, `${++serial}.jsonl`)
  const reporters = ['spec', 'stdout', join(import.meta.dirname, 'reporter.mjs'), told]
  const command = [
    ...[`--min-semi-space-size=${youngMb}`, '--test', '--test-isolation=none'],
    `--test-timeout=${testMsMax}`,
    ...reporters.map((to, i) => `--test-reporter${i % 2 ? '-destination' : ''}=${to}`),
    ...files
  ]
  const took = `${told}.took`
  const [program, args] = isApart ? apart(node, command, took) : [node, command]
  const outcome = await run(program, args, { limitMs, print, env })
  const seen = read(told)
  if (existsSync(took)) seen.cpuMs = cpuMsIn(readFileSync(took, 'utf8')) ?? seen.cpuMs
  for (const file of [told, took]) rmSync(file, { force: true })
  // A run that was killed, or that died, has failed even if no test of it has.
  if (outcome.fault !== undefined && seen.counted.failed === 0) seen.counted.failed = 1
  if (outcome.fault !== undefined && seen.underWay.length > 0)
    outcome.fault += `; under way: ${seen.underWay.join(', ')}`
  return { ...outcome, ...seen }
}

export const removeScratch = () => rmSync(scratch, { recursive: true, force: true })

function read(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const counted = { passed: 0, failed: 0, skipped: 0 }
  const byFile = new Map()
  const begun = new Set()
  const failures = []
  let cpuMs
  for (const line of text.split('\n')) {
    if (!line.endsWith('}')) continue // killed while it wrote
    const { begun: name, ended, what, why, file = '', ms = 0, ...ends } = JSON.parse(line)
    if (name !== undefined) begun.add(`${relative(root, file)}: ${name}`)
    if (ended !== undefined) begun.delete(`${relative(root, file)}: ${ended}`)
    if (ended !== undefined) counted[what]++
    if (why !== undefined) failures.push(`${relative(root, file)}: ${ended}\n${why}`)
    if (ms > 0) byFile.set(relative(root, file), (byFile.get(relative(root, file)) ?? 0) + ms)
    if (ends.counts !== undefined) {
      const { passed, failed, cancelled, skipped, todo } = ends.counts
      Object.assign(counted, { passed, failed: failed + cancelled, skipped: skipped + todo })
      cpuMs = ends.cpuMs
    }
  }
  const underWay = cpuMs === undefined ? [...begun].slice(0, 3) : []
  return { counted, byFile, failures, cpuMs, underWay }
}
