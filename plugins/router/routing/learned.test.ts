// Routes that hosts have learned from outside: they lead like stored ones, and vanish with whoever
// put them there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostIp, Lab, type PortName, udp } from '../fixture.test.ts'
import { type LearnedHop, learnedTable } from '../token.ts'

const FAR = '172.16.5.9'
const TABLE = learnedTable('r')

function learn(lab: Lab, key: string, hops: readonly LearnedHop[] | string, owner = 'speaker') {
  const value = typeof hops === 'string' ? hops : JSON.stringify(hops)
  lab.world.store.tablePut(TABLE, key, value, owner)
  lab.world.settle()
}

const by = (port: PortName, weight?: number): LearnedHop => ({
  port,
  gateway: hostIp[port],
  ...(weight === undefined ? {} : { weight })
})

test('a learned route leads, the longest prefix first, then the lowest weight', () => {
  const lab = new Lab()
  const exit = (): string => lab.exitOf('d1', udp('d1', FAR))
  assert.equal(exit(), 'up')
  learn(lab, 'h1 bgp 172.16.0.0/16', [by('d2')])
  assert.equal(exit(), 'd2', 'flows of the default route are walked again')
  learn(lab, 'h2 bgp 172.16.0.0/16', [by('d3', 50)])
  assert.equal(exit(), 'd3')
  learn(lab, 'h2 bgp 172.16.5.0/24', [by('d2', 900)])
  assert.equal(exit(), 'd2')
})

test('learned routes vanish with their owner, and with their port', () => {
  const lab = new Lab()
  const exit = (): string => lab.exitOf('d1', udp('d1', FAR))
  learn(lab, 'h1 bgp 172.16.0.0/16', [by('d2')])
  learn(lab, 'h2 bgp 172.16.0.0/16', [by('d3', 50)], 'another')
  assert.equal(exit(), 'd3')
  lab.change('port', 'd3', { adminStateUp: false })
  assert.equal(exit(), 'd2')
  lab.world.store.tableRemove(TABLE, 'h1 bgp 172.16.0.0/16', 'speaker')
  lab.world.settle()
  assert.equal(exit(), 'up')
})

test('equal next hops share, and what is no route is counted', () => {
  const lab = new Lab()
  learn(lab, 'h1 bgp 172.16.0.0/16', [by('d2'), by('d3')])
  const exits = Array.from({ length: 40 }, (_, i) => lab.exitOf('d1', udp('d1', FAR, 1000 + i)))
  assert.deepEqual([...new Set(exits)].sort(), ['d2', 'd3'])
  for (const value of [
    '',
    'null',
    '{}',
    '[1]',
    '[{"port":7}]',
    '[{"port":"d2","gateway":1}]',
    '[{"port":"d2","share":-1}]'
  ])
    learn(lab, `h1 bgp 172.16.${value.length}.0/24`, value)
  assert.equal(lab.world.counter('router.learned-refused'), 7)
})

test('routes that flap take their own flows, however many routes there are', () => {
  const lab = new Lab()
  const flap = (by: readonly LearnedHop[] | undefined): void => {
    for (let i = 0; i < 400; i++) {
      const key = `h1 bgp 172.17.${i >> 1}.${128 * (i & 1)}/25`
      if (by === undefined) lab.world.store.tableRemove(TABLE, key, 'speaker')
      else lab.world.store.tablePut(TABLE, key, JSON.stringify(by), 'speaker')
    }
    lab.world.settle()
  }
  learn(lab, 'h1 bgp 172.16.0.0/16', [by('d2')])
  flap([by('d2')])
  const exit = (to: string): string => lab.exitOf('d1', udp('d1', to))
  assert.deepEqual([exit(FAR), exit('172.17.9.9'), exit('172.17.10.9')], ['d2', 'd2', 'd2'])
  const before = lab.stale()
  flap(undefined)
  assert.equal(lab.stale() - before, 2)
  assert.deepEqual([exit(FAR), exit('172.17.9.9'), exit('172.17.10.9')], ['d2', 'up', 'up'])
  flap([by('d3')])
  assert.equal(lab.stale() - before, 4)
  assert.deepEqual([exit(FAR), exit('172.17.9.9'), exit('172.17.10.9')], ['d2', 'd3', 'd3'])
})

test('a change of ports between two words of a route leaves the last one', () => {
  const lab = new Lab()
  const put = (hops: readonly LearnedHop[]): void =>
    lab.world.store.tablePut(TABLE, 'h1 bgp 172.16.0.0/16', JSON.stringify(hops), 'speaker')
  put([by('d2')])
  lab.change('port', 'd1', { name: 'renamed' })
  put([by('d3')])
  lab.world.settle()
  assert.equal(lab.exitOf('d1', udp('d1', FAR)), 'd3')
  put([by('d2'), by('d3')])
  put([by('d2')])
  lab.change('port', 'd1', { name: 'again' })
  assert.equal(lab.exitOf('d1', udp('d1', FAR)), 'd2')
})
