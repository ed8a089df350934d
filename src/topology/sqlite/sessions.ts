// Who is there.  A session lives as long as its process.  On one machine that is known by pid,
// start time and boot; where a pid cannot be judged, because it belongs to another pid namespace
// (a container that shares the file), the session must be seen to beat instead.
// test/store/sessions.test.ts holds it.

import { readFileSync, readlinkSync } from 'node:fs'
import { fail } from '../../core/errors.ts'
import type { Database } from './database.ts'

/** What a process is recognised by. */
export interface Identity {
  /** Process id. */
  readonly pid: number
  /** When the process began, as the kernel counts: a pid alone may be another's by now. */
  readonly started: string
  /** Its pid namespace. */
  readonly namespace: string
  /** Of its machine. */
  readonly boot: string
}

/** A session as the file has it. */
export interface SessionRow extends Identity {
  readonly id: string
  /** When it last said that it lives, wall clock in ms. */
  readonly beat: number
  /** 1: it was found dead; 0: it was not. */
  readonly dead: number
}

/** A session whose process is gone, or that has left. */
export interface EndedSession {
  readonly id: string
  /** The last that was heard of it. */
  readonly beat: number
  /** Its end is in the file already. */
  readonly isMarked: boolean
  /** How long we have known. */
  readonly forMs: number
}

/** Tells whether the processes of sessions are alive. */
export interface Liveness {
  /** This process. */
  readonly self: Identity
  /** Called before each look, with the sessions of others. */
  prepare?(rows: readonly SessionRow[]): Promise<void>
  /** Whether the session's process lives. */
  isAlive(row: SessionRow, now: number): boolean
  /** What a session spoke of ended with it: nobody will follow it. */
  isOver(row: SessionRow): boolean
  /** Somebody can see us only by our beat. */
  readonly isWatched: boolean
  /** The session has ended. */
  forget(id: string): void
}

/** Every so many looks we beat, and only when a stranger is there to listen. */
const BEAT_EVERY = 5

/** The sessions of a store's file, and which of them are dead. */
export class Sessions {
  readonly #database: Database
  readonly #liveness: Liveness
  readonly #own = new Set<string>()
  readonly #ended = new Map<string, number>() // since when we know
  #looks = 0

  constructor(database: Database, liveness: Liveness) {
    this.#database = database
    this.#liveness = liveness
  }

  /** Those of this process. */
  get own(): ReadonlySet<string> {
    return this.#own
  }

  /** A session of this process begins. */
  add(id: string): void {
    const { pid, started, namespace, boot } = this.#liveness.self
    const sql = `INSERT INTO sessions (id, pid, started, namespace, boot, beat, dead)
                 VALUES (?, ?, ?, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET dead = 0, beat = beat + 1`
    this.#database.run(sql, id, pid, started, namespace, boot)
    this.#own.add(id)
  }

  /** Throws unless the session is alive: a session declared dead must not write on. */
  check(id: string): void {
    if (!this.lives(id)) throw fail('SESSION_LOST', { session: id })
  }

  /** Whether it is not known to be dead. */
  lives(id: string): boolean {
    const sql = 'SELECT 1 FROM sessions WHERE id = ? AND dead = 0'
    return this.#database.get(sql, id) !== undefined
  }

  /**
   * It writes no more; what it owns may stand for a while.  With a beat: unless it has been heard
   * of since that, which gives false.
   */
  markDead(id: string, beat?: number): boolean {
    const row = this.#database.get<SessionRow>('SELECT * FROM sessions WHERE id = ?', id)
    if (beat !== undefined && row?.beat !== beat) return false
    this.#database.run('UPDATE sessions SET dead = 1 WHERE id = ? AND dead = 0', id)
    return true
  }

  /** From now on it counts as any that died. */
  disown(id: string): void {
    this.#own.delete(id)
  }

  /** Of one that has ended: nothing is known of it any more. */
  remove(id: string): void {
    this.#database.run('DELETE FROM sessions WHERE id = ? AND dead = 1', id)
    this.#own.delete(id)
    this.#liveness.forget(id)
    this.#ended.delete(id)
  }

  /** Whether the sessions of this process are to say that they live. */
  beatIsDue(): boolean {
    return this.#liveness.isWatched && this.#looks % BEAT_EVERY === 0
  }

  /** Says so. */
  beat(): void {
    for (const id of this.#own)
      this.#database.run('UPDATE sessions SET beat = beat + 1 WHERE id = ?', id)
  }

  /** Sessions whose process is gone or that have left, and for how long we know. */
  async dead(now: number): Promise<EndedSession[]> {
    this.#looks++
    const all = this.#database.all<SessionRow>('SELECT * FROM sessions')
    const rows = all.filter(row => !this.#own.has(row.id))
    await this.#liveness.prepare?.(rows)
    const isEnded = (row: SessionRow): boolean =>
      row.dead === 1 || !this.#liveness.isAlive(row, now)
    for (const row of rows) if (!isEnded(row)) this.#ended.delete(row.id) // it is back
    return rows.filter(isEnded).map(row => {
      const { id, beat, dead } = row
      return { id, beat, isMarked: dead === 1, forMs: this.#endedFor(row, now) }
    })
  }

  #endedFor(row: SessionRow, now: number): number {
    if (this.#liveness.isOver(row)) return Infinity
    const since = this.#ended.get(row.id) ?? now
    this.#ended.set(row.id, since)
    return now - since
  }
}

/** A stranger whose beat stands still for so long, by our own clock, is dead. */
const SILENCE_MS = 20_000

/** Processes of one machine. */
export class ProcessLiveness implements Liveness {
  readonly self = identity()
  readonly #strangers = new Map<string, { beat: number; since: number }>()
  #lastLook = -1
  readonly #known = new Map<string, boolean>() // of one look

  get isWatched(): boolean {
    return this.#strangers.size > 0
  }

  /** No session outlives the boot of its machine. */
  isAlive(row: SessionRow, now: number): boolean {
    if (row.boot !== this.self.boot) return false
    if (row.namespace !== this.self.namespace) return !this.#isSilent(row, now)
    if (now !== this.#lastLook) this.#known.clear()
    this.#lastLook = now
    const process = `${row.pid} ${row.started}`
    let answer = this.#known.get(process)
    if (answer === undefined) this.#known.set(process, (answer = isRunning(row.pid, row.started)))
    return answer
  }

  isOver(row: SessionRow): boolean {
    return row.boot !== this.self.boot
  }

  forget(id: string): void {
    this.#strangers.delete(id)
  }

  #isSilent({ id, beat }: SessionRow, now: number): boolean {
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
