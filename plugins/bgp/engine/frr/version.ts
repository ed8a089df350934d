// Where FRR is on this machine, of which version, and as whom its daemons run. version.test.ts
// holds it.

import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

const FOLDERS = ['/usr/lib/frr', '/usr/libexec/frr', '/usr/local/lib/frr']
const DAEMONS = ['zebra', 'bgpd', 'bfdd']
const USER = 'frr'
const ASK_MS = 10_000

// Releases whose commands are those that we give.
const FIRST = [8, 4] as const
const LAST = [10, 99] as const
// From here on bfdd has no control socket, nor the option that says where it is.
const SILENT = [10, 2] as const

/** FRR as it was found. */
export interface Installation {
  /** Of the daemons. */
  readonly folder: string
  /** As it says itself: 8.4.4. */
  readonly version: string
  /** Of the group of the user that the daemons become. */
  readonly gid: number
}

/** Looks for it; a text says why it cannot be used. `folder`: where it is, instead of the usual. */
export async function findInstallation(folder?: string): Promise<Installation | string> {
  const folders = folder === undefined ? FOLDERS : [folder]
  const found = folders.find(each => DAEMONS.every(name => existsSync(join(each, name))))
  if (found === undefined)
    return `FRR is not installed: no ${DAEMONS.join(', ')} in ${folders.join(', ')}`
  const program = join(found, 'bgpd')
  const said = await exec(program, ['--version'], { timeout: ASK_MS }).catch(() => null)
  const version = /version (\d+)\.(\d+)(?:\.\d+)?\S*/.exec(said?.stdout ?? '')
  if (version === null) return `${program} --version does not say its version`
  const text = version[0].replace('version ', '')
  const release = [Number(version[1]), Number(version[2])]
  if (isBefore(release, FIRST) || isBefore(LAST, release))
    return `FRR is of version ${text}; expected ${FIRST.join('.')} to ${LAST[0]}.x`
  const gid = groupIn(readFileSync('/etc/passwd', 'utf8'))
  if (gid === null) return `FRR's daemons run as the user ${USER}, whom this machine does not know`
  return { folder: found, version: text, gid }
}

/** Whether its bfdd has a socket by which it tells what it notices; later ones are asked. */
export const tellsOfBfd = ({ version }: Pick<Installation, 'version'>): boolean =>
  isBefore(version.split('.').map(Number.parseFloat), SILENT)

const isBefore = (a: readonly number[], b: readonly number[]): boolean =>
  a[0]! < b[0]! || (a[0] === b[0] && a[1]! < b[1]!)

function groupIn(passwd: string): number | null {
  const fields = passwd
    .split('\n')
    .map(line => line.split(':'))
    .find(([name]) => name === USER)
  return fields === undefined ? null : Number(fields[3])
}
