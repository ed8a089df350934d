// Who owns a prefix, and the removal of everything that bears it. Every namespace of a lab is
// called `<prefix>.<name>`, so a crashed run can be cleaned by name alone; no prefix contains a
// dot, so `mz-a` never matches what belongs to `mz-ab`.
//
// The lock is an abstract Unix socket: the kernel frees it when its owner dies, however it dies.
// The folder beside it says who the owner is and holds the captures.
// test/lab/lib-self.test.ts holds it.

import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { LabError } from './process.ts'

const NETNS = '/run/netns'
const STATE = '/run/mezzo-lab'
// test/run.mjs knows what a lab has left behind by its beginning.
const PREFIX = /^mz-[a-z0-9-]{1,24}$/

/** A prefix of names that this process alone uses, and its folder. */
export class Claim {
  /** What the names begin with. */
  readonly prefix: string
  /** For captures and logs; gone after the lab. Root's alone, because its name is known. */
  readonly folder: string
  readonly #lock: Server

  private constructor(prefix: string, lock: Server) {
    this.prefix = prefix
    this.folder = `${STATE}/${prefix}`
    this.#lock = lock
  }

  /** Takes the prefix and removes what a crashed owner left; a living owner is an error. */
  static async take(prefix: string): Promise<Claim> {
    if (!PREFIX.test(prefix))
      throw new LabError(`prefix is "${prefix}"; expected mz- and 1 to 24 letters, digits, dashes`)
    const claim = new Claim(prefix, await lock(prefix))
    sweepSync(prefix)
    mkdirSync(claim.folder, { recursive: true, mode: 0o700 })
    const owner = { pid: process.pid, command: process.argv.join(' ') }
    writeFileSync(`${claim.folder}/owner.json`, `${JSON.stringify(owner)}\n`)
    return claim
  }

  /** Removes everything and gives the prefix back. Synchronous, so that it works at exit. */
  releaseSync(): void {
    sweepSync(this.prefix)
    this.#lock.close()
  }
}

function lock(prefix: string): Promise<Server> {
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      const busy = error.code === 'EADDRINUSE'
      const reason = busy ? `is in use by ${ownerOf(prefix)}` : `cannot be taken: ${error.message}`
      reject(new LabError(`prefix ${prefix} ${reason}`))
    })
    server.listen(`\0mezzo-lab/${prefix}`, () => {
      server.unref()
      resolve(server)
    })
  })
}

function ownerOf(prefix: string): string {
  try {
    const owner = JSON.parse(readFileSync(`${STATE}/${prefix}/owner.json`, 'utf8'))
    return `process ${owner.pid} (${owner.command})`
  } catch {
    return 'another process'
  }
}

/** Processes inside, namespaces, files. */
function sweepSync(prefix: string): void {
  const names = namespacesOf(prefix)
  for (const pid of inhabitants(names)) killSync(pid)
  if (names.length > 0) {
    const input = names.map(name => `netns delete ${name}\n`).join('')
    spawnSync('ip', ['-force', '-batch', '-'], { input })
  }
  unmountSync(`${STATE}/${prefix}`)
  rmSync(`${STATE}/${prefix}`, { recursive: true, force: true })
}

// An agent's bpffs lies in the run's folder; what is pinned in it goes with it.
function unmountSync(folder: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  for (const mount of mounts) {
    const at = mount.split(' ')[1] ?? ''
    if (at.startsWith(`${folder}/`)) spawnSync('umount', ['-l', at])
  }
}

/** Network namespaces whose names have this prefix. */
export function namespacesOf(prefix: string): string[] {
  if (!existsSync(NETNS)) return []
  return readdirSync(NETNS).filter(name => name.startsWith(`${prefix}.`))
}

/** The file of a network namespace. */
export const pathOf = (namespace: string): string => `${NETNS}/${namespace}`

/** Processes with a thread in one of these namespaces, this one aside. */
function inhabitants(names: readonly string[]): number[] {
  const wanted = new Set(names.map(name => `net:[${inodeOf(name)}]`))
  if (wanted.size === 0) return []
  const pids = readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && Number(pid) !== process.pid)
  return pids.filter(pid => threadsOf(pid).some(thread => wanted.has(netOf(thread)))).map(Number)
}

function inodeOf(name: string): number {
  try {
    return statSync(pathOf(name)).ino
  } catch {
    return -1 // deleted meanwhile
  }
}

function threadsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(thread => `/proc/${pid}/task/${thread}`)
  } catch {
    return []
  }
}

function netOf(thread: string): string {
  try {
    return readlinkSync(`${thread}/ns/net`)
  } catch {
    return '' // ended meanwhile
  }
}

function killSync(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
