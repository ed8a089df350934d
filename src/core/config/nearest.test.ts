// F8: a misspelt name is answered with those that look like it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meant, nearest, suggested } from './nearest.ts'

const names = [
  'name',
  'position',
  'protocol',
  'source',
  'sourcePorts',
  'destination',
  'destinationPorts',
  'ethType',
  'natTargets',
  'action',
  'chain'
]

test('F8: the nearest name comes first, whatever was done to it', () => {
  for (const [word, name] of [
    ['nmae', 'name'],
    ['protcol', 'protocol'],
    ['proto', 'protocol'],
    ['destinationPort', 'destinationPorts'],
    ['source_ports', 'sourcePorts'],
    ['ethtype', 'ethType'],
    ['nattargets', 'natTargets']
  ] as const) {
    assert.equal(nearest(word, names)[0], name)
    assert.equal(meant(word, names), name)
  }
  assert.equal(meant('colour', names), undefined)
  assert.equal(meant('x', []), undefined)
})

test('F8: of few names all are told, of many three; the work is bounded', () => {
  assert.equal(suggested('x', []), 'there are none')
  assert.equal(suggested('x', ['a', 'b']), 'there are a, b')
  assert.match(suggested('protcol', names), /^the nearest are protocol, \w+, \w+$/)
  assert.equal(nearest('n'.repeat(1 << 20), names).length, 3)
})
