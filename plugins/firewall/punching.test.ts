// Two machines that admit only answers reach each other when both begin: what the far port refuses
// has left the near one all the same (RFC 4787, RFC 5382 REQ-2).  One alone reaches nobody.

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
type Fields = Readonly<Record<string, unknown>>

const PORT = 5000
const WATCH: Fields[] = [{ action: 'accept', matchForwardFlow: true }]
const GUARD: Fields[] = [
  { action: 'accept', ethType: 0x806 },
  { action: 'accept', connectionStates: ['established'] },
  { action: 'drop' }
]

/** a and b on one bridge, on these hosts. */
function open(hosts: Readonly<Record<End, string>>, watch: readonly Fields[] = WATCH): World {
  const topology = new Topology().bridge('net')
  for (const end of ['a', 'b'] as const) {
    topology.edge(end, 'net', hosts[end], { inFilter: 'watch', outFilter: 'guard' })
  }
  for (const [chain, rules] of Object.entries({ watch, guard: GUARD })) {
    topology.add('chain', chain, { name: chain })
    for (const [i, { action, ...rest }] of rules.entries())
      topology.rule(chain, i + 1, String(action), rest)
  }
  const world = new World({ plugins, objects: topology.objects, share: true })
  world.settle(300)
  // The bridge learns both of them.
  for (const end of ['a', 'b'] as const) world.send(end, frame('v4', end, 9))
  world.settle(50)
  return world
}

const other = (end: End): End => (end === 'a' ? 'b' : 'a')

function frame(family: Family, from: End, port = PORT, flags = ''): Uint8Array {
  const ips = IPS[family]
  const to = other(from)
  const frame = eth(MACS[from], MACS[to])
  const ip = family === 'v4' ? frame.ipv4(ips[from], ips[to]) : frame.ipv6(ips[from], ips[to])
  return (flags === '' ? ip.udp(port, port) : ip.tcp(port, port, { flags })).payload('x').frame()
}

/** The port by which the frame came out, if it did. */
function passes(world: World, family: Family, from: End, flags = ''): boolean {
  const out = world.exchange(from, frame(family, from, PORT, flags))
  assert.ok(out.every(({ port }) => port === other(from)))
  return out.length > 0
}

const PLACES = { 'one host': { a: 'h1', b: 'h1' }, 'two hosts': { a: 'h1', b: 'h2' } }

for (const [place, hosts] of Object.entries(PLACES))
  for (const family of ['v4', 'v6'] as const)
    describe(`D11: both admit only answers, ${place}, ${family}`, () => {
      test('UDP of both ends meets', () => {
        const world = open(hosts)
        assert.equal(passes(world, family, 'a'), false)
        assert.equal(passes(world, family, 'b'), true)
        for (let i = 0; i < 3; i++)
          for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end), true)
      })

      test('UDP of both ends at once', () => {
        const world = open(hosts)
        for (const end of ['a', 'b'] as const) world.send(end, frame(family, end))
        world.settle(5)
        for (let i = 0; i < 3; i++)
          for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end), true)
      })

      test('one end alone reaches nobody, however often it tries', () => {
        const world = open(hosts)
        for (let i = 0; i < 20; i++) {
          assert.equal(passes(world, family, 'a'), false)
          world.settle(200)
        }
        assert.equal(passes(world, family, 'a', 'S'), false)
        assert.equal(passes(world, family, 'a', 'A'), false)
      })

      test('TCP opens from both ends, and is established', () => {
        const world = open(hosts)
        assert.equal(passes(world, family, 'a', 'S'), false)
        assert.equal(passes(world, family, 'b', 'S'), true)
        assert.equal(passes(world, family, 'a', 'SA'), true)
        assert.equal(passes(world, family, 'b', 'SA'), true)
        for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'A'), true)
        world.settle(600_000)
        for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'A'), true)
      })

      test('TCP opens from both ends at once, and is established', () => {
        const world = open(hosts)
        for (const end of ['a', 'b'] as const) world.send(end, frame(family, end, PORT, 'S'))
        world.settle(5)
        for (const end of ['a', 'b'] as const) passes(world, family, end, 'S') // once more
        for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'SA'), true)
        for (let i = 0; i < 2; i++)
          for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'A'), true)
        world.settle(600_000)
        for (const end of ['a', 'b'] as const) assert.equal(passes(world, family, end, 'A'), true)
      })

      test('what the far port refused is new to it: its policy holds for its own machine', () => {
        const strict = [
          { action: 'accept', connectionStates: ['established'] },
          { action: 'accept', connectionStates: ['new'], destinationPorts: { start: 9, end: 9 } },
          { action: 'accept', connectionStates: ['new'], source: `${IPS.v4.a}/32` },
          { action: 'accept', connectionStates: ['new'], source: `${IPS.v6.a}/128` },
          { action: 'drop' }
        ]
        const world = open(hosts, strict)
        assert.equal(passes(world, family, 'a'), false)
        assert.equal(passes(world, family, 'b'), false)
        assert.equal(passes(world, family, 'a'), false)
      })

      test('the hole closes when nobody uses it', () => {
        const world = open(hosts)
        assert.equal(passes(world, family, 'a'), false)
        world.settle(120_000)
        assert.equal(passes(world, family, 'b'), false)
      })
    })
