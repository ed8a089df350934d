// Bad configuration is refused before anything happens, and the refusal names file, key, value
// and expectation. Good configuration is complete and frozen.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Type from 'typebox'
import { loadConfig, logSection, parseOverrides, section } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-config-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'compute.json')

const sections = {
  log: logSection,
  api: section({
    port: Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'TCP port' }),
    address: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Where it listens' }),
    token: Type.Optional(Type.String({ minLength: 8, description: 'What clients must present' })),
    origins: Type.Array(Type.String(), { maxItems: 2, default: [], description: 'Web origins' })
  })
}
const plugins = {
  bridge: section({
    macAgeMs: Type.Integer({ minimum: 1, default: 300_000, description: 'Life of an address' })
  }),
  router: section({})
}

const load = (text: string | object, overrides?: Record<string, unknown>) => {
  writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text))
  return loadConfig({ file, sections, plugins, ...(overrides && { overrides }) })
}

test('defaults fill what the file leaves out, twice alike', () => {
  const config = load({ log: { level: 'debug' } })
  assert.deepEqual(config, {
    log: { level: 'debug', rooms: {} },
    api: { port: 8080, address: '127.0.0.1', origins: [] },
    plugins: { bridge: { macAgeMs: 300_000 }, router: {} }
  })
  assert.deepEqual(load({ log: { level: 'debug' } }), config)
})

test('a role runs the plugins it names', () => {
  assert.deepEqual(load({ plugins: { bridge: { macAgeMs: 5 } } }).plugins, {
    bridge: { macAgeMs: 5 }
  })
})

test('configuration is frozen through and through', () => {
  const config = load({ api: { origins: ['a'] } })
  for (const part of [config, config.api, config.api.origins, config.plugins.bridge])
    assert.ok(Object.isFrozen(part))
})

const refusals: readonly (readonly [text: string | object, code: string, sentence: string])[] = [
  [
    { api: { prot: 80 } },
    'CONFIG_UNKNOWN_KEY',
    'api.prot is not a setting (its value is 80); expected one of port, address, token, origins'
  ],
  [
    { apy: {} },
    'CONFIG_UNKNOWN_KEY',
    'apy is not a setting (its value is {}); expected one of log, api, plugins'
  ],
  [
    '{"__proto__": {"log": {}}}',
    'CONFIG_UNKNOWN_KEY',
    '__proto__ is not a setting (its value is {"log":{}}); expected one of log, api, plugins'
  ],
  [
    { api: { port: '80' } },
    'CONFIG_WRONG_TYPE',
    'api.port is "80"; expected a whole number from 0 to 65535'
  ],
  [
    { api: { port: 1.5 } },
    'CONFIG_WRONG_TYPE',
    'api.port is 1.5; expected a whole number from 0 to 65535'
  ],
  [{ api: [] }, 'CONFIG_WRONG_TYPE', 'api is []; expected an object'],
  [{ api: null }, 'CONFIG_WRONG_TYPE', 'api is null; expected an object'],
  [{ api: { origins: ['a', 7] } }, 'CONFIG_WRONG_TYPE', 'api.origins[1] is 7; expected a text'],
  [
    { api: { origins: ['a', 'b', 'c'] } },
    'CONFIG_WRONG_TYPE',
    'api.origins is ["a","b","c"]; expected a list of 0 to 2 items of: a text'
  ],
  [
    { log: { level: 'loud' } },
    'CONFIG_WRONG_TYPE',
    'log.level is "loud"; expected "debug" or "info" or "warn" or "error" or "silent"'
  ],
  [
    { log: { rooms: { agent: 'loud' } } },
    'CONFIG_WRONG_TYPE',
    'log.rooms.agent is "loud"; expected "debug" or "info" or "warn" or "error" or "silent"'
  ],
  [
    { plugins: { bridg: {} } },
    'CONFIG_MISSING_PLUGIN',
    'plugins.bridg names a plugin that does not exist (its value is {}); ' +
      'expected one of bridge, router'
  ],
  [
    { plugins: { bridge: { macAgeMs: 0 } } },
    'CONFIG_WRONG_TYPE',
    'plugins.bridge.macAgeMs is 0; expected a whole number of 1 or more'
  ],
  [{ plugins: ['bridge'] }, 'CONFIG_WRONG_TYPE', 'plugins is ["bridge"]; expected an object'],
  ['[]', 'CONFIG_WRONG_TYPE', 'the whole file is []; expected an object of sections']
]

for (const [text, code, sentence] of refusals)
  test(`refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => load(text), { code, message: `${file}: ${sentence}` })
  })

test('a file that is missing, no JSON, or endless is refused by name', () => {
  const missing = join(folder, 'missing.json')
  assert.throws(() => loadConfig({ file: missing, sections }), {
    code: 'CONFIG_UNREADABLE',
    message: /missing\.json cannot be read: ENOENT/
  })
  assert.throws(() => load('{ "log": '), { code: 'CONFIG_NOT_JSON', message: /compute\.json is/ })
  assert.throws(() => load(' '.repeat(2 << 20)), { code: 'CONFIG_UNREADABLE', message: /1048576/ })
})

test('the value of a secret is never shown', () => {
  assert.throws(
    () => load({ api: { token: 'hunter2' } }),
    (error: Error) => {
      assert.match(
        error.message,
        /api\.token is \[hidden\]; expected a text of at least 8 characters/
      )
      assert.doesNotMatch(JSON.stringify(error), /hunter2/)
      return true
    }
  )
})

test('settings of the command line win over the file and are checked alike', () => {
  const overrides = parseOverrides(['api.port=0', 'api.address=::1', 'plugins.bridge.macAgeMs=9'])
  const config = load({ api: { port: 99 } }, overrides)
  assert.deepEqual([config.api.port, config.api.address], [0, '::1'])
  assert.deepEqual(config.plugins, { bridge: { macAgeMs: 9 }, router: {} })
  assert.deepEqual(load({ plugins: { router: {} } }, { 'plugins.bridge': {} }).plugins, {
    router: {},
    bridge: { macAgeMs: 300_000 }
  })
  assert.throws(() => load({}, { 'api.port': 'x' }), {
    code: 'CONFIG_WRONG_TYPE',
    message: /compute\.json with the settings of the command line: api\.port is "x"/
  })
  assert.throws(() => load({}, { '__proto__.polluted': 1 }), { code: 'CONFIG_UNKNOWN_KEY' })
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
  assert.throws(() => parseOverrides(['api.port']), { code: 'INVALID', message: /key=value/ })
})

test('a setting without default, description or unit is a mistake of ours', () => {
  const description = 'x'
  assert.throws(() => section({ a: Type.String({ default: '' }) }), /a has no description/)
  assert.throws(() => section({ a: Type.String({ description }) }), /a has no default/)
  assert.throws(
    () => section({ age: Type.Integer({ default: 1, description }) }),
    /age is a number: end its name in a unit/
  )
  section({ ageMs: Type.Integer({ default: 1, description }) })
})
