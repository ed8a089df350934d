// What is read of BIRD's answers, without one; test/lab/bird.test.ts asks a real one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameMoment } from './bird.ts'

test('a moment that is told a millisecond later is the same; another one is not', () => {
  assert.ok(isSameMoment('00:33:13.547', '00:33:13.547'))
  assert.ok(isSameMoment('00:33:13.547', '00:33:13.548'))
  assert.ok(isSameMoment('00:33:59.999', '00:34:00.000'))
  assert.ok(!isSameMoment('00:33:13.547', '00:33:14.547'))
  assert.ok(!isSameMoment('00:33:13.547', '00:33:13.747'))
})

test('what is no time of the day is the same only word by word', () => {
  assert.ok(isSameMoment('2026-11-29', '2026-11-29'))
  assert.ok(!isSameMoment('2026-11-29', '2026-11-30'))
  assert.ok(!isSameMoment('', '00:33:13.547'))
})
