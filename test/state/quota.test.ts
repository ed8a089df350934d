// Flow state that many share: who crowds pushes out nobody else's, and a port at its bound opens
// nothing more.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { eth } from '../../src/wire/builder.ts'
import { Topology } from '../world/objects.ts'
import { World, type WorldOptions } from '../world/world.ts'

const plugins = await loadPlugins()
const PORTS = ['a', 'b', 'victim', 'server']
const macOf = (port: string): string => `02:00:00:00:00:0${PORTS.indexOf(port) + 1}`
const ipOf = (port: string): string => `10.0.0.${PORTS.indexOf(port) + 1}`

/** All on one bridge; the server admits what opens and what is known. */
function open(options: Partial<WorldOptions>): World {
  const topology = new Topology().bridge('net')
  for (const port of PORTS)
    topology.edge(port, 'net', port === 'server' ? 'h2' : 'h1', { outFilter: 'guard' })
  topology
    .add('chain', 'guard', { name: 'guard' })
    .rule('guard', 1, 'accept', { connectionStates: ['established'] })
    .rule('guard', 2, 'accept', {
      connectionStates: ['new'],
      destinationPorts: { start: 80, end: 80 }
    })
    .rule('guard', 3, 'drop')
  const world = new World({ plugins, objects: topology.objects, share: true, ...options })
  world.settle(300)
  for (const port of PORTS) passes(world, port, 'server', 9, 'A')
  return world
}

function passes(world: World, from: string, to: string, sport: number, flags: string): boolean {
  const frame = eth(macOf(from), macOf(to)).ipv4(ipOf(from), ipOf(to))
  const ports: [number, number] = from === 'server' ? [80, sport] : [sport, 80]
  return world.exchange(from, frame.tcp(...ports, { flags }).frame()).length > 0
}

function establish(world: World, from: string, sport: number): boolean {
  return (
    passes(world, from, 'server', sport, 'S') &&
    passes(world, 'server', from, sport, 'SA') &&
    passes(world, from, 'server', sport, 'A')
  )
}

describe('C5: flow state of many ports', () => {
  test('two who open 4 000 connections do not push out the idle one of a third', () => {
    const world = open({ statesMax: 2000 })
    assert.ok(establish(world, 'victim', 1000))
    world.settle(70_000)
    for (let i = 0; i < 2000; i++)
      for (const port of ['a', 'b']) world.send(port, syn(port, 2000 + i))
    world.settle(500)
    for (const { house } of world.hosts.values())
      assert.equal(house.sharing.flowState.table.size, 2000)
    assert.ok(passes(world, 'server', 'victim', 1000, 'A'))
    assert.ok(passes(world, 'victim', 'server', 1000, 'A'))
    assert.ok(establish(world, 'victim', 1001), 'and it opens others')
  })

  test('a port at its bound opens nothing more, by name; what is open goes on', () => {
    const world = open({ statesPerPort: 10 })
    for (let i = 0; i < 10; i++) assert.ok(establish(world, 'a', 1000 + i))
    assert.equal(passes(world, 'a', 'server', 2000, 'S'), false)
    assert.equal(world.drops()['drop.state.port-full'], 1)
    assert.ok(establish(world, 'b', 1000), 'others have room')
    for (let i = 0; i < 10; i++) {
      assert.ok(passes(world, 'server', 'a', 1000 + i, 'A'))
      assert.ok(passes(world, 'a', 'server', 1000 + i, 'A'))
      assert.ok(passes(world, 'a', 'server', 1000 + i, 'S'), 'a SYN of what is known')
    }
  })
})

const syn = (from: string, sport: number): Uint8Array =>
  eth(macOf(from), macOf('server'))
    .ipv4(ipOf(from), ipOf('server'))
    .tcp(sport, 80, { flags: 'S' })
    .frame()
