// Flows that are used while ports elsewhere move: what they tell of their state goes to whoever is
// responsible by now, not to who was when they were made.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RECORD_WORDS } from '../../src/state/record.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { checkInvariants } from '../world/invariants.ts'
import type { World } from '../world/world.ts'
import { back, FAR, INSIDE, OUT, open, out, VM } from './two-gateways.ts'

const [INNER, PEER] = ['10.0.0.11', '198.51.100.7']
const LET_GO_MS = 5000
const asked = (): PacketBuilder => eth(VM, INSIDE).ipv4(INNER, PEER)
const answered = (): PacketBuilder => eth(FAR, OUT[0]!).ipv4(PEER, INNER)

const speak = {
  udp: [asked().udp(5000, 53).frame(), answered().udp(53, 5000).frame()],
  ping: [asked().icmpEcho(7, 1).frame(), answered().icmpEcho(7, 1, { reply: true }).frame()]
} as const

function opened(): World {
  const world = open({ lifetimes: { udpTwoWayS: 40, icmpS: 40 } }) // told of every ten seconds
  world.addHost('h2')
  world.settle(500)
  return world
}

const holders = (world: World): string[] =>
  ['g0', 'g1', 'h2'].filter(id => world.hosts.get(id)!.house.sharing.flowState.table.size > 0)

/** The other uplink of the group goes to another host; no flow here leads by it. */
function moveOther(world: World): void {
  const port = world.hub.get('port', 'up1')!
  world.hub.put('port', { ...port, host: 'h2', previousHost: port.host } as never)
}

function lets(world: World): void {
  world.settle(LET_GO_MS)
  checkInvariants(world)
  assert.deepEqual(holders(world), ['g0', 'h2'])
}

describe('(i), (ii): flows made before a port of their group moved', () => {
  for (const [name, [ask, answer]] of Object.entries(speak))
    test(`D1: ${name}: those who are responsible by now are told of its use`, () => {
      const world = opened()
      world.exchange('vm', ask)
      assert.deepEqual(holders(world), ['g0', 'g1'])
      for (let i = 0; i < 3; i++) assert.equal(world.exchange('up0', answer).length, 1)
      moveOther(world)
      lets(world)
      for (let s = 0; s < 12; s++) {
        assert.equal(world.exchange('up0', answer).length, 1)
        world.settle(1000)
      }
      lets(world)
    })

  test('D1: those who are responsible by now are told of a FIN that a flow saw', () => {
    const world = opened()
    world.exchange('vm', out(5000, 'S'))
    world.exchange('up0', back(0, 5000, 'SA'))
    world.exchange('vm', out(5000, 'A'))
    world.exchange('up0', back(0, 5000, 'A'))
    moveOther(world)
    lets(world)
    assert.equal(world.exchange('up0', back(0, 5000, 'FA')).length, 1)
    world.settle(10_000)
    lets(world)
  })
})

test('(i): an agent that has begun anew lets go of what it was told by mistake', () => {
  const world = opened()
  world.exchange('vm', speak.udp[0])
  moveOther(world)
  lets(world)
  const g1 = world.hosts.get('g1')!
  g1.restart()
  world.settle(1000)
  const record = new Int32Array(RECORD_WORDS)
  world.hosts.get('g0')!.house.sharing.flowState.table.scan(1, record, new Float64Array(1))
  g1.house.sharing.flowState.table.put(record, 0, 0)
  world.settle(8000)
  lets(world)
})
