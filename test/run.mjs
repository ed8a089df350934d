// The one runner: what is checked, in which order, and within which time. A step that hangs is
// killed and has failed. Tests that need root and namespaces run one file at a time, the rest side
// by side; where root is missing they are skipped with a printed reason. It ends with one line,
// `N passed, N failed, N skipped`, and a status other than 0 after any failure.
//   node test/run.mjs check | lab | all | fuzz [--runs N] [--seconds N] [--seed S]

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const node = join(bin, 'node')
const scratch = mkdtempSync(join(tmpdir(), 'mezzo-test-'))

const seconds = 1000
const wholeMsMax = 15 * 60 * seconds
const testMsMax = 60 * seconds

// Marks every process that this run starts, in its environment, so that none is left behind and
// none of a stranger's is touched.
const mark = `MEZZO_TEST_RUN=${process.pid}.${Date.now()}`

const started = Date.now()
const totals = { passed: 0, failed: 0, skipped: 0 }
const results = []
let running

const modes = {
  check: runCheck,
  lab: runLab,
  fuzz: runFuzz,
  async all() {
    await runCheck()
    await runNative()
    await runCassandra()
    await runLab()
  }
}

const mode = process.argv[2] ?? 'check'
if (!Object.hasOwn(modes, mode)) {
  process.stderr.write(`unknown mode ${mode}; expected ${Object.keys(modes).join(', ')}\n`)
  process.exit(2)
}
const namespacesBefore = new Set(namespaces())
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    killRunning()
    finish(`stopped by ${signal}`)
  })
await modes[mode]()
finish()

async function runCheck() {
  await runTool('types', join(bin, 'tsc'), ['--noEmit', '-p', root], 120 * seconds)
  await runTool('style', join(bin, 'biome'), ['check', '--error-on-warnings', root], 60 * seconds)
  const unit = [
    ...find('src', '.test.ts'),
    ...find('plugins', '.test.ts'),
    ...findIn('test'),
    ...findIn('test/store'),
    ...findIn('test/oracle'),
    ...findIn('test/matrix'),
    ...findIn('test/api'),
    ...findIn('test/state'),
    ...findIn('test/soak')
  ]
  const sideBySide = Math.max(2, availableParallelism())
  await runTests('unit tests', unit, 240 * seconds, [`--test-concurrency=${sideBySide}`])
}

async function runNative() {
  if (!existsSync(join(root, 'native', 'Makefile'))) return skip('native', 'no native/Makefile')
  const dry = spawnSync('make', ['-n', '-C', join(root, 'native'), 'test'])
  if (dry.error !== undefined) return skip('native', 'make is not installed')
  if (dry.status !== 0) return skip('native', 'native/Makefile has no test')
  if (spawnSync('clang', ['--version']).status !== 0) return skip('native', 'no clang')
  await runTool('native', 'make', ['-s', '-C', join(root, 'native'), 'test'], 180 * seconds)
}

// A real node, of Java and what Maven has or fetches.  The driver leaves timers behind when a node
// was gone for a while, so the process is told to end.
async function runCassandra() {
  const files = find('test/cassandra', '.test.ts')
  const missing = ['java', 'mvn', 'keytool', 'setpriv'].filter(
    program => spawnSync(program, ['-version'], { stdio: 'ignore' }).error !== undefined
  )
  if (missing.length > 0) return skip('cassandra', `no ${missing.join(', ')}`, files.length)
  await runTests('cassandra', files, 300 * seconds, ['--test-concurrency=1', '--test-force-exit'])
}

async function runLab() {
  const files = find('test/lab', '.test.ts')
  if (files.length === 0) return skip('lab', 'no tests in test/lab')
  const missing = missingForLab()
  if (missing !== undefined) return skip('lab', missing, files.length)
  for (const file of files) {
    await runTests(file, [file], 300 * seconds, ['--test-concurrency=1'])
    clean()
  }
}

async function runFuzz() {
  for (const file of find('test/fuzz', '.fuzz.ts'))
    await runTool(file, node, [join(root, file), ...process.argv.slice(3)], wholeMsMax)
}

function missingForLab() {
  if (process.getuid?.() !== 0) return 'not root'
  const probe = `mz-probe-${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.error !== undefined) return 'ip (iproute2) is not installed'
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.trim()}`
  spawnSync('ip', ['netns', 'delete', probe])
  return undefined
}

/** A tool that counts as one test. */
async function runTool(name, command, args, limitMs) {
  const outcome = await run(name, command, args, limitMs)
  record(name, outcome, outcome.fault === undefined ? { passed: 1 } : { failed: 1 })
}

/** Files of node:test; counted by the tests in them. */
async function runTests(name, files, limitMs, options) {
  if (files.length === 0) return skip(name, 'no files')
  const counts = join(scratch, `${results.length}.tap`)
  const reporters = ['spec', 'stdout', 'tap', counts]
  const outcome = await run(
    name,
    node,
    [
      '--test',
      `--test-timeout=${testMsMax}`,
      ...options,
      ...reporters.map((to, i) => `--test-reporter${i % 2 ? '-destination' : ''}=${to}`),
      ...files
    ],
    limitMs
  )
  const counted = countTap(counts)
  // A run that was killed, or that died, has failed even if no test of it has.
  if (outcome.fault !== undefined && counted.failed === 0) counted.failed = 1
  record(name, outcome, counted)
}

