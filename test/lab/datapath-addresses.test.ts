// A host with more addresses than the kernel's map of underlay addresses holds: as many as a
// cluster's services put on one interface.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PortClass } from '../../src/datapath/datapath.ts'
import { Bench, canRun, netns, sh } from './datapath-lab.ts'

describe('hundreds of addresses', { skip: canRun }, () => {
  const bench = new Bench()

  before(() => {
    bench.namespace('many', 'peer')
    bench.veth(
      { in: 'many', name: 'u1', address: ['172.31.0.1/24'] },
      { in: 'peer', name: 'u2', address: ['172.31.0.2/24'] }
    )
    add('lo', 600, i => `10.96.${i >> 8}.${i & 255}/32`)
  })
  after(() => bench.close())

  test('the datapath opens, and takes an underlay', () => {
    const datapath = bench.open('many')
    bench.attach('many', datapath, 'u1', PortClass.tunnel)
    assert.equal(datapath.interfaces.byName('lo')!.addresses.length, 601)
  })

  test('an underlay with hundreds of its own is taken too', () => {
    sh(`ip -n ${netns('many')} addr flush dev lo`)
    add('u1', 300, i => `172.31.${1 + (i >> 8)}.${i & 255}/16`)
    const datapath = bench.open('many', { injectName: 'mzmore' })
    bench.attach('many', datapath, 'u1', PortClass.tunnel)
    assert.equal(datapath.interfaces.byName('u1')!.addresses.length, 301)
  })
})

function add(name: string, count: number, address: (i: number) => string): void {
  const lines = Array.from({ length: count }, (_, i) => `'addr add ${address(i)} dev ${name}'`)
  sh(`printf '%s\\n' ${lines.join(' ')} | ip -n ${netns('many')} -batch -`)
}
