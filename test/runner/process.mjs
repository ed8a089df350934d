// Starts a process within a bound and in a group of its own, so that what it has started dies with
// it, and finds what got away: all of it carries a mark of this run in its environment.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const bin = join(root, 'node_modules', '.bin')
export const node = join(bin, 'node')

// Marks every process of a program that this run starts, in its environment, so that none is left
// behind and none of a stranger's is touched.
const MARK = 'MEZZO_TEST_RUN'
const ours = `${process.pid}.${Date.now()}`
const READ_MS = 1000 // for what a program said at its end
let programs = 0
const running = new Set()
const namespacesBefore = new Set(namespaces())

/**
 * Runs a program; what it prints is given to `print` when it has ended, so that several can run
 * side by side. Resolves to `{ fault, ms }`; without a fault it ended by itself, and well.
 */
export function run(command, args, { limitMs, print, env = {} }) {
  const from = Date.now()
  const mark = `${ours}.${++programs}.`
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: environment({ ...env, [MARK]: mark })
    })
    running.add(child)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      killGroup(child)
    }, limitMs)
    const said = []
    for (const pipe of [child.stdout, child.stderr]) pipe.on('data', chunk => said.push(chunk))
    const end = fault => {
      clearTimeout(timer)
      running.delete(child)
      print(`${Buffer.concat(said)}${endStrays(mark)}`)
      resolve({ fault, ms: Date.now() - from })
    }
    child.on('error', error => end(error.message))
    // All it has said, but no longer: a stray that holds the pipe must not keep us.
    child.on('exit', (status, signal) => {
      const late = `killed: it did not end within ${Math.round(limitMs / 1000)} s`
      const fault = status === 0 ? undefined : `status ${status ?? signal}`
      let isRead = false
      const read = () => {
        if (isRead) return
        isRead = true
        clearTimeout(unread)
        end(isLate ? late : fault)
      }
      const unread = setTimeout(read, READ_MS)
      child.on('close', read)
    })
  })
}

export function killRunning() {
  for (const child of running) killGroup(child)
}

function killGroup({ pid }) {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function environment(more) {
  const path = `${bin}${delimiter}${process.env.PATH ?? ''}`
  const cache = join(root, 'node_modules', '.cache', 'compiled')
  // Types are stripped once, not once for each process: a third less time for the unit tests.
  const env = { ...process.env, NODE_COMPILE_CACHE: cache, PATH: path, ...more }
  // Set inside a run of node:test, where it would make our own runs report to that one.
  delete env.NODE_TEST_CONTEXT
  return env
}

// Ends the processes of a program, or of all, that got away; says so.
function endStrays(mark) {
  const lines = strays(mark).map(pid => {
    killProcess(pid)
    return `left behind: process ${pid}, killed\n`
  })
  return lines.join('')
}

function killProcess(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends the processes of this run that got away, and deletes the namespaces it left, if it may. */
export function clean(withNamespaces) {
  process.stdout.write(endStrays(ours))
  // Only the lab makes any: those that came up during another mode are somebody else's.
  if (!withNamespaces) return
  for (const name of namespaces()) {
    if (namespacesBefore.has(name) || isInhabited(name) || isOwned(name)) continue
    process.stdout.write(`left behind: namespace ${name}, deleted\n`)
    spawnSync('ip', ['netns', 'delete', name])
  }
}

function strays(mark) {
  const begins = `${MARK}=${mark}`
  if (!existsSync('/proc')) return []
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
      return environment.some(each => each.startsWith(begins))
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
