// The matrix (test/matrix) on eBPF: cells of each kind, packet by packet through the kernel.  All
// of them are for `npm run matrix -- --datapath ebpf`.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { cells } from '../matrix/cells.ts'
import { PLACES } from '../matrix/network.ts'
import { play, tell } from '../matrix/play.ts'
import { canRun } from './datapath-lab.ts'
import { KernelGround } from './matrix-ground.ts'

const EVERY = 5 // kinds of cells alternate by 4, 7 and 9: so each is met
const TOLD_MAX = 5

describe('matrix on eBPF', { skip: canRun }, () => {
  let ground: KernelGround
  const some = cells().filter((_, i) => i % EVERY === 0)
  before(async () => {
    ground = await KernelGround.open()
  })
  after(() => ground.close())

  for (const place of PLACES)
    test(`G13 every cell is green on eBPF: ${place}`, t => {
      const here = some.filter(cell => cell.place === place)
      const wrong = play(here, ground.world).filter(each => each.wrong !== undefined)
      t.diagnostic(`${here.length} cells`)
      const told = wrong.slice(0, TOLD_MAX).map(tell).join('\n\n')
      assert.equal(wrong.length, 0, `${wrong.length} cells, of which\n${told}`)
    })

  // Nothing is said of the kernel by what did not pass it.
  test('the kernel had work to do', t => {
    const { seen } = ground
    t.diagnostic(JSON.stringify(seen))
    for (const did of ['hits', 'tunnelled', 'states', 'shared'] as const)
      assert.ok(seen[did] > some.length / 20, `${did}: ${seen[did]}`)
  })
})
