// Flow-state messages, any bytes and spoilt good ones, into an exchange: nothing makes it throw,
// each is taken or refused for one reason, and without a good tag it has no effect whatever.

import assert from 'node:assert/strict'
import { VirtualClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import * as codec from '../../src/state/exchange/codec.ts'
import { EXCHANGE_DEFAULT } from '../../src/state/exchange/exchange.ts'
import { MemoryExchange } from '../../src/state/exchange/memory-exchange.ts'
import * as message from '../../src/state/exchange/message.ts'
import { MessageType } from '../../src/state/exchange/message.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { RECORD_WORDS } from '../../src/state/record.ts'
import { Heard, KEY, OTHER_KEY } from '../state/exchange-rig.ts'
import { TIMEOUTS } from '../state/kinds.ts'
import { vectors } from '../state/vectors.ts'
import { campaign, hexOf } from './campaign.ts'
import { type Draw, pick } from './packets.ts'

const US = 2
const secret = message.sealKey(KEY)
const other = message.sealKey(OTHER_KEY)
const PEER = { word: 1, address: 0x0a000001, local: 0x0a000002 }
const OURS = 0x1234_5678_9abc_def0n // the peer's epoch
const CAPACITY = 64
const goodEntries = vectors.entries.map(({ hex }) => [...Buffer.from(hex, 'hex')])
const goodKeys = vectors.keys.map(({ hex }) => [...Buffer.from(hex, 'hex')])

const bytesOf = (draw: Draw, count: number): number[] =>
  Array.from({ length: count }, () => pick(draw, [0, 1, 4, 6, 0x81, 0xff, draw(256)]))
const word = (draw: Draw): number[] => [0, 0, 0, draw(4)]

// A body as its type has it, mostly.
function bodyOf(draw: Draw, type: number): number[] {
  switch (draw(8) === 0 ? draw(12) : type) {
    case MessageType.heartbeatAnswer:
      return bytesOf(draw, 8)
    case MessageType.state:
    case MessageType.refresh:
      return [
        ...word(draw),
        ...Array.from({ length: draw(5) }, () => pick(draw, goodEntries)).flat()
      ]
    case MessageType.acknowledgement:
      return [...Array(1 + draw(4))].flatMap(() => [0, 0, 0, 0, ...word(draw)])
    case MessageType.pull:
      return [...word(draw), ...pick(draw, goodKeys)]
    case MessageType.ask:
      return [...word(draw), ...bytesOf(draw, 4 * draw(9))]
    case MessageType.tell:
      return [...word(draw), ...bytesOf(draw, draw(40))]
    default:
      return []
  }
}

function spoil(draw: Draw, bytes: number[]): Uint8Array {
  for (let n = draw(3); n > 0 && bytes.length > 0; n--) {
    const at = draw(bytes.length)
    const how = draw(4)
    if (how === 0) bytes[at] = draw(256)
    else if (how === 1) bytes[at]! ^= 1 << draw(8)
    else if (how === 2) bytes.splice(at, 1 + draw(9))
    else bytes.splice(at, 0, ...bytesOf(draw, 1 + draw(9)))
  }
  return Uint8Array.from(bytes)
}

// An exchange in a session with a peer that this file plays.
class Victim {
  readonly clock = new VirtualClock()
  readonly heard = new Heard()
  readonly table: MemoryStateTable
  readonly exchange: MemoryExchange
  readonly sent: Uint8Array[] = []
  #sequence = 0

  constructor(draw: Draw) {
    const now = () => this.clock.now()
    this.table = new MemoryStateTable({ capacity: CAPACITY, timeouts: TIMEOUTS, now })
    this.exchange = new MemoryExchange({
      clock: this.clock,
      random: new SeededRandom(draw(1000)),
      table: this.table,
      host: US,
      settings: EXCHANGE_DEFAULT,
      listener: this.heard,
      wire: { send: (_, bytes) => this.sent.push(bytes) }
    })
    this.exchange.setKey(KEY)
    this.exchange.setPeers([PEER])
    this.clock.advance(1)
    const theirs = message.headerOf(this.sent[0]!).own
    this.exchange.receive(PEER.address, this.#seal(MessageType.hello, theirs))
    assert.ok(this.exchange.isReady(PEER.word), 'a good hello begins a session')
    this.exchange.pull(new Int32Array(RECORD_WORDS).fill((1 << 16) | (4 << 8), 0, 1), 0, [
      PEER.word
    ])
    this.clock.advance(1)
  }

  get #epoch(): bigint {
    return message.headerOf(this.sent.at(-1)!).own
  }

  /** Any message, most of them nearly good. */
  next(draw: Draw): Uint8Array {
    const how = draw(10)
    if (how === 0) return Uint8Array.from(bytesOf(draw, draw(200)))
    const type = draw(20) === 0 ? draw(256) : 1 + draw(10)
    const good = bodyOf(draw, type)
    const body = draw(2) === 0 ? Uint8Array.from(good) : spoil(draw, good)
    const sealed = this.#sealed(draw, type, body.subarray(0, message.BODY_BYTES_MAX))
    return how < 4 ? spoil(draw, [...sealed]) : sealed
  }

  #sealed(draw: Draw, type: number, body: Uint8Array): Uint8Array {
    const own = draw(12) === 0 ? BigInt(draw(3)) : OURS
    const theirs = draw(12) === 0 ? BigInt(draw(3)) : this.#epoch
    const sequence = draw(12) === 0 ? draw(6000) : ++this.#sequence
    const sender = draw(30) === 0 ? draw(4) : PEER.word
    const receiver = draw(30) === 0 ? draw(4) : US
    const header = { type, sender, receiver, own, theirs, sequence }
    return message.seal(draw(20) === 0 ? other : secret, header, body)
  }

  #seal(type: number, theirs: bigint): Uint8Array {
    const sequence = ++this.#sequence
    const header = { type, sender: PEER.word, receiver: US, own: OURS, theirs, sequence }
    return message.seal(secret, header, new Uint8Array())
  }
}

