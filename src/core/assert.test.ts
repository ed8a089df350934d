// A fault of our own book-keeping is told by what should have been true.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokenInvariant, invariant, less } from './assert.ts'

test('what holds is let pass, what does not is told', () => {
  invariant(true, 'one is one')
  assert.throws(() => invariant(false, 'one is two'), new BrokenInvariant('one is two'))
})

test('a count gives what it holds and no more', () => {
  assert.equal(less(3, 3, 'frames held'), 0)
  assert.throws(() => less(2, 3, 'frames held'), new BrokenInvariant('frames held: 3 taken of 2'))
})
