// The programs in a namespace are ended, whoever started them, within a bound: one that sleeps in
// the kernel ends when that wakes it, and nobody can say when. inhabitants.test.ts holds it.

import { readFileSync } from 'node:fs'
import type { Clock, Log } from '../../../../src/control.ts'

const ASK_MS = 3000 // from SIGTERM to SIGKILL
const KILL_MS = 5000 // from SIGKILL until it is given up
const LOOK_MS = 50

/** How programs are found and told. */
export interface Inhabitants {
  /** Those that run, by process. */
  find(): Promise<ReadonlySet<number>>
  /** One may have ended meanwhile. */
  tell(pid: number, word: 'SIGTERM' | 'SIGKILL'): void
}

/** What ending them takes. */
export interface EndParts {
  readonly clock: Clock
  readonly log: Log
}

/**
 * Ends them; those that are asked may say goodbye. Of those that do not end though they were killed
 * the log says which they are. True: none is left.
 */
export async function endAll(those: Inhabitants, parts: EndParts): Promise<boolean> {
  const { clock, log } = parts
  for (const pid of await those.find()) those.tell(pid, 'SIGTERM')
  if (await areGone(those, clock, ASK_MS)) return true
  const tellAgain = (pids: ReadonlySet<number>): void => {
    for (const pid of pids) those.tell(pid, 'SIGKILL') // those too that were started meanwhile
  }
  if (await areGone(those, clock, KILL_MS, tellAgain)) return true
  const left = [...(await those.find())].map(pid => ({ pid, ...whatIs(pid) }))
  if (left.length > 0) log.warn({ left }, 'programs do not end though they were killed: left')
  return left.length === 0
}

async function areGone(
  those: Inhabitants,
  clock: Clock,
  limitMs: number,
  meanwhile: (pids: ReadonlySet<number>) => void = () => {}
): Promise<boolean> {
  const until = clock.now() + limitMs
  do {
    const pids = await those.find()
    if (pids.size === 0) return true
    meanwhile(pids)
    await new Promise<void>(done => {
      clock.after(LOOK_MS, done)
    })
  } while (clock.now() < until)
  return (await those.find()).size === 0
}

// What an operator looks for: what it is called, what it does (D: it sleeps in the kernel).
function whatIs(pid: number): { name: string; state: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    return { name: stat.slice(stat.indexOf('(') + 1, end), state: stat.slice(end + 2, end + 3) }
  } catch {
    return { name: '', state: '' }
  }
}
