// The one runner: what is checked, in which order, and within which time. A step that hangs is
// killed and has failed. Tests that need root and namespaces run in lanes, each file apart from the
// others; where root is missing they are skipped with a printed reason. It ends with one line,
// `N passed, N failed, N skipped`, and a status other than 0 after any failure.
//   node test/run.mjs check | lab | all | fuzz [--runs N] [--seconds N] [--seed S]

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { whyNotApart } from './runner/apart.mjs'
import { labOrder } from './runner/lab-order.mjs'
import { inLanes } from './runner/lanes.mjs'
import { bin, clean, killRunning, node, root, run } from './runner/process.mjs'
import { removeScratch, runFiles } from './runner/tests.mjs'

const seconds = 1000
// For a machine that is slow and busy: an idle one with two cores needs half of it.
const wholeMsMax = 50 * 60 * seconds
const jobMsMax = 15 * 60 * seconds
const slowestMax = 12
const failuresMax = 20
const styleWords = ['check', '--error-on-warnings', root]
// What has not changed since the last time is not looked at again.
const typesKept = join(root, 'node_modules', '.cache', 'types.tsbuildinfo')
const typesWords = ['--noEmit', '-p', root, '--incremental', '--tsBuildInfoFile', typesKept]
// They wait for sockets, disks, timers and other processes: beside those that compute, the longest
// first; in one process what shares most of its code.
const waitingJobs = [
  ['test/state/native-contract.test.ts'],
  ['test/api/connections.test.ts', 'test/api/health.test.ts'],
  [
    'test/state/journal.test.ts',
    'test/state/native-exchange.test.ts',
    'test/store/processes.test.ts'
  ],
  [
    'src/agent/control/processes.test.ts',
    'src/agent/control/outliving.test.ts',
    'test/launch.test.ts'
  ]
]
const waitingLanes = 2
// What computes longest is a process of its own, so that the cores share it: first what is longest
// and cannot be shared.
const longFiles = [
  'test/model/lease.test.ts',
  'test/oracle/stateful.test.ts',
  'test/oracle/cache.test.ts'
]
// Most of a file of the lab is waiting: one more of them than there are cores keeps these busy.
const cores = availableParallelism()
const labLanes = {
  lanes: Math.min(cores + 1, 8),
  computing: Math.max(cores - 1, 1),
  computingLast: cores
}

const started = Date.now()
const totals = { passed: 0, failed: 0, skipped: 0 }
const results = []

const modes = {
  check: runCheck,
  lab: () => inLanes(labJobs(), labLanes),
  fuzz: runFuzz,
  async all() {
    await runCheck()
    const native = { computes: true, run: runNative }
    // In Java, and one at a time for what they take of memory; they mostly wait.
    const stores = { computes: false, run: () => runCassandra().then(runZooKeeper) }
    await inLanes([native, stores, ...labJobs()], labLanes)
  }
}

const mode = process.argv[2] ?? 'check'
if (!Object.hasOwn(modes, mode)) {
  process.stderr.write(`unknown mode ${mode}; expected ${Object.keys(modes).join(', ')}\n`)
  process.exit(2)
}
let isLabAmongUs = false // whether files of the lab run in the namespaces we are in
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    killRunning()
    finish(`stopped by ${signal}`)
  })
await modes[mode]()
finish()

// Jobs that compute have as many lanes as there are cores; those that wait for real time most of
// the while have two beside them. Who is done with his own kind helps with the other.
async function runCheck() {
  // Whoever waits for `check` is writing code: all of the generated cases are for `npm test`.
  const env = mode === 'check' ? { ORACLE_SHARE: process.env.ORACLE_SHARE ?? '0.2' } : {}
  const all = unitJobs().map(({ name, files, waits }) => ({
    waits,
    run: () => runTests(name, files, jobMsMax, { env })
  }))
  const tools = [
    { run: () => runTool('types', join(bin, 'tsc'), typesWords, 120 * seconds) },
    { run: () => runTool('style', join(bin, 'biome'), styleWords, 60 * seconds) }
  ]
  const computing = [...tools, ...all.filter(job => !job.waits)]
  const waiting = all.filter(job => job.waits)
  const lane = async (own, others) => {
    for (let job = own.shift() ?? others.shift(); job; job = own.shift() ?? others.shift())
      await job.run()
  }
  const lanes = Array.from({ length: availableParallelism() }, () => lane(computing, waiting))
  const beside = Array.from({ length: waitingLanes }, () => lane(waiting, computing))
  await Promise.all([...lanes, ...beside])
}

