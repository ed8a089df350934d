// What goes on when the agent does not: a shell loop beside the daemons that takes back what is
// announced when nobody has touched the heartbeat for too long: sessions of BGP stay, neighbours
// that are watched by BFD alone are told that we are down. The agent that
// returns finds a file that says so, and announces again. Times are those of /proc/uptime, which
// nobody sets. guard.test.ts and test/lab/bgp-engine-days.test.ts hold it.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { PlaceFiles } from '../place/files.ts'
import { type Command, fileOf, type Line } from './lines.ts'

/** Files of the guard: who writes them, see place/files.ts. */
export const GuardFile = {
  heartbeat: 'heartbeat',
  limit: 'limit',
  commands: 'withdraw.conf',
  withdrawn: 'withdrawn'
} as const

// The mark is set before and after: whoever sees the first while commands run sees the second too.
// It ends when its folder is gone, or another has its name, and when neither an agent nor a daemon
// that is written down there runs: then nobody announces anything.
const SCRIPT = `
cd "$1" || exit 0
runs() {
  for file in *.pid; do
    read -r pid _ < "$file" || continue
    [ "$pid" = $$ ] || [ ! -d "/proc/$pid" ] || return 0
  done
  return 1
}
while sleep 1; do
  [ "$1" -ef . ] || exit 0
  read -r up _ < /proc/uptime; up=\${up%.*}
  read -r beat < "$1/${GuardFile.heartbeat}" || continue
  read -r limit < "$1/${GuardFile.limit}" || continue
  [ $((up - beat)) -ge "$limit" ] || continue
  runs || exit 0
  [ ! -e "$1/${GuardFile.withdrawn}" ] || continue
  : > "$1/${GuardFile.withdrawn}"
  vtysh --vty_socket "$2" -f "$1/${GuardFile.commands}"
  : > "$1/${GuardFile.withdrawn}"
done 2>&1`

/** The line of a neighbour of BFD that may take us for alive. */
export const WATCHES = 'no shutdown'

/** The loop as a program. */
export const guardCommand = (files: PlaceFiles): string[] => [
  ...['sh', '-c', SCRIPT, 'sh', resolve(files.folder), resolve(files.daemons)]
]

/** The agent is there. */
export const beat = (files: PlaceFiles): void =>
  files.write(GuardFile.heartbeat, `${Math.floor(uptimeS())}\n`)

const uptimeS = (): number => Number.parseFloat(readFileSync('/proc/uptime', 'utf8'))

/** Lines of a configuration that have others send to us. */
export const announces = ({ text }: Line | Command): boolean =>
  text.startsWith('network ') || text === WATCHES

/** A file for vtysh that takes all of it back. */
export const withdrawal = (lines: readonly Line[]): string =>
  fileOf(lines.filter(announces).map(line => ({ ...line, text: line.undo })))
