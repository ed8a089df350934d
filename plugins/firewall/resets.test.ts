// A RST ends the record of an established connection only when its sender knows how far that has
// come, and what goes on was not reset (RFC 5961 §3).

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
const ENDS = ['a', 'b'] as const
const WILD = [0x2_0000, 0x4000_0000, 0x8000_0000, 0xc000_0000, 0xfffd_0000] // from what is next
const IDLE_MS = 14_000 // longer than a record lives that was reset
const RULES = [
  { action: 'accept', connectionStates: ['new', 'established'] },
  { action: 'accept', ethType: 0x806 },
  { action: 'drop' }
]

const other = (end: End): End => (end === 'a' ? 'b' : 'a')

/** An established connection from a to b, who knows what to send next. */
class Talk {
  readonly world: World
  readonly next: Record<End, number> = { a: 0x2000_0000, b: 0xffff_fff0 }
  readonly #family: Family

  constructor(hosts: Readonly<Record<End, string>>, family: Family) {
    this.#family = family
    const topology = new Topology().bridge('net')
    for (const end of ENDS)
      topology.edge(end, 'net', hosts[end], { inFilter: 'guard', outFilter: 'guard' })
    topology.add('chain', 'guard', { name: 'guard' })
    for (const [i, { action, ...rest }] of RULES.entries())
      topology.rule('guard', i + 1, action, rest)
    this.world = new World({ plugins, objects: topology.objects, share: true })
    this.world.settle(300)
    this.says('a', 'S')
    this.says('b', 'SA')
    this.says('a', 'A')
  }

  passes(from: End, flags: string, seq: number, bytes = 0): boolean {
    const ips = IPS[this.#family]
    const to = other(from)
    const ports: [number, number] = from === 'a' ? [5000, 80] : [80, 5000]
    const frame = eth(MACS[from], MACS[to])
    const ip =
      this.#family === 'v4' ? frame.ipv4(ips[from], ips[to]) : frame.ipv6(ips[from], ips[to])
    const segment = ip.tcp(...ports, { flags, sequence: seq >>> 0 })
    const whole = bytes > 0 ? segment.payload('x'.repeat(bytes)) : segment
    return this.world.exchange(from, whole.frame()).some(({ port }) => port === to)
  }

  says(from: End, flags: string, bytes = 0): void {
    assert.ok(this.passes(from, flags, this.next[from], bytes), `${from} says ${flags}`)
    this.next[from] += bytes + (flags.includes('S') ? 1 : 0)
  }

  /** Whether data of both ends passes, which begins nothing. */
  get lives(): boolean {
    return ENDS.every(end => {
      const passes = this.passes(end, 'PA', this.next[end], 10)
      this.next[end] += 10
      return passes
    })
  }
}

const recordsOf = ({ hosts }: World): number =>
  [...hosts.values()].reduce((sum, { host }) => sum + host.replication.flowState.table.size, 0)

const PLACES = { 'one host': { a: 'h1', b: 'h1' }, 'two hosts': { a: 'h1', b: 'h2' } }

for (const [place, hosts] of Object.entries(PLACES))
  for (const family of ['v4', 'v6'] as const)
    describe(`C4: ${place}, ${family}`, () => {
      for (const end of ENDS) {
        test(`wild RSTs with the address of ${end} end nothing`, () => {
          const talk = new Talk(hosts, family)
          talk.world.settle(2000)
          for (const by of WILD)
            for (const flags of ['R', 'RA']) talk.passes(end, flags, talk.next[end] + by)
          talk.world.settle(IDLE_MS)
          assert.ok(talk.lives)
          for (let i = 0; i < 5; i++) talk.passes(end, 'R', talk.next[end] + 0x3000_0000 + i)
          talk.world.settle(70_000) // its flows are gone, too
          talk.passes(end, 'R', talk.next[end] + 0x3000_0000)
          talk.world.settle(IDLE_MS)
          assert.ok(talk.lives)
          assert.ok(talk.world.counter('state.resets-doubted') > 0)
        })

        test(`a RST of ${end} ends the connection`, () => {
          const talk = new Talk(hosts, family)
          for (const each of ENDS) talk.says(each, 'PA', 100)
          talk.passes(end, 'R', talk.next[end])
          talk.world.settle(IDLE_MS)
          assert.equal(talk.lives, false)
        })

        test(`a RST of ${end} ends the connection after minutes of silence`, () => {
          const talk = new Talk(hosts, family)
          for (const each of ENDS) talk.says(each, 'PA', 100)
          for (const each of ENDS) talk.says(each, 'PA', 100)
          talk.world.settle(300_000) // its flows are gone
          for (const by of WILD) talk.passes(end, 'R', talk.next[end] + by)
          talk.world.settle(IDLE_MS)
          assert.equal(recordsOf(talk.world), talk.world.hosts.size, 'guesses end nothing')
          talk.passes(end, 'R', talk.next[end])
          talk.world.settle(IDLE_MS)
          assert.equal(recordsOf(talk.world), 0)
        })

        test(`what goes on after a RST of ${end} was not reset`, () => {
          const talk = new Talk(hosts, family)
          for (const each of ENDS) talk.says(each, 'PA', 100)
          talk.passes(end, 'R', talk.next[end])
          talk.world.settle(2000)
          talk.says(other(end), 'PA', 100)
          talk.world.settle(2000)
          talk.world.settle(90_000)
          assert.ok(talk.lives)
        })
      }
    })
