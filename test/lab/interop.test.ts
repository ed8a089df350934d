// The grid of BGP speakers (G14), of which FRR and BIRD are played here: our engine against each
// in namespaces. `npm run interop` plays the others besides.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { cellsOf, nameOf, openSite, play } from '../interop/grid.ts'
import { bird } from '../interop/speakers/bird.ts'
import { frr } from '../interop/speakers/frr.ts'
import { whyNot } from './bgp-ground.ts'

describe('BGP with others', { skip: whyNot() ?? false, concurrency: 4 }, () => {
  let site: Awaited<ReturnType<typeof openSite>>

  before(async () => {
    site = await openSite('mz-interop')
  })
  after(() => site?.close())

  for (const cell of cellsOf([frr, bird]))
    test(`G14 ${nameOf(cell)}`, async t => {
      const { state, text } = await play(site, cell)
      assert.equal(state, 'green', text)
      t.diagnostic(text)
    })
})
