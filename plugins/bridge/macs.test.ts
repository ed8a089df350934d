// The limits of what a bridge remembers: age, number, and who pays when it is full.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { SharedTable } from '../../src/topology/tables/shared-table.ts'
import { bridgeCounters } from './counters.ts'
import { keyOf, Macs } from './macs.ts'

const SESSIONS = ['one', 'two']

// Two hosts' copies of one table; what one writes the store tells both.
class Stations {
  readonly clock = new VirtualClock()
  readonly counters = new CounterTable()
  readonly moved: string[] = []
  readonly #entries = new Map<string, { value: string; owner: string }>()
  readonly tables = SESSIONS.map(
    session =>
      new SharedTable('mac', session, {
        put: (_, key, value) => this.#say(session, key, { value, owner: session }),
        remove: (_, key) => this.#say(session, key, undefined)
      })
  )
  readonly macs = this.tables.map(
    table =>
      new Macs({
        table,
        clock: this.clock,
        counters: bridgeCounters(this.counters),
        moved: (mac, vlan) => this.moved.push(`${vlan}/${mac}`)
      })
  )

  constructor(ageMs: number, max: number) {
    for (const each of this.macs) each.configure(ageMs, max)
  }

  hear(host: number, mac: number, port: string): boolean {
    return this.macs[host]!.hear(mac, 0, port, this.clock.now())
  }

  get keys(): string[] {
    return [...this.#entries.keys()].sort()
  }

  // The store removes for a session only what that session owns.
  #say(session: string, key: string, entry: { value: string; owner: string } | undefined): void {
    const does = entry !== undefined || this.#entries.get(key)?.owner === session
    if (entry !== undefined) this.#entries.set(key, entry)
    else if (does) this.#entries.delete(key)
    const event =
      entry === undefined
        ? ({ op: 'delete', key } as const)
        : ({ op: 'put', entry: { key, version: 1, ...entry } } as const)
    this.clock.soon(() => {
      if (does) for (const table of this.tables) table.apply([event])
      this.tables[SESSIONS.indexOf(session)]!.written(key)
    })
  }
}

const keys = (...of: number[]): string[] => of.map(mac => keyOf(mac, 0)).sort()

describe('ageing', () => {
  test('SB-14: an entry lives from when it was last heard, and at its own host', () => {
    const hosts = new Stations(80_000, 100)
    hosts.hear(0, 1, 'p')
    hosts.hear(1, 2, 'q')
    hosts.clock.advance(50_000)
    hosts.hear(0, 1, 'p')
    hosts.clock.advance(45_000)
    assert.deepEqual(hosts.keys, keys(1))
    assert.equal(hosts.macs[0]!.portOf(2, 0), undefined)
    hosts.clock.advance(60_000)
    assert.deepEqual(hosts.keys, [])
    assert.equal(hosts.counters.value('bridge.macs-aged'), 2)
    assert.equal(hosts.clock.waiting, 0)
  })

  test('a shorter age takes effect at once', () => {
    const hosts = new Stations(1_000_000, 100)
    hosts.hear(0, 1, 'p')
    hosts.macs[0]!.configure(1000, 100)
    hosts.clock.advance(1500)
    assert.deepEqual(hosts.keys, [])
  })

  test('an entry another host has taken over is left to it', () => {
    const hosts = new Stations(10_000, 100)
    hosts.hear(0, 1, 'p')
    hosts.clock.advance(9000)
    hosts.hear(1, 1, 'q')
    hosts.clock.advance(5000)
    assert.deepEqual(hosts.keys, keys(1))
    assert.equal(hosts.macs[0]!.portOf(1, 0), 'q')
  })
})

describe('a full table', () => {
  test('the port with most entries gives up its oldest', () => {
    const hosts = new Stations(300_000, 4)
    hosts.hear(0, 1, 'quiet')
    for (const mac of [10, 11, 12]) hosts.hear(0, mac, 'loud')
    hosts.hear(0, 2, 'other')
    assert.deepEqual(hosts.keys, keys(1, 2, 11, 12))
    hosts.hear(0, 13, 'loud')
    assert.deepEqual(hosts.keys, keys(1, 2, 12, 13))
    assert.equal(hosts.counters.value('bridge.macs-evicted'), 2)
    assert.ok(hosts.moved.includes('0/10') && hosts.moved.includes('0/11'))
  })

  test('a port that makes up addresses takes no place from others', () => {
    const hosts = new Stations(300_000, 64)
    for (let i = 0; i < 20; i++) hosts.hear(1, i, `port-${i % 4}`)
    hosts.clock.advance(1)
    for (let i = 0; i < 5000; i++) hosts.hear(0, 1000 + i, 'flood')
    hosts.clock.advance(1)
    for (let i = 0; i < 20; i++) assert.equal(hosts.macs[0]!.portOf(i, 0), `port-${i % 4}`)
    assert.equal(hosts.keys.length, 64)
  })

  test('the host that owns the entries of the fullest port gives way', () => {
    const hosts = new Stations(300_000, 8)
    for (let i = 0; i < 8; i++) hosts.hear(1, 100 + i, 'theirs')
    hosts.clock.advance(1)
    hosts.hear(0, 1, 'ours')
    hosts.clock.advance(1)
    assert.equal(hosts.keys.length, 8)
    assert.equal(hosts.macs[1]!.portOf(1, 0), 'ours')
    assert.equal(hosts.macs[0]!.portOf(100, 0), undefined)
  })

  test('when nobody gives way nothing more is learned, and it is counted', () => {
    const hosts = new Stations(300_000, 4)
    for (let mac = 0; mac < 20; mac++)
      hosts.tables[0]!.apply([
        { op: 'put', entry: { key: keyOf(mac, 0), value: 'p', owner: '', version: 1 } }
      ])
    assert.equal(hosts.hear(0, 99, 'q'), false)
    assert.equal(hosts.macs[0]!.portOf(99, 0), undefined)
    assert.equal(hosts.counters.value('bridge.macs-refused'), 1)
    assert.equal(hosts.macs[0]!.size, 20)
  })

  test('a lower limit takes effect at once', () => {
    const hosts = new Stations(300_000, 100)
    for (let mac = 0; mac < 50; mac++) hosts.hear(0, mac, `port-${mac % 3}`)
    hosts.macs[0]!.configure(300_000, 10)
    assert.equal(hosts.macs[0]!.size, 10)
  })
})

test('a port that makes up addresses has so many a second written, others all of theirs', () => {
  const hosts = new Stations(300_000, 100)
  let heard = 0
  for (let mac = 0; mac < 30_000; mac++) {
    if (mac % 100 === 0) hosts.clock.advance(1)
    if (hosts.hear(0, mac, 'flood')) heard++
    if (mac % 1000 === 0) assert.ok(hosts.hear(0, 100_000 + mac, 'calm'))
  }
  assert.ok(heard > 4000 && heard < 5000, `${heard}`)
})

test('close gives back what this host wrote, and stops its timer', () => {
  const hosts = new Stations(300_000, 100)
  hosts.hear(0, 1, 'p')
  hosts.hear(1, 2, 'q')
  hosts.clock.advance(1)
  hosts.macs[0]!.close()
  hosts.clock.advance(1)
  assert.deepEqual(hosts.keys, keys(2))
  hosts.macs[1]!.close()
  assert.equal(hosts.clock.waiting, 1) // the last word to the store
})
