// Where things are: the tree, programs, and how old a file is.

import { createHash } from 'node:crypto'
import { accessSync, readFileSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

export const programFolders = [
  ...(process.env.PATH ?? '').split(delimiter),
  ...['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']
]

/** Of a program by its name, or of a file by its path. */
export function isThere(probe) {
  const paths = probe.startsWith('/') ? [probe] : programFolders.map(folder => join(folder, probe))
  return paths.some(path => {
    try {
      accessSync(path)
      return true
    } catch {
      return false
    }
  })
}

export const modified = path => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

export const hash = path => createHash('sha256').update(readFileSync(path)).digest('hex')
