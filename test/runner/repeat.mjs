// Runs test files again and again beside busy processes: a test that passes by speed fails here.
// Of a file of native/test all that `make test` runs of it is built and run. Prints what failed
// runs printed, and ends with one line, `FILE: N passed, N failed`, for each file; the status is 1
// after any failure.
//   npm run test:repeat -- test/lab/l3.test.ts native/test/exchange-stress.c --times 20 --busy 2

import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { clean, killRunning, node, root, run } from './process.mjs'
import { removeScratch, runFiles } from './tests.mjs'

const usage = 'usage: npm run test:repeat -- FILE... [--times 20] [--busy 2] [--seconds 300]'
const { files, times, busy, seconds } = optionsOf(process.argv.slice(2))
const programs = files.map(file => [file, programOf(file)])
const companions = Array.from({ length: busy }, () =>
  spawn(node, ['-e', 'for (;;);'], { stdio: 'ignore' })
)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    killRunning()
    leave()
    process.exit(130)
  })

const lines = []
let isGood = true
for (const [file, runOnce] of programs) {
  const ms = []
  let skipped = 0
  for (let i = 1; i <= times; i++) {
    let output = ''
    const outcome = await runOnce({ limitMs: seconds * 1000, print: text => (output = text) })
    clean(true)
    skipped += outcome.counted?.skipped ?? 0
    const { fault } = outcome
    if (fault === undefined) ms.push(outcome.ms)
    const verdict = fault === undefined ? 'passed' : `FAILED (${fault})`
    if (fault !== undefined) process.stdout.write(`${output}\n`)
    process.stdout.write(`${file} ${i} of ${times}: ${verdict}, ${inSeconds(outcome.ms)}\n`)
  }
  const failed = times - ms.length
  isGood &&= failed === 0
  ms.sort((a, b) => a - b)
  const took = ms.length > 0 ? `; ${inSeconds(ms[0])} to ${inSeconds(ms.at(-1))}` : ''
  const without = skipped > 0 ? `, ${skipped} tests skipped` : ''
  lines.push(`${file}: ${ms.length} passed, ${failed} failed${without}${took}`)
}
leave()
process.stdout.write(`\n${lines.join('\n')}\n`)
process.exit(isGood ? 0 : 1)

function leave() {
  for (const companion of companions) companion.kill('SIGKILL')
  clean(true)
  removeScratch()
}

/** What runs a file once. */
function programOf(file) {
  if (file.endsWith('.test.ts')) return given => runFiles([file], given)
  const native = ['-s', '-C', join(root, 'native')]
  const { stdout } = spawnSync('make', ['-n', ...native, 'test'], { encoding: 'utf8' })
  const name = basename(file, '.c')
  const isOfFile = line => line === `build/${name}` || line.startsWith(`build/${name}-`)
  const targets = stdout.split('\n').filter(isOfFile)
  if (targets.length === 0) complain(`native's make test does not run ${file}`)
  const made = spawnSync('make', [...native, ...targets], { stdio: 'inherit' })
  if (made.status !== 0) complain(`${targets.join(' and ')} cannot be built`)
  // One after the other, until one has failed.
  return async given => {
    let text = ''
    let ms = 0
    for (const target of targets) {
      const print = more => given.print((text += more))
      const outcome = await run(join(root, 'native', target), [], { ...given, print })
      ms += outcome.ms
      if (outcome.fault !== undefined) return { fault: `${target}: ${outcome.fault}`, ms }
    }
    return { ms }
  }
}

function optionsOf(words) {
  const numbers = { times: '20', busy: '2', seconds: '300' }
  const options = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }])
  )
  let parsed
  try {
    parsed = parseArgs({ args: words, allowPositionals: true, options })
  } catch (error) {
    complain(error.message)
  }
  const { values, positionals: files } = parsed
  if (files.length === 0) complain('no file')
  for (const file of files) {
    if (!existsSync(join(root, file))) complain(`${file} is not there`)
    if (!/\.test\.ts$|^native\/test\/[\w-]+\.c$/.test(file))
      complain(`${file} is neither a .test.ts nor a program of native/test`)
  }
  for (const [name, text] of Object.entries(values))
    if (!/^\d+$/.test(text) || (name !== 'busy' && Number(text) === 0))
      complain(`--${name} is ${JSON.stringify(text)}; expected a whole number`)
  const number = name => Number(values[name])
  return { files, times: number('times'), busy: number('busy'), seconds: number('seconds') }
}

function complain(why) {
  process.stderr.write(`${why}\n${usage}\n`)
  process.exit(2)
}

function inSeconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
