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
    for (const { host } of world.hosts.values())
      assert.equal(host.replication.flowState.table.size, 2000)
    assert.ok(passes(world, 'server', 'victim', 1000, 'A'))
    assert.ok(passes(world, 'victim', 'server', 1000, 'A'))
    assert.ok(establish(world, 'victim', 1001), 'and it opens others')
  })

  test('a port at its bound opens nothing more, by name; what is open goes on', () => {
    const world = open({ statesPerPort: 10 })
    for (let i = 0; i < 10; i++) assert.ok(establish(world, 'a', 1000 + i))
    assert.equal(passes(world, 'a', 'server', 2000, 'S'), false)
    assert.equal(world.drops()['drop.state.port-full'], 1)
    assert.deepEqual(toldOf(world), [['a', 1]])
    assert.ok(establish(world, 'b', 1000), 'others have room')
    for (let i = 0; i < 10; i++) {
      assert.ok(passes(world, 'server', 'a', 1000 + i, 'A'))
      assert.ok(passes(world, 'a', 'server', 1000 + i, 'A'))
      assert.ok(passes(world, 'a', 'server', 1000 + i, 'S'), 'a SYN of what is known')
    }
  })

  test('of many ports at their bound some are counted by port, and the rest together', () => {
    const topology = new Topology().bridge('net').add('chain', 'guard', { name: 'guard' })
    topology.rule('guard', 1, 'accept', { connectionStates: ['new'] })
    topology.edge('server', 'net', 'h1', { outFilter: 'guard' })
    for (let i = 0; i < 300; i++) topology.edge(`p${i}`, 'net', 'h1')
    const world = new World({ plugins, objects: topology.objects, statesPerPort: 1 })
    world.settle(300)
    const server = eth(macOf('server'), 'ff:ff:ff:ff:ff:ff').ipv4('10.0.0.4', '10.0.0.5')
    world.send('server', server.udp(9, 9).frame())
    for (let i = 0; i < 300; i++) {
      for (const sport of [1, 2]) {
        const mac = `02:00:00:00:01:${(i & 255).toString(16).padStart(2, '0')}`
        const opens = eth(mac, macOf('server')).ipv4(`10.1.${i >> 8}.${i & 255}`, '10.0.0.4')
        world.send(`p${i}`, opens.tcp(sport, 80, { flags: 'S' }).frame())
      }
      world.settle()
    }
    assert.equal(world.drops()['drop.state.port-full'], 300)
    const { counters } = world.hosts.get('h1')!.counters.snapshot()
    const told = Object.entries(counters).filter(([name]) => name.startsWith('port-full.'))
    assert.equal(told.length, 257)
    assert.equal(counters['port-full.p0'], 1)
    assert.equal(counters['port-full.others'], 300 - 256)
    world.settle(6_000)
    const table = world.store.table('connections-refused/h1')
    assert.equal(table.get('p255')?.value, '1')
    assert.equal(table.get('p256'), undefined)
  })

  test('who looks at a port sees what it was refused, until it is elsewhere', () => {
    const world = open({ statesPerPort: 10 })
    for (let i = 0; i < 15; i++) passes(world, 'a', 'server', 1000 + i, 'S')
    world.settle(6_000)
    const said = (): string | undefined =>
      world.store.table('connections-refused/h1').get('a')?.value
    assert.equal(said(), '5')
    passes(world, 'a', 'server', 2000, 'S')
    world.settle(6_000)
    assert.equal(said(), '6')
    const port = world.store.get('port', 'a')!
    world.store.put('port', { ...port, host: 'h2', previousHost: 'h1' } as never)
    world.settle(6_000)
    assert.equal(said(), undefined)
    assert.deepEqual(toldOf(world), [['a', 6]])
  })
})

const toldOf = (world: World): [string, number][] =>
  [...world.hosts.values()].flatMap(({ counters }) =>
    Object.entries(counters.snapshot().counters)
      .filter(([name]) => name.startsWith('port-full.'))
      .map(([name, n]): [string, number] => [name.slice(10), n])
  )

const syn = (from: string, sport: number): Uint8Array =>
  eth(macOf(from), macOf('server'))
    .ipv4(ipOf(from), ipOf('server'))
    .tcp(sport, 80, { flags: 'S' })
    .frame()
