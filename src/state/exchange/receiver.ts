// What the messages of a session bring: records for the table, answers, calls of the listener.  A
// body that does not parse is refused whole, before anything of it has had an effect.
// test/state/memory-exchange.test.ts holds it.

import { hasReturn, KEY_WORDS, keyHash, RECORD_WORDS, RecordWord, StateFlag } from '../record.ts'
import { Put, type StateTable } from '../table.ts'
import * as codec from './codec.ts'
import type { ExchangeCounts } from './counters.ts'
import type { ExchangeListener } from './exchange.ts'
import { bodyBytes, bodyOf, type Header, MessageType, putSequence, sequenceAt } from './message.ts'
import type { PeerSession } from './peer-session.ts'

const WORD_BYTES = 4 // a request, a serial, a port
const SEQUENCE_BYTES = 8

/** What `Receiver` is given: what messages act on. */
export interface ReceiverOptions {
  readonly table: StateTable
  readonly listener: ExchangeListener
  readonly counts: ExchangeCounts
  /** Calls the listener, later. */
  readonly call: (what: () => void) => void
  /** Sends this record to a peer: ours is newer than the one it sent. */
  readonly refresh: (record: Int32Array, idleMs: number, word: number) => void
  /** A peer has answered a pull. */
  readonly answered: (request: number, word: number, found: boolean) => void
}

/** Takes the messages of a session apart and does what they say. */
export class Receiver {
  readonly #given: ReceiverOptions
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #idleMs = new Float64Array(1)
  readonly #sought = new Int32Array(KEY_WORDS)

  constructor(given: ReceiverOptions) {
    this.#given = given
  }

  /** False when the body of the message does not parse; then nothing has happened. */
  take(session: PeerSession, { type, sequence }: Header, bytes: Uint8Array): boolean {
    switch (type) {
      case MessageType.heartbeat:
        return bodyBytes(bytes) === 0 && this.#answerHeartbeat(session, sequence)
      case MessageType.heartbeatAnswer:
        return bodyBytes(bytes) === SEQUENCE_BYTES
      case MessageType.state:
      case MessageType.refresh:
        return this.#import(session, bodyOf(bytes))
      case MessageType.acknowledgement:
        return this.#acknowledged(session, bodyOf(bytes))
      case MessageType.pull:
        return this.#answerPull(session, bodyOf(bytes))
      case MessageType.ask:
      case MessageType.tell:
        return this.#deliver(session, type, bodyOf(bytes))
      default:
        return bodyBytes(bytes) === 0
    }
  }

  #answerHeartbeat(session: PeerSession, sequence: number): true {
    const body = new Uint8Array(SEQUENCE_BYTES)
    putSequence(body, 0, sequence)
    session.say(MessageType.heartbeatAnswer, body)
    return true
  }

  #import(session: PeerSession, body: DataView): boolean {
    const end = body.byteLength
    const count = codec.countEntries(body, WORD_BYTES, end)
    if (end < WORD_BYTES || count < 0) return false
    const { table, listener } = this.#given
    const hashes: number[] = []
    for (let at = WORD_BYTES; at < end; ) {
      const idleMs = codec.entryIdleMs(body, at)
      at = codec.decodeEntry(body, at, end, this.#record, 0)
      const put = table.put(this.#record, 0, idleMs)
      if (put === Put.refused) this.#correct(session.peer.word)
      // One that was blocked may be answered now: flows that drop are to look again.
      const isBlocked = (this.#record[RecordWord.flags]! & StateFlag.blocked) !== 0
      if (put === Put.refused || (put === Put.merged && !isBlocked)) continue
      hashes.push(keyHash(this.#record, RecordWord.a))
      if (hasReturn(this.#record)) hashes.push(keyHash(this.#record, RecordWord.b))
    }
    this.#given.counts['entries-received'] += count
    if (hashes.length > 0) this.#given.call(() => listener.imported(hashes))
    const request = body.getUint32(0)
    if (request !== 0) this.#given.answered(request, session.peer.word, count > 0)
    return true
  }

  // Whoever holds the older of two openings learns of the younger.
  #correct(word: number): void {
    const { table, refresh } = this.#given
    const id = table.lastId
    if (id !== 0 && table.scan(id, this.#record, this.#idleMs) > 0)
      refresh(this.#record, this.#idleMs[0]!, word)
  }

  #acknowledged(session: PeerSession, body: DataView): boolean {
    if (body.byteLength === 0 || body.byteLength % SEQUENCE_BYTES !== 0) return false
    for (let at = 0; at < body.byteLength; at += SEQUENCE_BYTES)
      if (session.sendQueue.acknowledge(sequenceAt(body, at))) session.isLate = false
    return true
  }

  #answerPull(session: PeerSession, body: DataView): boolean {
    if (codec.decodeKey(body, WORD_BYTES, body.byteLength, this.#sought, 0) !== body.byteLength)
      return false
    const { table } = this.#given
    const view = new DataView(new ArrayBuffer(WORD_BYTES + codec.ENTRY_BYTES_MAX))
    view.setUint32(0, body.getUint32(0))
    const handle = table.find(this.#sought)
    const isFound = handle !== 0 && table.read(handle >>> 1, this.#record)
    // A packet of it is at the peer's: it has been idle for no time.
    const end = isFound ? codec.encodeEntry(view, WORD_BYTES, this.#record, 0, 0) : WORD_BYTES
    const answer = new Uint8Array(view.buffer, 0, end)
    session.sendQueue.send(MessageType.state, answer)
    return true
  }

  #deliver(session: PeerSession, type: number, body: DataView): boolean {
    const { byteLength } = body
    if (byteLength < WORD_BYTES) return false
    if (type === MessageType.ask && byteLength % WORD_BYTES !== 0) return false
    if (!session.serials.take(body.getUint32(0))) return true
    const { listener } = this.#given
    const { word } = session.peer
    if (type === MessageType.ask) {
      const count = byteLength / WORD_BYTES - 1
      const ports = Array.from({ length: count }, (_, i) => body.getInt32((i + 1) * WORD_BYTES))
      this.#given.call(() => listener.asked(word, ports))
    } else {
      const from = body.byteOffset + WORD_BYTES
      const bytes = new Uint8Array(body.buffer, from, byteLength - WORD_BYTES).slice()
      this.#given.call(() => listener.told(word, bytes))
    }
    return true
  }
}
