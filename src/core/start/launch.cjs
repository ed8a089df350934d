// Begins a program of ours on the Node that the lock file pins, whichever was started; or says in
// a line what to do. Plain JavaScript that any Node from 12 reads: it cannot be in TypeScript.

const { spawn } = require('node:child_process')
const { existsSync } = require('node:fs')
const { constants } = require('node:os')
const { dirname, join } = require('node:path')
const { pathToFileURL } = require('node:url')

const MAJOR = 24
const root = dirname(dirname(dirname(__dirname)))
const pinned = join(root, 'node_modules', '.bin', 'node')
// What Node itself ends with when nothing is left to wait for and a module was not run to its end.
const UNSETTLED = 13

exports.launch = entry => {
  if (!existsSync(pinned)) return complain('its Node packages are not installed')
  if (Number(process.versions.node.split('.')[0]) >= MAJOR) return begin(entry)
  const given = [...process.execArgv, entry, ...process.argv.slice(2)]
  let child
  // First of all: a signal may come as soon as there is somebody to end.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  child = spawn(pinned, given, { stdio: 'inherit' })
  child.on('error', ({ message }) => complain(`${pinned} does not start (${message})`))
  child.on('exit', (status, signal) => process.exit(status ?? 128 + constants.signals[signal]))
}

// Code that was compiled once is kept: the next start is faster.
function begin(entry) {
  process.exitCode = UNSETTLED
  import(pathToFileURL(join(__dirname, 'code-cache.ts')).href)
    .then(({ cacheCode }) => cacheCode())
    .then(() => import(pathToFileURL(entry).href))
    .then(() => {
      if (process.exitCode === UNSETTLED) process.exitCode = 0
    })
}

function complain(why) {
  const todo = `in ${root}, "node setup.mjs --node" puts that right`
  process.stderr.write(`mezzo: ${why}, and this is Node ${process.versions.node}; ${todo}\n`)
  process.exitCode = 1
}
