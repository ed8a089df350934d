// Who is there.  A session lives as long as its process: same pid, same start time, same boot.
// Where a pid cannot be judged, because it belongs to another pid namespace (a container that
// shares the file), the session must be seen to beat instead.

import { readFileSync, readlinkSync } from 'node:fs'
import { fail } from '../../core/errors.ts'
import type { Database } from './database.ts'

interface Identity {
  readonly pid: number
  readonly started: string
  readonly namespace: string
  readonly boot: string
}

interface Row extends Identity {
  readonly id: string
  readonly beat: number
  readonly dead: number
}

/** A stranger whose beat stands still for so long, by our own clock, is dead. */
const SILENCE_MS = 20_000
/** Every so many looks we beat, and only when a stranger is there to listen. */
const BEAT_EVERY = 5

export class Sessions {
  readonly #database: Database
  readonly #self = identity()
  readonly #own = new Set<string>()
  readonly #strangers = new Map<string, { beat: number; since: number }>()
  readonly #ended = new Map<string, number>() // since when we know
  #looks = 0

  constructor(database: Database) {
    this.#database = database
  }

  /** How many sessions of ours are open. */
  get count(): number {
    return this.#own.size
  }

  add(id: string): void {
    const { pid, started, namespace, boot } = this.#self
    const sql = `INSERT INTO sessions (id, pid, started, namespace, boot, beat, dead)
                 VALUES (?, ?, ?, ?, ?, 0, 0)`
    this.#database.run(sql, id, pid, started, namespace, boot)
    this.#own.add(id)
  }

  /** Throws unless the session is alive: a session declared dead must not write on. */
  check(id: string): void {
    const sql = 'SELECT 1 FROM sessions WHERE id = ? AND dead = 0'
    if (this.#database.get(sql, id) === undefined) throw fail('SESSION_LOST', { session: id })
  }

  /** It writes no more; what it owns may stand for a while. */
  bury(id: string): void {
    this.#database.run('UPDATE sessions SET dead = 1 WHERE id = ?', id)
  }

  /** From now on it counts as any that died. */
  disown(id: string): void {
    this.#own.delete(id)
  }

  remove(id: string): void {
    this.#database.run('DELETE FROM sessions WHERE id = ?', id)
    this.#own.delete(id)
    this.#strangers.delete(id)
    this.#ended.delete(id)
  }

  beatIsDue(): boolean {
    return this.#strangers.size > 0 && this.#looks % BEAT_EVERY === 0
  }

  beat(): void {
    for (const id of this.#own)
      this.#database.run('UPDATE sessions SET beat = beat + 1 WHERE id = ?', id)
  }

  /** Sessions whose process is gone or that have left, and for how long we know. */
  dead(now: number): { readonly id: string; readonly forMs: number }[] {
    this.#looks++
    const rows = this.#database.all<Row>('SELECT * FROM sessions')
    const alive = new Map<string, boolean>()
    return rows
      .filter(row => !this.#own.has(row.id) && this.#isDead(row, now, alive))
      .map(({ id, boot }) => ({ id, forMs: this.#endedFor(id, boot, now) }))
  }

  // With the machine's boot ended what the session spoke of.
  #endedFor(id: string, boot: string, now: number): number {
    if (boot !== this.#self.boot) return Infinity
    const since = this.#ended.get(id) ?? now
    this.#ended.set(id, since)
    return now - since
  }

  #isDead(row: Row, now: number, alive: Map<string, boolean>): boolean {
    if (row.dead === 1) return true
    if (row.boot !== this.#self.boot) return true
    if (row.namespace !== this.#self.namespace) return this.#isSilent(row, now)
    const process = `${row.pid} ${row.started}`
    let answer = alive.get(process)
    if (answer === undefined) alive.set(process, (answer = isRunning(row.pid, row.started)))
    return !answer
  }

  #isSilent({ id, beat }: Row, now: number): boolean {
    const known = this.#strangers.get(id)
    if (known?.beat === beat) return now - known.since > SILENCE_MS
    this.#strangers.set(id, { beat, since: now })
    return false
  }
}

function identity(): Identity {
  return {
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    namespace: quietly(() => readlinkSync('/proc/self/ns/pid')) ?? '',
    boot: quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? ''
  }
}

function isRunning(pid: number, started: string): boolean {
  if (started !== '') return startOf(pid) === started
  try {
    process.kill(pid, 0) // no /proc here: asks only whether some process has this pid
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

// Field 22 of /proc/<pid>/stat, in ticks since boot.  The name before it may hold anything, so
// counting starts after its last bracket.  A zombie is dead: nobody will hear from it again.
function startOf(pid: number): string | undefined {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
