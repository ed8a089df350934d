// Settings of the store that cannot be meant are refused by name, before anything is opened.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import Value from 'typebox/value'
import { storePlaceOf, storeSection } from './store-settings.ts'

const placeOf = (zookeeper: object, environment = {}, more: object = {}) => {
  const settings = { kind: 'zookeeper', ...more, zookeeper }
  const whole = Value.Default(storeSection, settings) as Parameters<typeof storePlaceOf>[0]
  return storePlaceOf(whole, environment)
}
const servers = ['zk1']

test('the embedded store is the default, whatever is said of an ensemble', () => {
  const place = placeOf({ servers: ['not a server'] }, {}, { kind: 'sqlite', path: '/x/y.db' })
  assert.deepEqual(place, { kind: 'sqlite', path: '/x/y.db' })
})

test('an ensemble with its defaults, and the copy beside the path', () => {
  const place = placeOf({ servers: ['zk1', '10.0.0.2:2182', '[2001:db8::1]:2183', '[::1]'] })
  assert.deepEqual(place, {
    kind: 'zookeeper',
    copyPath: 'var/mezzo.db-copy',
    servers: [
      { host: 'zk1', port: 2181 },
      { host: '10.0.0.2', port: 2182 },
      { host: '2001:db8::1', port: 2183 },
      { host: '::1', port: 2181 }
    ],
    chroot: '/mezzo',
    sessionMs: 6000,
    must: 'find',
    credentials: undefined,
    tls: undefined
  })
  const made = placeOf({ servers, create: true })
  assert.equal(made.kind === 'zookeeper' && made.must, undefined)
  const inMemory = placeOf({ servers }, {}, { path: ':memory:' })
  assert.equal(inMemory.kind === 'zookeeper' && inMemory.copyPath, ':memory:')
})

test('what cannot be meant is refused by name', () => {
  const wrong: [object, RegExp][] = [
    [{}, /store\.zookeeper\.servers.*at least one/],
    [{ servers: [''] }, /store\.zookeeper\.servers/],
    [{ servers: ['a:b'] }, /store\.zookeeper\.servers is "a:b"/],
    [{ servers: ['a:0'] }, /store\.zookeeper\.servers/],
    [{ servers: ['a:70000'] }, /store\.zookeeper\.servers/],
    [{ servers: ['2001:db8::1:2181'] }, /store\.zookeeper\.servers/],
    [{ servers: ['a b'] }, /store\.zookeeper\.servers/],
    [{ servers, caFile: '/x' }, /store\.zookeeper\.caFile.*without store\.zookeeper\.tls/],
    [{ servers, tls: true, certFile: '/x' }, /store\.zookeeper\.keyFile is missing/],
    [{ servers, tls: true, keyFile: '/x' }, /store\.zookeeper\.certFile is missing/],
    [{ servers, tls: true, caFile: '/not/there' }, /store\.zookeeper\.caFile.*can be read/],
    [{ servers, username: 'm' }, /store\.zookeeper\.passwordFile is missing/],
    [{ servers, username: 'm', passwordFile: '/not/there' }, /passwordFile.*can be read/]
  ]
  for (const [settings, words] of wrong) assert.throws(() => placeOf(settings), words)
  const half = { MEZZO_ZOOKEEPER_PASSWORD: 'secret' }
  assert.throws(() => placeOf({ servers }, half), /store\.zookeeper\.username is missing/)
})

test('name and password come from files or the environment, and are never shown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
  try {
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, 'right\n')
    const place = placeOf({ servers, username: 'm', passwordFile })
    assert.deepEqual(place.kind === 'zookeeper' && place.credentials, {
      username: 'm',
      password: 'right'
    })
    writeFileSync(passwordFile, '\n')
    assert.throws(() => placeOf({ servers, username: 'm', passwordFile }), /password of m/)
    writeFileSync(passwordFile, 'name\nright\n')
    assert.throws(
      () => placeOf({ servers, username: 'm', passwordFile }),
      (error: Error) =>
        /one line, the password of m/.test(error.message) && !/right/.test(error.message)
    )
    const both = { MEZZO_ZOOKEEPER_USERNAME: 'e', MEZZO_ZOOKEEPER_PASSWORD: 'p' }
    const other = placeOf({ servers }, both)
    assert.equal(other.kind === 'zookeeper' && other.credentials?.password, 'p')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