function countTap(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const read = name => Number(text.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? 0)
  const failed = read('fail') + read('cancelled')
  return { passed: read('pass'), failed, skipped: read('skipped') + read('todo') }
}

function run(name, command, args, limitMs) {
  const left = started + wholeMsMax - Date.now()
  if (left <= 0) return { fault: 'not run: the 15 minutes of the whole run are over', ms: 0 }
  process.stdout.write(`\n== ${name}\n`)
  const from = Date.now()
  const boundMs = Math.min(limitMs, left)
  return new Promise(resolve => {
    const end = fault => {
      clearTimeout(timer)
      running = undefined
      resolve({ fault, ms: Date.now() - from })
    }
    // A group of its own, so that what it has started dies with it.
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      env: environment()
    })
    running = child
    let late = false
    const timer = setTimeout(() => {
      late = true
      killRunning()
    }, boundMs)
    child.on('error', error => end(error.message))
    child.on('exit', (status, signal) => {
      if (late) end(`killed: it did not end within ${Math.round(boundMs / seconds)} s`)
      else end(status === 0 ? undefined : `status ${status ?? signal}`)
    })
  })
}

function environment() {
  const [name, value] = mark.split('=')
  const path = `${bin}${delimiter}${process.env.PATH ?? ''}`
  const cache = join(root, 'node_modules', '.cache', 'compiled')
  // Types are stripped once, not once for each process: a third less time for the unit tests.
  const env = { ...process.env, NODE_COMPILE_CACHE: cache, PATH: path, [name]: value }
  // Whoever waits for `check` is writing code: the 2400 cases of the oracles are for `npm test`.
  if (mode === 'check') env.ORACLE_SHARE ??= '0.3'
  // Set inside a run of node:test, where it would make our own runs report to that one.
  delete env.NODE_TEST_CONTEXT
  return env
}

function killRunning() {
  if (running?.pid === undefined) return
  try {
    process.kill(-running.pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function record(name, outcome, counted) {
  for (const [what, n] of Object.entries(counted)) totals[what] += n
  results.push({ name, ...outcome, counted })
}

function skip(name, reason, skipped = 1) {
  process.stdout.write(`\n== ${name}\nskipped: ${reason}\n`)
  totals.skipped += skipped
  results.push({ name, ms: 0, counted: { skipped }, note: `skipped: ${reason}` })
}

function finish(stopped) {
  clean()
  rmSync(scratch, { recursive: true, force: true })
  process.stdout.write('\n== summary\n')
  for (const { name, fault, ms, counted, note } of results) {
    const numbers = Object.entries(counted).map(([what, n]) => `${n} ${what}`)
    const text = note ?? `${numbers.join(', ')}${fault === undefined ? '' : ` (${fault})`}`
    process.stdout.write(`${(ms / seconds).toFixed(1).padStart(6)} s  ${name}: ${text}\n`)
  }
  if (stopped !== undefined) process.stdout.write(`${stopped}\n`)
  if (results.length === 0 && stopped === undefined) process.stdout.write('nothing to run\n')
  const { passed, failed, skipped } = totals
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  const good = stopped === undefined && failed === 0 && results.every(r => r.fault === undefined)
  process.exit(good ? 0 : 1)
}

/** Ends the processes of this run that got away, and deletes the namespaces it left. */
function clean() {
  for (const pid of strays()) {
    process.stdout.write(`left behind: process ${pid}, killed\n`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  // Only the lab makes any: those that came up during another mode are somebody else's.
  if (mode !== 'lab' && mode !== 'all') return
  for (const name of namespaces()) {
    if (namespacesBefore.has(name) || isInhabited(name) || isOwned(name)) continue
    process.stdout.write(`left behind: namespace ${name}, deleted\n`)
    spawnSync('ip', ['netns', 'delete', name])
  }
}

function strays() {
  if (!existsSync('/proc')) return []
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
    } catch {
      return false // ended meanwhile, or somebody else's
    }
  })
}

function namespaces() {
  const folder = '/run/netns'
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter(name => name.startsWith('mz-'))
}

// Somebody works in it: another run on this machine, which cleans up after itself.
function isInhabited(name) {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? ''
  return pids.trim() !== ''
}

// A lab of another run on this machine, which may have namespaces in which nothing runs right now.
function isOwned(name) {
  try {
    const file = join('/run/mezzo-lab', name.split('.')[0], 'owner.json')
    process.kill(JSON.parse(readFileSync(file, 'utf8')).pid, 0)
    return true
  } catch {
    return false // no such lab, or its owner is dead
  }
}

function find(folder, ending) {
  const from = join(root, folder)
  if (!existsSync(from)) return []
  return readdirSync(from, { recursive: true })
    .filter(path => path.endsWith(ending) && !path.includes('node_modules'))
    .map(path => relative(root, join(from, path)))
    .sort()
}

/** The tests of a folder itself, not of those below it. */
function findIn(folder) {
  return find(folder, '.test.ts').filter(path => dirname(path) === folder)
}
