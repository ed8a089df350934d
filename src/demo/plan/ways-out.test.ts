// One way out is left, whatever is asked for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaysOut } from './ways-out.ts'

test('without routers outside the second gateway cannot die', () => {
  const ways = new WaysOut()
  assert.ok(ways.canLose('dead gateway1'))
  ways.lose('dead gateway1')
  assert.deepEqual(
    [ways.canLose('dead gateway2'), ways.canLose('drained gateway2')],
    [false, false]
  )
  assert.ok(ways.isGone('dead gateway1'))
  ways.regain('dead gateway1')
  assert.ok(ways.canLose('dead gateway2'))
})

test('a gateway, a router and a cable: the last way stays', () => {
  const ways = new WaysOut(['r1', 'r2'])
  ways.lose('drained gateway1')
  ways.lose('dead r1')
  assert.equal(ways.gone, 'drained gateway1, dead r1')
  assert.ok(ways.canLose('cut gateway1 r2') && ways.canLose('cut gateway2 r1'))
  for (const part of ['cut gateway2 r2', 'dead r2', 'dead gateway2', 'drained gateway2'] as const)
    assert.equal(ways.canLose(part), false, part)
  ways.regain('dead r1')
  assert.ok(ways.canLose('cut gateway2 r2') && ways.canLose('dead r2'))
})
