// Where secrets may come from: a file that only its owner reads, or a credential of systemd.  What
// stands on a command line is seen by everybody who asks for processes, and what stands in a file
// that others read is theirs as well: both are refused before anything starts.

import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fail, reasonOf } from '../core/errors.ts'
import { isSecretName } from '../core/log.ts'

const OTHERS = 0o077
const LINES = /\r\n|\r|\n/

/** Where a secret may stand. */
export interface SecretSource {
  /** Path of the setting, for errors. */
  readonly field: string
  /** The secret itself, in the settings. */
  readonly value: string | undefined
  /** File that holds it. */
  readonly file: string | undefined
  /** Its name, as in LoadCredential=. */
  readonly credential: string
}

/** The secret; undefined when none is set. Throws INVALID where others could read it. */
export function secretOf({ field, value, file, credential }: SecretSource): string | undefined {
  if (value !== undefined && file !== undefined)
    throw fail('INVALID', { field, value: '[hidden]', expected: `it, or ${field}File, not both` })
  if (value !== undefined) return value
  if (file !== undefined) return fromFile(`${field}File`, file)
  const folder = process.env.CREDENTIALS_DIRECTORY
  const loaded = folder === undefined ? undefined : join(folder, credential)
  // systemd has seen to it that nobody else reads it.
  return loaded !== undefined && existsSync(loaded) ? read(field, loaded) : undefined
}

function fromFile(field: string, file: string): string {
  const secret = read(field, file)
  mustBePrivate(field, file)
  return secret
}

function read(field: string, file: string): string {
  let secret: string
  try {
    secret = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const expected = `a file that can be read (${reasonOf(error)})`
    throw fail('INVALID', { field, value: file, expected }, error)
  }
  if (secret === '')
    throw fail('INVALID', { field, value: file, expected: 'a file with something in it' })
  if (!LINES.test(secret)) return secret
  const value = `${file} of ${secret.split(LINES).length} lines`
  throw fail('INVALID', { field, value, expected: 'a file of one line: the secret, nothing else' })
}

function mustBePrivate(field: string, file: string): void {
  const mode = statSync(file).mode & 0o777
  if ((mode & OTHERS) === 0) return
  const value = `${file} of mode ${mode.toString(8).padStart(4, '0')}`
  throw fail('INVALID', {
    field,
    value,
    expected: `a file only its owner reads: chmod 600 ${file}`
  })
}

/** Refuses secrets on the command line, and in a file of settings that others may read. */
export function checkSecrets(file: string, overrides: Readonly<Record<string, unknown>>): void {
  const [told] = Object.entries(overrides).flatMap(([key, value]) => secretsIn(value, key))
  if (told !== undefined)
    throw fail('INVALID', {
      field: `--set ${told}`,
      value: 'a secret that all users of this machine see, as by `ps`',
      expected: `${told}File, or a file of settings that only its owner reads`
    })
  const [kept] = secretsIn(settingsOf(file), '')
  if (kept !== undefined) mustBePrivate(kept, file)
}

/** The settings of a file; undefined: no JSON object, which whoever reads it next refuses. */
export function settingsOf(file: string): object | undefined {
  try {
    const settings: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof settings === 'object' && settings !== null ? settings : undefined
  } catch {
    return undefined
  }
}

function secretsIn(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null)
    return path.split('.').some(isSecretName) && value !== undefined && value !== '' ? [path] : []
  return Object.entries(value).flatMap(([name, inner]) =>
    secretsIn(inner, path === '' ? name : `${path}.${name}`)
  )
}
