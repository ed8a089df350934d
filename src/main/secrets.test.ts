// C9: a secret comes from a file only its owner reads, or from systemd; never from a command line.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { checkSecrets, secretOf } from './secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-secrets-'))
after(() => rmSync(folder, { recursive: true }))
const before = process.env.CREDENTIALS_DIRECTORY
afterEach(() => {
  if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY
  else process.env.CREDENTIALS_DIRECTORY = before
})

const TOKEN = 'correct-horse-battery-staple'

function file(name: string, mode: number, text = `${TOKEN}\n`): string {
  const path = join(folder, name)
  rmSync(path, { force: true })
  writeFileSync(path, text, { mode })
  return path
}

const token = (value?: string, path?: string) =>
  secretOf({ field: 'api.token', value, file: path, credential: 'api-token' })

test('C9: a file holds the token, when nobody else can read it', () => {
  assert.equal(token(undefined, file('good', 0o600)), TOKEN)
  assert.equal(token(undefined, file('readonly', 0o400)), TOKEN)
  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o666])
    assert.throws(() => token(undefined, file('bad', mode)), /api\.tokenFile .*mode 0.*chmod 600/)
  assert.throws(() => token(undefined, join(folder, 'none')), /api\.tokenFile .*can be read/)
  assert.throws(() => token(undefined, file('empty', 0o600, '\n')), /something in it/)
  assert.throws(
    () => token(undefined, file('lines', 0o600, `# of compute1\n\n${TOKEN}\n`)),
    (error: Error) =>
      /api\.tokenFile .*of 3 lines.*one line/.test(error.message) && !/horse/.test(error.message)
  )
  assert.throws(() => token(TOKEN, file('two', 0o600)), /not both/)
  assert.equal(token(TOKEN), TOKEN)
  assert.equal(token(), undefined)
})

test('C9: a credential of systemd is taken where no setting names a token', () => {
  process.env.CREDENTIALS_DIRECTORY = folder
  file('api-token', 0o440, 'from-systemd-credential\n')
  assert.equal(token(), 'from-systemd-credential')
  assert.equal(token(undefined, file('good', 0o600)), TOKEN)
  rmSync(join(folder, 'api-token'))
  assert.equal(token(), undefined)
})

test('C9: a secret on the command line is refused, however it is put', () => {
  const settings = file('role.json', 0o644, '{}')
  for (const overrides of [
    { 'api.token': TOKEN },
    { api: { token: TOKEN } },
    { 'state.store.cassandra.password': 'hunter2' },
    { plugins: { vpn: { peers: [{ secret: 'hunter2' }] } } }
  ])
    assert.throws(
      () => checkSecrets(settings, overrides),
      (error: Error) =>
        /--set .*`ps`.*File/.test(error.message) && !/hunter2|horse/.test(error.message)
    )
  checkSecrets(settings, { 'api.tokenFile': '/etc/mezzo/token', 'api.port': 0, 'api.token': '' })
})

test('C9: a file of settings with a secret in it is for its owner only', () => {
  const text = JSON.stringify({ api: { token: TOKEN } })
  checkSecrets(file('private.json', 0o600, text), {})
  assert.throws(() => checkSecrets(file('open.json', 0o644, text), {}), /api\.token .*chmod 600/)
  checkSecrets(file('plain.json', 0o644, JSON.stringify({ api: { tokenFile: '/x' } })), {})
})
