// The exchange in TypeScript: the contract, and what shows only with a clock and a wire that do as
// they are told.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Clock, VirtualClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { ACKNOWLEDGED_US, exchangeCounters } from '../../src/state/exchange/counters.ts'
import { EXCHANGE_DEFAULT, type ExchangeSettings } from '../../src/state/exchange/exchange.ts'
import { MemoryExchange } from '../../src/state/exchange/memory-exchange.ts'
import { headerOf, MessageType } from '../../src/state/exchange/message.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { exchangeContract } from './exchange-contract.ts'
import { Heard, isAcknowledgement, KEY } from './exchange-rig.ts'
import { TIMEOUTS } from './kinds.ts'
import { MemoryRig } from './memory-rig.ts'
import { record } from './records.ts'

exchangeContract('memory exchange', hosts => Promise.resolve(new MemoryRig(hosts)))

// Two hosts, 1 and 2, and a wire that delivers in the same breath, what it likes.
class Pair {
  readonly time = new VirtualClock()
  readonly heard = [new Heard(), new Heard()] as const
  readonly exchanges: readonly [MemoryExchange, MemoryExchange]
  carries: (from: number, message: Uint8Array) => boolean = () => true
  stoodMs = 0 // time that passed while nothing ran

  constructor(settings: Partial<ExchangeSettings> = {}) {
    this.exchanges = [this.#make(0, settings), this.#make(1, settings)]
    for (const [i, exchange] of this.exchanges.entries()) {
      exchange.setKey(KEY)
      exchange.setPeers([{ word: 2 - i, address: 2 - i, local: i + 1 }])
    }
    this.time.advance(1)
    assert.ok(this.exchanges[0].isReady(2) && this.exchanges[1].isReady(1))
  }

  get counts(): Record<string, number> {
    return this.exchanges[0].counters()
  }

  share(n: number): number {
    this.exchanges[0].share(record({ src: n }), 0, [2])
    return this.exchanges[0].flush()
  }

  close(): void {
    for (const exchange of this.exchanges) exchange.close()
    this.time.advance(10_000)
    assert.equal(this.time.waiting, 0)
  }

  #make(i: number, settings: Partial<ExchangeSettings>): MemoryExchange {
    const clock: Clock = {
      now: () => this.time.now() + this.stoodMs,
      wall: () => this.time.wall(),
      after: (ms, fire) => this.time.after(ms, fire),
      soon: fire => this.time.soon(fire)
    }
    const now = clock.now
    return new MemoryExchange({
      clock,
      random: new SeededRandom(i + 1),
      table: new MemoryStateTable({ capacity: 10_000, timeouts: TIMEOUTS, now }),
      host: i + 1,
      settings: { ...EXCHANGE_DEFAULT, ...settings },
      listener: this.heard[i]!,
      wire: {
        send: (_, message) => {
          if (this.carries(i + 1, message)) this.exchanges[1 - i]!.receive(i + 1, message)
        }
      }
    })
  }
}

const FOREVER_MS = 1e9

