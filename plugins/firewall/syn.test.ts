// What a chain is told of TCP packets that open, between ends that have a record: `established` is
// never said of one, and none of them disturbs what is established.  After nf_conntrack, but that
// Linux passes an opener's SYN on a live connection as established.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { eth } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'

const plugins = await loadPlugins()
const MACS = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' }
const IPS = { v4: { a: '10.0.0.1', b: '10.0.0.2' }, v6: { a: 'fd00::1', b: 'fd00::2' } }
type End = 'a' | 'b'
type Family = keyof typeof IPS

const NEW = { action: 'accept', connectionStates: ['new'] }
const KNOWN = { action: 'accept', connectionStates: ['established'] }
const REST = [{ action: 'accept', ethType: 0x806 }, { action: 'drop' }]

/** Two ends on two hosts; what leaves towards b is filtered, by rules that can be changed. */
function open(): World {
  const topology = new Topology()
    .bridge('net')
    .edge('a', 'net', 'h1')
    .edge('b', 'net', 'h2', { outFilter: 'guard', inFilter: 'guard' })
    .add('chain', 'guard', { name: 'guard' })
  for (const [i, { action, ...rest }] of [NEW, KNOWN, ...REST].entries())
    topology.rule('guard', i + 1, action, rest)
  const world = new World({ plugins, objects: topology.objects, share: true })
  world.settle(300)
  for (const end of ['a', 'b'] as const)
    world.send(end, eth(MACS[end], MACS[other(end)]).ipv4('10.0.0.8', '10.0.0.9').udp(9, 9).frame())
  world.settle(50)
  return world
}

/** From now on nothing new is admitted. */
function close(world: World): void {
  const rule = world.store.get('rule', 'guard-1')!
  world.store.put('rule', { ...rule, action: 'drop' } as typeof rule)
}

const other = (end: End): End => (end === 'a' ? 'b' : 'a')

function passes(world: World, family: Family, from: End, flags: string): boolean {
  const ips = IPS[family]
  const to = other(from)
  const ports: [number, number] = from === 'a' ? [5000, 80] : [80, 5000]
  const frame = eth(MACS[from], MACS[to])
  const ip = family === 'v4' ? frame.ipv4(ips[from], ips[to]) : frame.ipv6(ips[from], ips[to])
  return (
    world.exchange(
      from,
      ip
        .tcp(...ports, { flags })
        .payload('x')
        .frame()
    ).length > 0
  )
}

const TALK: [End, string][] = [
  ['a', 'S'],
  ['b', 'SA'],
  ['a', 'A'],
  ['b', 'A']
]

function established(family: Family): World {
  const world = open()
  for (const [end, flags] of TALK) assert.equal(passes(world, family, end, flags), true)
  return world
}

for (const family of ['v4', 'v6'] as const)
  describe(`D9: SYN, ${family}`, () => {
    test("the opener's SYN on an established connection is new", () => {
      const world = established(family)
      assert.equal(passes(world, family, 'a', 'S'), true)
      close(world)
      world.settle(5)
      for (const flags of ['S', 'SEW', 'SP']) {
        assert.equal(passes(world, family, 'a', flags), false, flags)
        for (const end of ['a', 'b'] as const)
          assert.equal(passes(world, family, end, 'A'), true, `data of ${end} after ${flags}`)
      }
    })

    test("the other end's SYN on an established connection is invalid", () => {
      const world = established(family)
      assert.equal(passes(world, family, 'b', 'S'), false)
      for (const end of ['b', 'a'] as const) assert.equal(passes(world, family, end, 'A'), true)
    })

    test('a SYN with a FIN or a RST is invalid, known or not', () => {
      const world = established(family)
      for (const flags of ['SF', 'SR', 'SFR'])
        for (const end of ['a', 'b'] as const)
          assert.equal(passes(world, family, end, flags), false, `${flags} of ${end}`)
      for (const end of ['b', 'a'] as const) assert.equal(passes(world, family, end, 'A'), true)
      assert.equal(passes(open(), family, 'a', 'SF'), false)
    })

    test('a SYN that comes again is new as often as it comes', () => {
      const world = open()
      for (let i = 0; i < 3; i++) assert.equal(passes(world, family, 'a', 'S'), true)
      assert.equal(passes(world, family, 'b', 'SA'), true)
      assert.equal(passes(world, family, 'a', 'S'), true)
      assert.equal(passes(world, family, 'b', 'SA'), true)
      close(world)
      world.settle(5)
      assert.equal(passes(world, family, 'a', 'S'), false)
      assert.equal(passes(world, family, 'a', 'A'), true)
    })

    for (const end of ['a', 'b'] as const)
      test(`once it is over, ${end === 'a' ? 'its opener' : 'the other end'} opens anew`, () => {
        const world = established(family)
        assert.equal(passes(world, family, 'a', 'FA'), true)
        assert.equal(passes(world, family, 'b', 'FA'), true)
        assert.equal(passes(world, family, 'a', 'A'), true)
        world.settle(1200) // each host has heard what the other saw
        assert.equal(passes(world, family, end, 'S'), true)
        assert.equal(passes(world, family, other(end), 'SA'), true)
        close(world)
        world.settle(1200)
        assert.equal(passes(world, family, end, 'A'), true)
        assert.equal(passes(world, family, other(end), 'A'), true)
        assert.equal(passes(world, family, end, 'S'), false)
      })

    for (const waitMs of [0, 100, 2000])
      test(`a policy that changes ${waitMs} ms after a close opens no door`, () => {
        const world = established(family)
        world.settle(1500) // what was sent so far has been read
        for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'FA'), true)
        assert.equal(passes(world, family, 'a', 'A'), true)
        if (waitMs > 0) world.settle(waitMs)
        close(world)
        world.settle(5)
        const overs = [...world.hosts.values()].map(({ host }) => {
          const { table } = host.replication.flowState
          const records = new Int32Array(table.size * 32)
          const n = table.scan(1, records, new Float64Array(table.size))
          return Array.from({ length: n }, (_, i) => records[i * 32 + 24]!).filter(f => f & 12)
        })
        for (const flags of overs) assert.deepEqual(new Set(flags.map(f => f & 12)), new Set([12]))
        world.settle(70_000)
        assert.equal(passes(world, family, 'a', 'S'), false)
      })
  })
