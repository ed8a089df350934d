// What the log writes, at which level, and above all what it never writes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fail } from './errors.ts'
import { isSecretName, type LogSettings, openLog } from './log.ts'

const listen = (settings: LogSettings = { level: 'info' }) => {
  const lines: string[] = []
  return { lines, log: openLog(settings, { write: line => lines.push(line) }) }
}

test('a line is JSON with its fields apart from the message', () => {
  const { log, lines } = listen()
  log.child({ host: 'compute1' }).info({ port: 7, big: 5n }, 'port bound')
  const { level, host, port, big, msg } = JSON.parse(lines[0]!)
  assert.deepEqual(
    { level, host, port, big, msg },
    {
      level: 'info',
      host: 'compute1',
      port: 7,
      big: '5',
      msg: 'port bound'
    }
  )
})

test('a room speaks at its own level', () => {
  const { log, lines } = listen({ level: 'warn', rooms: { topology: 'debug' } })
  log.room('agent').info({}, 'unheard')
  log.room('topology').debug({}, 'heard')
  assert.deepEqual(
    lines.map(line => JSON.parse(line).msg),
    ['heard']
  )
})

test('secrets are masked at any depth, in children and in lists', () => {
  const { log, lines } = listen()
  const peers = [{ name: 'r1', md5Password: 'hunter2' }]
  log.child({ apiKey: 'hunter2' }).info({ token: 'hunter2', bgp: { peers } }, 'configured')
  log.error({ err: fail('INVALID', { field: 'x', value: 'y', expected: 'z' }) }, 'refused')
  const deep: Record<string, unknown> = { secret: 'hunter2' }
  deep.self = deep
  log.info({ deep, date: new Date(0), key: 'hunter2' }, 'circular')
  const text = lines.join('')
  assert.doesNotMatch(text, /hunter2/)
  assert.match(text, /"name":"r1","md5Password":"\[hidden\]"/)
  assert.match(text, /"code":"INVALID","message":"x is y; expected z"/)
  assert.match(text, /"date":"1970-01-01T00:00:00.000Z"/)
})

test('names of secrets are told from names of other keys', () => {
  for (const name of ['key', 'apiKey', 'api_key', 'dbPassword', 'authToken', 'clientSecret'])
    assert.ok(isSecretName(name), name)
  for (const name of ['tunnelKey', 'flowKey', 'keys', 'monkey', 'keyframe', 'host'])
    assert.ok(!isSecretName(name), name)
})
