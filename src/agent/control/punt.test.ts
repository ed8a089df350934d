// What a control side hears of rules that are wrong, or that its host cannot carry out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MezzoError } from '../../core/errors.ts'
import type { Call } from '../messages.ts'
import { type PuntRules, ThreadPunt } from './punt.ts'

const rules: PuntRules = {
  ...{ interface: 'mzu0a1b2c3d', addresses: ['203.0.113.2'], peers: [], services: [] }
}

function open(kind: 'ebpf' | 'memory', fault = '') {
  const asked: Call[] = []
  const ask = async (call: Call): Promise<void> => {
    asked.push(call)
    if (fault !== '') throw new Error(fault)
  }
  return { punt: new ThreadPunt({ kind, ask }), asked }
}
const code = (expected: string, text: RegExp) => (error: Error) =>
  error instanceof MezzoError && error.code === expected && text.test(error.message)

test('rules are handed on to the packet thread', async () => {
  const { punt, asked } = open('ebpf')
  await punt.set('p', rules)
  await punt.clear('p')
  assert.deepEqual(asked, [
    { name: 'punt', port: 'p', rules },
    { name: 'punt', port: 'p', rules: null }
  ])
})

test('wrong ones are refused before, by name', async () => {
  const { punt, asked } = open('ebpf')
  const wrong = punt.set('p', { ...rules, addresses: ['nowhere'] })
  await assert.rejects(wrong, code('INVALID', /addresses\[0\] is nowhere/))
  assert.equal(asked.length, 0)
})

test('what is refused there, and rules beside a memory datapath, are not available', async () => {
  const refused = open('ebpf', 'no room').punt.set('p', rules)
  await assert.rejects(refused, code('UNAVAILABLE', /control plane of port p .* no room/))
  const { punt, asked } = open('memory')
  await assert.rejects(punt.set('p', rules), code('UNAVAILABLE', /memory datapath/))
  await punt.clear('p') // there are none
  assert.equal(asked.length, 0)
})
