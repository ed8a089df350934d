// The exchange's rig in memory: a virtual clock, and a wire that drops, doubles and reorders by a
// seeded die.

import assert from 'node:assert/strict'
import { Allowance } from '../../src/core/allowance.ts'
import { VirtualClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { EXCHANGE_DEFAULT, type Peer } from '../../src/state/exchange/exchange.ts'
import { MemoryExchange } from '../../src/state/exchange/memory-exchange.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { hostHash } from '../../src/state/record.ts'
import {
  type ExchangeRig,
  type Faults,
  Heard,
  type Host,
  isAcknowledgement,
  KEY,
  KINDS
} from './exchange-rig.ts'
import { TIMEOUTS } from './kinds.ts'

const BOUND_MS = 20_000
const DELAY_MS = 0.05
const REORDERED_MS = 4
const CAPACITY = 20_000
const SENT_MAX = 10_000

interface MemoryHost extends Host {
  exchange: MemoryExchange
  table: MemoryStateTable
  heard: Heard
  isCut: boolean
  kernel: boolean
}

export class MemoryRig implements ExchangeRig {
  readonly settings = EXCHANGE_DEFAULT
  readonly clock = new VirtualClock()
  readonly hosts: MemoryHost[]
  readonly #random: SeededRandom
  readonly #sent = new Map<string, Uint8Array[]>()
  #faults: Faults = {}
  #acknowledged: Allowance | null = null

  constructor(count: number, seed = 4) {
    this.#random = new SeededRandom(seed)
    const named = Array.from({ length: count }, (_, i) => ({
      word: hostHash(`h${i}`),
      address: 0x0a000001 + i
    }))
    this.hosts = named.map(name => ({ ...name, isCut: false, kernel: true, ...this.#agent(name) }))
    for (const host of this.hosts) this.#introduce(host)
  }

  until(what: string, done: () => boolean): Promise<void> {
    const end = this.clock.now() + BOUND_MS
    while (!done()) {
      assert.ok(this.clock.now() < end, `it did not come to this: ${what}`)
      this.clock.advance(0.25)
    }
    return Promise.resolve()
  }

  pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    return Promise.resolve()
  }

  faults(of: Faults): void {
    const { acknowledgedPerS: perS } = of
    this.#faults = of
    this.#acknowledged = perS === undefined ? null : new Allowance(1, perS)
  }

  stop(host: number, kernel: 'forwards' | 'gone'): void {
    const one = this.hosts[host]!
    one.exchange.close()
    one.kernel = kernel === 'forwards'
  }

  start(host: number): void {
    const one = this.hosts[host]!
    Object.assign(one, this.#agent(one), { kernel: true })
    this.#introduce(one)
  }

  cut(host: number, isCut: boolean): void {
    this.hosts[host]!.isCut = isCut
  }

  sent(from: number, to: number): readonly Uint8Array[] {
    return this.#sent.get(way(this.hosts[from]!.word, this.hosts[to]!.word)) ?? []
  }

  inject(address: number, to: number, message: Uint8Array): void {
    this.hosts[to]!.exchange.receive(address, message)
  }

  close(): void {
    for (const { exchange } of this.hosts) exchange.close()
    this.clock.advance(BOUND_MS)
    assert.equal(this.clock.waiting, 0, 'a closed exchange waits for nothing')
  }

  #agent({ word, address }: { word: number; address: number }) {
    const { clock } = this
    const heard = new Heard()
    const now = () => clock.now()
    const table = new MemoryStateTable({ capacity: CAPACITY, timeouts: TIMEOUTS, now })
    const exchange = new MemoryExchange({
      clock,
      random: this.#random,
      table,
      host: word,
      kinds: KINDS,
      settings: this.settings,
      listener: heard,
      wire: {
        send: (peer, message) => this.#carry(word, address, peer, message),
        probe: peer => this.#isReachable(word, peer.word)
      }
    })
    return { exchange, table, heard }
  }

  #introduce({ word, address, exchange }: MemoryHost): void {
    exchange.setKey(KEY)
    const others = this.hosts.filter(other => other.word !== word)
    exchange.setPeers(others.map(to => ({ word: to.word, address: to.address, local: address })))
  }

  #carry(from: number, address: number, to: Peer, message: Uint8Array): void {
    const sent = this.#sent.get(way(from, to.word)) ?? []
    this.#sent.set(way(from, to.word), sent)
    if (sent.push(message) > SENT_MAX) sent.shift()
    const { drop = 0, duplicate = 0, reorder = 0 } = this.#faults
    if (isAcknowledgement(message) && this.#isLost()) return
    for (let copies = this.#random.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      if (this.#random.chance(drop)) continue
      const late = this.#random.chance(reorder) ? this.#random.below(REORDERED_MS * 100) / 100 : 0
      this.clock.after(DELAY_MS + late, () => {
        if (this.#isReachable(from, to.word))
          this.#hostOf(to.word).exchange.receive(address, message)
      })
    }
  }

  // An acknowledgement.
  #isLost(): boolean {
    if (this.#acknowledged?.take(this.clock.now()) === false) return true
    return this.#random.chance(this.#faults.unacknowledged ?? 0)
  }

  #isReachable(from: number, to: number): boolean {
    const there = this.#hostOf(to)
    return !this.#hostOf(from).isCut && !there.isCut && there.kernel
  }

  #hostOf(word: number): MemoryHost {
    return this.hosts.find(host => host.word === word)!
  }
}

const way = (from: number, to: number): string => `${from} ${to}`
