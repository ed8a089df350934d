// Overload in a world on one clock: gateways that acknowledge at a tenth of the rate at which
// connections open.  No packet leaves before its state, and once the gateways have caught up, every
// host has what it is responsible for.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KeyWord, RECORD_WORDS } from '../../src/state/record.ts'
import type { World } from '../world/world.ts'
import { isAcknowledgement } from './exchange-rig.ts'
import { open, out } from './two-gateways.ts'

const FIRST_PORT = 2000
const PER_S = 100
const SECONDS = 10
const AT_ONCE = 2500

const tableOf = (world: World, host: string) =>
  world.hosts.get(host)!.host.replication.flowState.table

/** Source ports of what a host has records of. */
function known(world: World, host: string): Set<number> {
  const table = tableOf(world, host)
  const records = new Int32Array(table.size * RECORD_WORDS)
  const n = table.scan(1, records, new Float64Array(table.size))
  const ports = Array.from({ length: n }, (_, i) => records[i * RECORD_WORDS + KeyWord.ports]!)
  return new Set(ports.map(word => word >>> 16))
}

/** The world lets so many acknowledgements of messages pass in a second. */
function slow(world: World, perS: number): void {
  let earned = 0
  let since = world.clock.now()
  world.carries = message => {
    if (!isAcknowledgement(message)) return true
    earned = Math.min(perS, earned + ((world.clock.now() - since) * perS) / 1000)
    since = world.clock.now()
    if (earned < 1) return false
    earned--
    return true
  }
}

/** Sends a SYN from this port; checks that whatever left has left behind its state. */
function opens(world: World, port: number): boolean {
  world.delivered.length = 0
  world.send('vm', out(port, 'S'))
  world.clock.advance(1000 / PER_S)
  return world.delivered.length > 0
}

describe('overload', () => {
  test('D3: peers acknowledge a tenth of what opens: all is at every host afterwards', () => {
    const world = open()
    slow(world, PER_S / 10)
    for (let i = 0; i < PER_S * SECONDS; i++) {
      const left = opens(world, FIRST_PORT + i)
      if (!left) continue
      for (const gateway of ['g0', 'g1']) assert.ok(known(world, gateway).has(FIRST_PORT + i))
    }
    const h1 = world.hosts.get('h1')!
    assert.ok(h1.exchange!.counters().overflowed! > 0)
    world.carries = () => true
    world.settle(5000)
    const all = known(world, 'h1')
    assert.ok(all.size >= PER_S * SECONDS)
    for (const gateway of ['g0', 'g1']) assert.deepEqual(known(world, gateway), all)
    assert.ok(h1.counters.value('state.resynchronised') > 0)
  })

  test('D3: what finds no room at a peer does not leave, by name, and leaves no state', () => {
    const world = open()
    world.carries = message => !isAcknowledgement(message)
    for (let i = 0; i < AT_ONCE; i++) world.send('vm', out(FIRST_PORT + i, 'S'))
    world.clock.advance(1)
    const refused = world.drops()['drop.state.peer-full'] ?? 0
    assert.ok(refused > 0)
    world.clock.advance(250) // the bound of those that were let in
    const left = world.delivered.length
    assert.equal(left + refused, AT_ONCE)
    for (const host of ['h1', 'g0', 'g1'])
      assert.equal(known(world, host).size, known(world, 'h1').size)
    assert.ok(known(world, 'h1').size <= left + 1)
    world.carries = () => true
    world.settle(5000)
    assert.deepEqual(
      world.exchange('vm', out(FIRST_PORT + AT_ONCE - 1, 'S')).map(({ port }) => port).length,
      1,
      'the next try passes'
    )
    for (const gateway of ['g0', 'g1'])
      assert.ok(known(world, gateway).has(FIRST_PORT + AT_ONCE - 1))
  })
})