const refusedIn = (counters: Record<string, number>): string[] =>
  message.refusals.flatMap(reason => Array<string>(counters[`refused-${reason}`]!).fill(reason))

function give(draw: Draw, victim: Victim, bytes: Uint8Array): string {
  const { exchange, table, sent, clock } = victim
  const address = draw(30) === 0 ? draw(9) : PEER.address
  const before = exchange.counters()
  const [size, sentBefore] = [table.size, sent.length]
  const content = bytes.slice()
  exchange.receive(address, bytes)
  assert.deepEqual(bytes, content, 'a message is not written to')
  const after = exchange.counters()
  const refused = refusedIn(after).length - refusedIn(before).length
  assert.ok(refused === 0 || refused === 1, `refused ${refused} times`)
  const reason = message.refusals.find(r => after[`refused-${r}`] !== before[`refused-${r}`])
  const isGood = message.malformation(bytes) === undefined && message.isGenuine(secret, bytes)
  if (!isGood) assert.equal(refused, 1, 'without a good tag nothing is taken')
  if (!isGood || address !== PEER.address) {
    assert.equal(after['entries-received'], before['entries-received'])
    assert.deepEqual([table.size, sent.length], [size, sentBefore])
  }
  assert.ok(table.size <= CAPACITY)
  if (draw(16) === 0) clock.advance(draw(60))
  return reason ?? 'taken'
}

function holdsWhatIsSaid({ table }: Victim): void {
  const records = new Int32Array(CAPACITY * RECORD_WORDS)
  const count = table.scan(0, records, new Float64Array(CAPACITY))
  for (let i = 0; i < count; i++)
    assert.ok(codec.entryBytes(records, i * RECORD_WORDS) <= codec.ENTRY_BYTES_MAX)
}

function play(draw: Draw, given: Uint8Array[]): string {
  const victim = new Victim(draw)
  let ending = 'nothing'
  for (let n = 1 + draw(60); n > 0; n--) {
    const bytes = victim.next(draw)
    given.push(bytes)
    ending = give(draw, victim, bytes)
  }
  holdsWhatIsSaid(victim)
  victim.clock.advance(draw(8) === 0 ? 1000 : 10)
  victim.exchange.close()
  victim.clock.advance(10_000)
  assert.equal(victim.clock.waiting, 0, 'nothing waits in a closed exchange')
  return ending
}

await campaign({
  name: 'state-message',
  runs: 200_000,
  seconds: 120,
  run(draw, note) {
    const given: Uint8Array[] = []
    try {
      return play(draw, given)
    } catch (error) {
      note(given.map(hexOf).join('\n'))
      throw error
    }
  }
})