/** In one process what shares most of its code. A new folder of test/ joins by being there. */
function unitJobs() {
  const there = files => files.filter(file => existsSync(join(root, file)))
  const [waiting, long] = [waitingJobs.map(there), there(longFiles)]
  const together = ['test/api', 'test/oracle', 'test/state', 'test/store']
  const apart = [...together, 'test/lab', 'test/cassandra', 'test/zookeeper']
  const entries = readdirSync(join(root, 'test'), { withFileTypes: true })
  const folders = entries.filter(each => each.isDirectory()).map(({ name }) => `test/${name}`)
  const others = folders.filter(folder => !apart.includes(folder)).flatMap(findIn)
  const unnamed = files => files.filter(file => ![...waiting.flat(), ...long].includes(file))
  const jobOf = name => ({ name, files: unnamed(findIn(name)) })
  return [
    ...long.map(file => ({ name: file, files: [file] })),
    ...together.map(jobOf),
    { name: 'plugins', files: find('plugins', '.test.ts') },
    ...waiting.map(files => ({ name: files.join(', '), files, waits: true })),
    { name: 'src', files: unnamed(find('src', '.test.ts')) },
    jobOf('test'),
    { name: 'other folders', files: unnamed(others) }
  ]
}

async function runNative() {
  if (!existsSync(join(root, 'native', 'Makefile'))) return skip('native', 'no native/Makefile')
  const dry = spawnSync('make', ['-n', '-C', join(root, 'native'), 'test'])
  if (dry.error !== undefined) return skip('native', 'make is not installed')
  if (dry.status !== 0) return skip('native', 'native/Makefile has no test')
  if (spawnSync('clang', ['--version']).status !== 0) return skip('native', 'no clang')
  const jobs = `-j${availableParallelism()}`
  await runTool('native', 'make', ['-s', jobs, '-C', join(root, 'native'), 'test'], jobMsMax)
}

// A real node, of Java and of what setup.mjs had Maven fetch.
async function runCassandra() {
  const files = find('test/cassandra', '.test.ts')
  const { missingForNode } = await import('../src/lab/services/cassandra.ts')
  const missing = missingForNode()
  if (missing !== undefined) return skip('cassandra', missing, files.length)
  await runTests('cassandra', files, jobMsMax)
}

// A real server, of Java and Debian's jar: one for all files that do it no harm (shared.ts).
async function runZooKeeper() {
  const files = find('test/zookeeper', '.test.ts')
  const { missingForServer, ZooKeeperServer } = await import('../src/lab/services/zookeeper.ts')
  const missing = missingForServer()
  if (missing !== undefined) return skip('zookeeper', missing, files.length)
  const server = await ZooKeeperServer.make()
  try {
    await server.start()
    const { address, port } = server
    const env = { MEZZO_TEST_ZOOKEEPER: JSON.stringify({ address, port }) }
    for (const file of files) await runTests(file, [file], jobMsMax, { env })
  } catch (error) {
    record('zookeeper', { fault: error.message, ms: 0, counted: { failed: 1 } })
  } finally {
    await server.close()
  }
}

