// The id of this machine as a host, kept on its disk: a machine that is renamed stays the host it
// was, and two of one name do not become one.  test/zookeeper/host-id.test.ts holds it.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fail, reasonOf, show } from '../../core/errors.ts'

const BYTES_MAX = 1024
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The file of a configuration; undefined: nothing is kept, as nothing of its store is. */
export function idFileOf(host: { idFile?: string }, store: { path: string }): string | undefined {
  if (host.idFile !== undefined) return resolve(host.idFile)
  return store.path === ':memory:' ? undefined : `${resolve(store.path)}-host-id`
}

/** The id in the file; undefined when there is no file.  Throws INVALID for one that holds none. */
export function readHostId(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  const text = textOf(file).trim().toLowerCase()
  if (UUID.test(text)) return text
  throw refused(`${file} with ${show(text)}`)
}

function textOf(file: string): string {
  try {
    const found = statSync(file)
    if (!found.isFile()) throw new Error('it is no file')
    return found.size > BYTES_MAX ? `${found.size} bytes` : readFileSync(file, 'utf8')
  } catch (error) {
    throw refused(`${file}, which cannot be read (${reasonOf(error)})`, error)
  }
}

/** Keeps an id for good: it is whole in the file, or not there. */
export function writeHostId(file: string, id: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const fresh = `${file}.new`
    synced(fresh, 'w', fd => writeSync(fd, `${id}\n`))
    renameSync(fresh, file)
    synced(dirname(file), 'r', () => {})
  } catch (error) {
    throw refused(`${file}, which cannot be written (${reasonOf(error)})`, error)
  }
}

function synced(path: string, flags: 'r' | 'w', use: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600)
  try {
    use(fd)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const refused = (value: string, cause?: unknown): Error =>
  fail('INVALID', { field: 'host.idFile', value, expected: 'a file with one UUID' }, cause)
