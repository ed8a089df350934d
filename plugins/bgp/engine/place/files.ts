// The files of one speaker: what root alone writes, and a folder of the daemons' group with what
// they read and their sockets. Nothing in it can be read by others: configurations hold passwords.
// All of it is root's, who so needs no right over files of others.
//
// test/lab/bgp-engine.test.ts holds it.
//
//   <folder>/<short>/         root, others may pass
//     port                    id of the port
//     applied, applying       configurations, as JSON
//     heartbeat, limit        for the guard; withdrawn is written by it
//     daemons/                the daemons may write: <name>.conf, sockets

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = 0

/** Of a speaker. test/lab/bgp-engine.test.ts holds it. */
export class PlaceFiles {
  /** Where they are. */
  readonly folder: string
  /** What the daemons see of it. */
  readonly daemons: string

  constructor(folder: string, short: string) {
    this.folder = join(folder, short)
    this.daemons = join(this.folder, 'daemons')
  }

  /** Makes the folders; what is in them stays. `gid`: the daemons' group. */
  make(gid: number): void {
    const first = mkdirSync(this.folder, { recursive: true }) ?? this.folder
    for (let at = this.folder; at.length >= first.length; at = dirname(at)) chmodSync(at, 0o711)
    mkdirSync(this.daemons, { recursive: true, mode: 0o700 })
    chownSync(this.daemons, ROOT, gid)
    chmodSync(this.daemons, 0o770)
  }

  /** The text of a file of ours; null: it is not there. */
  read(name: string): string | null {
    try {
      return readFileSync(join(this.folder, name), 'utf8')
    } catch {
      return null
    }
  }

  /** Whether there is a file of ours. */
  has(name: string): boolean {
    return existsSync(join(this.folder, name))
  }

  /** Writes a file that root alone reads; it is there as a whole or not at all. */
  write(name: string, text: string): void {
    const draft = join(this.folder, `${name}.new`)
    writeFileSync(draft, text, { mode: 0o600 })
    renameSync(draft, join(this.folder, name))
  }

  /** Writes a file that the daemons read. The draft is made where they cannot put a link. */
  give(name: string, text: string, gid: number): void {
    const draft = join(this.folder, `${name}.new`)
    writeFileSync(draft, text, { mode: 0o600 })
    chownSync(draft, ROOT, gid)
    chmodSync(draft, 0o640)
    renameSync(draft, join(this.daemons, name))
  }

  /** Removes a file of ours, if it is there. */
  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true })
  }

  /** Removes all of it. */
  removeAll(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Short forms of the ports of which something is there, with their ids. */
export function portsIn(folder: string): { short: string; port: string }[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap(short => {
    const port = new PlaceFiles(folder, short).read('port')
    return port === null ? [] : [{ short, port }]
  })
}