describe('memory exchange', () => {
  test('the listener is not called before the call that caused it is over', () => {
    const pair = new Pair()
    const [a] = pair.exchanges
    let isWithin = false
    let released = 0
    pair.heard[0].onReleased = () => {
      assert.ok(!isWithin)
      // What a listener does from within a call is as good as any.
      if (++released < 5) pair.share(100 + released)
    }
    isWithin = true
    pair.share(1)
    a.tell(2, Uint8Array.of(1))
    isWithin = false
    assert.equal(released, 0)
    pair.time.advance(5)
    assert.equal(released, 5)
    assert.equal(pair.heard[1].tells.length, 1)
    pair.close()
  })

  test('whoever lets a ticket pass its bound is not waited for until it acknowledges', () => {
    const pair = new Pair({ deadMs: FOREVER_MS })
    pair.carries = (from, message) => from === 1 || !isAcknowledgement(message)
    const ticket = pair.share(1)
    pair.time.advance(EXCHANGE_DEFAULT.holdMs - 1)
    assert.ok(!pair.heard[0].tickets.has(ticket))
    pair.time.advance(1)
    assert.ok(pair.heard[0].tickets.has(ticket))
    assert.equal(pair.counts['bound-passed'], 1)
    const { held, 'passed-over': passedOver } = pair.counts
    assert.equal(pair.share(2), 0)
    assert.deepEqual([pair.counts.held, pair.counts['passed-over']], [held, passedOver! + 1])
    pair.carries = () => true
    pair.time.advance(EXCHANGE_DEFAULT.holdMs)
    assert.notEqual(pair.share(3), 0)
    pair.close()
  })

  test('what is never acknowledged is given up', () => {
    const pair = new Pair({ deadMs: FOREVER_MS })
    pair.carries = (from, message) => from === 1 || !isAcknowledgement(message)
    pair.share(1)
    pair.exchanges[0].refresh(record(), 0, 0, [2])
    pair.time.advance(EXCHANGE_DEFAULT.holdMs * 8)
    assert.equal(pair.counts['given-up'], 2)
    const sent = pair.counts.retransmitted
    pair.time.advance(EXCHANGE_DEFAULT.holdMs * 8)
    assert.equal(pair.counts.retransmitted, sent)
    pair.close()
  })

  test('a thread that stood still does not take its peers for dead', () => {
    const pair = new Pair()
    for (const heard of pair.heard) heard.signs.length = 0
    for (let i = 0; i < 20; i++) {
      pair.stoodMs += 5 * EXCHANGE_DEFAULT.deadMs
      pair.time.advance(EXCHANGE_DEFAULT.heartbeatMs)
    }
    assert.deepEqual([...pair.heard[0].signs, ...pair.heard[1].signs], [])
    pair.close()
  })

  test('bulk does not keep held packets waiting', () => {
    const pair = new Pair({ deadMs: FOREVER_MS })
    pair.carries = (from, message) => from === 2 || headerOf(message).type !== MessageType.refresh
    for (let i = 0; i < 5000; i++) pair.exchanges[0].refresh(record({ src: i }), 0, 0, [2])
    pair.time.advance(1)
    const before = pair.counts['entries-sent']
    const ticket = pair.share(1)
    pair.time.advance(1)
    assert.ok(pair.heard[0].tickets.has(ticket))
    assert.ok(before! < 2000, 'not all bulk is under way at once')
    pair.close()
  })

  test('what is kept for a peer that is not there is bounded and counted', () => {
    const pair = new Pair()
    pair.carries = () => false
    pair.time.advance(2 * EXCHANGE_DEFAULT.deadMs)
    assert.deepEqual(pair.heard[0].last(2), { word: 2, host: false, agent: false })
    const { queued } = pair.counts
    for (let i = 0; i < 100; i++) assert.equal(pair.share(i), 0)
    assert.equal(pair.counts.queued! - queued!, 64)
    assert.equal(pair.counts['queue-full'], 36)
    pair.close()
  })

  test('a tell that no message holds is not sent', () => {
    const pair = new Pair()
    pair.exchanges[0].tell(2, new Uint8Array(1340))
    pair.exchanges[0].tell(2, new Uint8Array(1341))
    pair.time.advance(10)
    assert.deepEqual(
      pair.heard[1].tells.map(([, text]) => text.length),
      [1340]
    )
    pair.close()
  })

  test('acknowledgement times add up', () => {
    const pair = new Pair()
    for (let i = 0; i < 10; i++) pair.share(i)
    pair.time.advance(50)
    const { counts } = pair
    assert.deepEqual(Object.keys(counts), [...exchangeCounters])
    const buckets = [...ACKNOWLEDGED_US.map(us => `acknowledged-us-${us}`), 'acknowledged-us-more']
    const sum = buckets.reduce((total, name) => total + counts[name]!, 0)
    assert.deepEqual([sum, counts.acknowledged], [10, 10])
    pair.close()
  })
})
