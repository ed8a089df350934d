// A port is ready when nobody has anything left to do for it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PortModel } from '../../topology/models.ts'
import { Readiness } from './readiness.ts'

const port: PortModel = { id: 'p', number: 1, type: 'bridge', device: 'b' }

test('without a question every port is ready', () => {
  assert.equal(new Readiness().isReady(port), true)
})

test('questions are asked in order, up to the first no', () => {
  const readiness = new Readiness()
  const asked: string[] = []
  const answers = { state: false, walks: false }
  readiness.requires(({ id }) => {
    asked.push(`state of ${id}`)
    return answers.state
  })
  readiness.requires(({ id }) => {
    asked.push(`walks of ${id}`)
    return answers.walks
  })
  assert.equal(readiness.isReady(port), false)
  assert.deepEqual(asked.splice(0), ['state of p'])
  answers.state = true
  assert.equal(readiness.isReady(port), false)
  assert.deepEqual(asked.splice(0), ['state of p', 'walks of p'])
  answers.walks = true
  assert.equal(readiness.isReady(port), true)
})
