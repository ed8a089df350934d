// What is known of a process by files: whether the one that was written down still runs, and what
// it has printed since. outliving.test.ts holds it.

import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync
} from 'node:fs'
import { join } from 'node:path'

/** How the file ends that names the process of a program. */
export const PID_FILE = '.pid'

const OUTPUT_MAX = 64 * 1024 // bytes of a file, then it begins anew

/** When a process started, in the kernel's ticks; null: there is none, or it has ended. */
export const startOf = (pid: number): string | null =>
  startIn(read(`/proc/${pid}/stat`))?.start ?? null

/** The process that a file names, with its start; null: it does not run any more. */
export function startWritten(path: string): { pid: number; start: string } | null {
  const written = startIn(read(path))
  return written !== null && startOf(written.pid) === written.start ? written : null
}

/** The programs that outlive an agent by a folder and run now: their processes, by name. */
export function outlivingIn(folder: string): Map<string, number> {
  if (!existsSync(folder)) return new Map()
  const written = readdirSync(folder)
    .filter(name => name.endsWith(PID_FILE))
    .map(name => [name.slice(0, -PID_FILE.length), startWritten(join(folder, name))] as const)
  return new Map(written.flatMap(([name, process]) => (process ? [[name, process.pid]] : [])))
}

// proc(5): the name, in brackets, may hold anything; the state is the third field, the start the
// twenty-second.
function startIn(stat: string): { pid: number; start: string } | null {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const pid = Number.parseInt(stat, 10)
  const [state, start] = [fields[0], fields[19]]
  if (!(pid > 0) || start === undefined || state === 'Z' || state === 'X') return null
  return { pid, start }
}

/** How long a file is; 0 when it is not there. */
export const tailOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** What stands in a file from a byte on, and where to go on; a file that is long begins anew. */
export function textBetween(path: string, from: number): { text: string; next: number } {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return { text: '', next: 0 }
  }
  try {
    const { size } = fstatSync(file)
    if (size === from) return { text: '', next: from }
    const begin = size < from ? 0 : from
    const bytes = Buffer.alloc(Math.min(size - begin, OUTPUT_MAX))
    const length = readSync(file, bytes, 0, bytes.length, begin)
    if (size > OUTPUT_MAX) truncateSync(path)
    const next = size > OUTPUT_MAX ? 0 : begin + length
    return { text: bytes.toString('utf8', 0, length), next }
  } finally {
    closeSync(file)
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
