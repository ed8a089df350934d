// A sentence names its parameters, and no value makes it endless or makes it throw.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fail, isFailure, reasonOf, show } from './errors.ts'

test('an error carries code, parameters, sentence and cause', () => {
  const cause = new Error('below')
  const error = fail('CONFLICT', { kind: 'bridge', id: 'b1', actual: 4, expected: 3 }, cause)
  assert.equal(error.message, 'bridge b1 has version 4, not 3: somebody changed it meanwhile')
  assert.equal(error.code, 'CONFLICT')
  assert.equal(error.params.actual, 4)
  assert.equal(error.cause, cause)
  assert.ok(isFailure(error, 'CONFLICT') && !isFailure(error, 'EXISTS') && !isFailure(cause))
})

test('a parameter is put in as it is: braces and dollars in it mean nothing', () => {
  const error = fail('NOT_FOUND', { kind: '$& {id}', id: '{kind}' })
  assert.equal(error.message, '$& {id} {kind} does not exist')
})

test('long, circular and odd values are shown short', () => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  assert.equal(show('a"b'), '"a\\"b"')
  assert.equal(show(undefined), 'undefined')
  assert.equal(show({ n: 5n }), '{"n":"5"}')
  assert.equal(show(circular), 'a object')
  assert.ok(show('x'.repeat(10_000)).length < 250)
  assert.ok(fail('NOT_FOUND', { kind: 'bridge', id: 'x'.repeat(10_000) }).message.length < 300)
  assert.equal(reasonOf('thrown text'), 'thrown text')
})
