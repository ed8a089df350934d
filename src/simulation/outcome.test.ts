// An outcome is data, bounded, and as new when the next walk begins.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outcome } from './outcome.ts'
import { CachePolicy } from './verdict.ts'

test('what a walk leaves has gone when the next begins', () => {
  const outcome = new Outcome()
  outcome.actions.output(1)
  outcome.tag(7)
  outcome.invalidate(8)
  outcome.emit(new Uint8Array(1), 'p')
  outcome.count({ count: () => {} }, 0)
  outcome.deliver(new Uint8Array(1), { receive: () => {} })
  Object.assign(outcome, { ttlMin: 1, cacheable: false, cachePolicy: CachePolicy.short })
  Object.assign(outcome, { dropReason: 'a.b', waitingFor: 'c' })
  outcome.begin()
  outcome.tags.length = 0 // those behind tagCount do not count
  assert.equal(outcome.actions.count, 0)
  assert.deepEqual({ ...outcome, actions: null }, { ...new Outcome(), actions: null })
})

test('a tag is kept once; more than a flow may carry make it none', () => {
  const outcome = new Outcome()
  outcome.tag(5)
  outcome.tag(5)
  assert.equal(outcome.tagCount, 1)
  for (let tag = 0; tag < 5000; tag++) outcome.tag(tag)
  assert.equal(outcome.tagCount, 4096)
  assert.equal(outcome.cacheable, false)
})

test('what has been asked of the old state makes no flow', () => {
  const outcome = new Outcome()
  outcome.invalidate(1)
  outcome.tag(1) // asked of the new one
  assert.equal(outcome.cacheable, true)
  outcome.invalidate(1)
  assert.equal(outcome.cacheable, false)
  assert.deepEqual(outcome.stale, [1, 1])
})

test('a walk sends, counts and delivers 64 times each, at most', () => {
  const outcome = new Outcome()
  for (let i = 0; i < 100; i++) {
    outcome.emit(new Uint8Array(1), 'p')
    outcome.count({ count: () => {} }, i)
    outcome.deliver(new Uint8Array(1), { receive: () => {} })
  }
  const { emitted, counts, deliveries } = outcome
  assert.deepEqual([emitted.length, counts.length, deliveries.length], [64, 64, 64])
})

test('an outcome is unresolved when all its drops are; one that refuses makes it none', () => {
  const { normal, short, unresolved } = CachePolicy
  for (const { drops, policy } of [
    { drops: [normal], policy: normal },
    { drops: [normal, normal], policy: normal },
    { drops: [short, normal], policy: short },
    { drops: [unresolved], policy: unresolved },
    { drops: [unresolved, unresolved], policy: unresolved },
    { drops: [unresolved, short], policy: short },
    { drops: [short, unresolved], policy: short },
    { drops: [unresolved, normal], policy: short },
    { drops: [normal, unresolved], policy: short },
    { drops: [unresolved, normal, unresolved], policy: short }
  ]) {
    const outcome = new Outcome()
    for (const each of drops) outcome.drop('a.b', each)
    assert.equal(outcome.cachePolicy, policy, `${drops}`)
    assert.equal(outcome.isUnresolved, policy === unresolved)
  }
})
