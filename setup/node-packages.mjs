// Node packages. The stamp holds the hash of the lock file that was installed: a checkout gives
// the lock file a new date without changing it, and that alone must not install anything.

import { existsSync, lstatSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { bundlePackages } from './bundle.mjs'
import { hash, modified, programFolders, root } from './files.mjs'
import { Progress, run, say } from './progress.mjs'

const folder = join(root, 'node_modules')
const lock = join(root, 'package-lock.json')
const stamp = join(folder, '.mezzo-stamp')
const pinned = join(folder, '.bin', 'node')
const LOOK_MS = 500
const LIMIT_MS = 15 * 60_000

/** False when Mezzo cannot run at all. */
export async function installNodePackages() {
  // A link belongs to whoever made it; npm would empty the folder behind it.
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return true
  if (!areFresh() && !(await install())) return false
  await bundlePackages()
  return true
}

async function install() {
  const progress = new Progress('Node packages (npm ci)')
  const places = placesOf(JSON.parse(readFileSync(lock, 'utf8')))
  const timer = setInterval(() => progress.at(howFar(places)), LOOK_MS)
  // Without our own .bin in the path: npm must not run on the Node that it is about to remove.
  const path = programFolders.filter(entry => entry !== join(folder, '.bin')).join(delimiter)
  const { status, said } = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH: path },
    limitMs: LIMIT_MS
  })
  clearInterval(timer)
  if (status !== 0 || !existsSync(pinned)) {
    progress.done('failed')
    say(`npm ci: ${said}\nMezzo cannot run without its Node packages`)
    return false
  }
  progress.done(`${places.length} of ${places.length}`)
  writeFileSync(stamp, hash(lock))
  return true
}

function areFresh() {
  if (!existsSync(pinned)) return false
  // Somebody ran npm by hand: its own record of the tree is as good as the stamp.
  const record = existsSync(stamp) ? stamp : join(folder, '.package-lock.json')
  if (modified(record) >= modified(lock)) return true
  if (record !== stamp || readFileSync(stamp, 'utf8') !== hash(lock)) return false
  utimesSync(stamp, new Date(), new Date())
  return true
}

// Those that are for this machine.
const placesOf = ({ packages }) =>
  Object.entries(packages)
    .filter(([place, { os, cpu }]) => place !== '' && suits(os, 'platform') && suits(cpu, 'arch'))
    .map(([place]) => join(root, place, 'package.json'))

const suits = (wanted, property) => wanted === undefined || wanted.includes(process[property])

function howFar(places) {
  const there = places.filter(place => existsSync(place)).length
  const last = there === places.length ? '; now Node itself, some 50 MB' : ''
  return `${there} of ${places.length}${last}`
}