/** A job for each file of the lab; where they cannot be apart, one for all, one after the other. */
function labJobs() {
  const files = labOrder(find('test/lab', '.test.ts'))
  const missing = files.length === 0 ? 'no tests in test/lab' : missingForLab()
  if (missing !== undefined) {
    skip('lab', missing, Math.max(files.length, 1))
    return []
  }
  const why = whyNotApart()
  if (why !== undefined) {
    process.stdout.write(`\nlab: one file at a time, they cannot be kept apart: ${why}\n`)
    isLabAmongUs = true
    return [{ computes: true, run: () => runInTurn(files.map(({ file }) => file)) }]
  }
  return files.map(({ file, computes }) => ({
    computes,
    run: () => runTests(file, [file], jobMsMax, { isApart: true })
  }))
}

async function runInTurn(files) {
  for (const file of files) {
    await runTests(file, [file], jobMsMax)
    clean(true)
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
  const given = bounded(name, limitMs)
  if (given === undefined) return
  const outcome = await run(command, args, given)
  record(name, { ...outcome, counted: outcome.fault === undefined ? { passed: 1 } : { failed: 1 } })
}

/** Files of node:test; counted by the tests in them. */
async function runTests(name, files, limitMs, more = {}) {
  if (files.length === 0) return skip(name, 'no files')
  const given = bounded(name, limitMs)
  if (given !== undefined) record(name, await runFiles(files, { ...given, ...more }))
}

/** A step has its own time and what is left of the whole; nothing is run when that is over. */
function bounded(name, limitMs) {
  const left = started + wholeMsMax - Date.now()
  const print = text => process.stdout.write(`\n== ${name}\n${text}`)
  if (left > 0) return { limitMs: Math.min(limitMs, left), print }
  const minutes = wholeMsMax / 60 / seconds
  const fault = `not run: the ${minutes} minutes of the whole run are over`
  record(name, { fault, ms: 0, counted: { failed: 1 } })
  return undefined
}

function record(name, result) {
  for (const [what, n] of Object.entries(result.counted)) totals[what] += n
  results.push({ name, ...result })
}

function skip(name, reason, skipped = 1) {
  process.stdout.write(`\n== ${name}\nskipped: ${reason}\n`)
  record(name, { ms: 0, counted: { skipped }, note: `skipped: ${reason}` })
}

function finish(stopped) {
  clean(isLabAmongUs)
  removeScratch()
  process.stdout.write('\n== summary\n')
  for (const { name, fault, ms, cpuMs, counted, note } of results) {
    const numbers = Object.entries(counted).map(([what, n]) => `${n} ${what}`)
    const text = note ?? `${numbers.join(', ')}${fault === undefined ? '' : ` (${fault})`}`
    const cpu = cpuMs === undefined ? '' : `, ${(cpuMs / seconds).toFixed(1)} s of a core`
    process.stdout.write(`${inSeconds(ms)}  ${name}: ${text}${cpu}\n`)
  }
  printSlowest()
  printFailures()
  if (stopped !== undefined) process.stdout.write(`${stopped}\n`)
  if (results.length === 0 && stopped === undefined) process.stdout.write('nothing to run\n')
  const { passed, failed, skipped } = totals
  process.stdout.write(`whole run: ${Math.round((Date.now() - started) / seconds)} s\n`)
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  const good = stopped === undefined && failed === 0 && results.every(r => r.fault === undefined)
  process.exit(good ? 0 : 1)
}

function inSeconds(ms) {
  return `${(ms / seconds).toFixed(1).padStart(6)} s`
}

function printSlowest() {
  const files = results.flatMap(({ byFile }) => [...(byFile ?? [])])
  if (files.length <= slowestMax) return
  process.stdout.write('\n== slowest files\n')
  for (const [file, ms] of files.sort(([, a], [, b]) => b - a).slice(0, slowestMax))
    process.stdout.write(`${inSeconds(ms)}  ${file}\n`)
  process.stdout.write('\n')
}

// Once more at the end, which is what is kept of a long output.
function printFailures() {
  const failures = results.flatMap(({ failures = [] }) => failures)
  if (failures.length === 0) return
  process.stdout.write('== failures\n')
  for (const text of failures.slice(0, failuresMax)) process.stdout.write(`${text}\n\n`)
  const more = failures.length - failuresMax
  if (more > 0) process.stdout.write(`and ${more} more, above\n\n`)
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
