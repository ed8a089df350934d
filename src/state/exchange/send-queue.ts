// What is on its way to one peer: sent again, with a new sequence, until it is acknowledged or the
// bound has passed.  Bulk (refreshes, and what was made while there was no session) waits its turn,
// so that it cannot fill the way that held packets wait for.
// test/state/memory-exchange.test.ts holds it.

import { less } from '../../core/assert.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { countAcknowledged, type ExchangeCounts } from './counters.ts'
import type { ExchangeSettings } from './exchange.ts'
import { MessageType } from './message.ts'

const IN_FLIGHT_MAX = 2048
const RESERVED = 256 // of them, for what packets wait for
const BULK_IN_FLIGHT_MAX = 64
const QUEUE_MAX = 8192 // messages
const QUEUE_AWAY_MAX = 64 // without a session
const TRIES_MS = 4 // times holdMs
const DRAINED = 64 // with no more than this under way, there is room to make good what was left out

/** A message that is sent until it is acknowledged. */
export interface Outgoing {
  /** A value of MessageType. */
  readonly type: number
  /** What the message says. */
  readonly body: Uint8Array
  /** The ticket whose packets wait for it; 0: none do. */
  readonly ticket: number
}

interface Flight {
  readonly message: Outgoing
  readonly isBulk: boolean
  readonly since: number
  readonly sequences: number[]
  waitMs: number
  timer: Timer
}

/** What `SendQueue` is given. */
export interface SendQueueOptions {
  readonly clock: Clock
  readonly settings: ExchangeSettings
  readonly counts: ExchangeCounts
  /** The next sequence of the session. */
  readonly nextSequence: () => number
  /** Sends the message once. */
  readonly transmit: (type: number, body: Uint8Array, sequence: number) => void
  /** Nobody has to wait for this message of the ticket any more. */
  readonly done: (ticket: number) => void
  /** Something had found no room or never got there, and there is room now. */
  readonly owed: () => void
}

/** What is on its way to one peer, sent again until it is acknowledged. */
export class SendQueue {
  readonly #given: SendQueueOptions
  readonly #flights = new Map<number, Flight>() // by each sequence of theirs
  readonly #inFlight = new Set<Flight>()
  readonly #queue: Outgoing[] = []
  #head = 0
  #bulk = 0 // how much of what is in flight
  #isUp = false
  #overflowed = false // the peer lacks something we had for it

  constructor(given: SendQueueOptions) {
    this.#given = given
  }

  /** How many messages that packets wait for could go out at once. */
  get room(): number {
    return this.#isUp ? Math.max(0, IN_FLIGHT_MAX - this.#inFlight.size) : 0
  }

  /** Whether a message that no packet waits for could go out at once. */
  get isOpen(): boolean {
    return this.room > RESERVED
  }

  /** Messages that wait or are not acknowledged. */
  get size(): number {
    return this.#inFlight.size + this.#queue.length - this.#head
  }

  /** Sends state that packets wait for. */
  sendAwaited(body: Uint8Array, ticket: number): void {
    const message = { type: MessageType.state, body, ticket }
    if (this.room > 0) return this.#dispatch(message, false)
    if (ticket !== 0) this.#given.done(ticket)
    this.#enqueue({ ...message, ticket: 0 })
  }

  /** Sends a message or puts it into the queue. */
  send(type: number, body: Uint8Array): void {
    const message = { type, body, ticket: 0 }
    if (this.isOpen && type !== MessageType.refresh) return this.#dispatch(message, false)
    this.#enqueue(message)
  }

  /** Makes good what was left out, once there is room for it. */
  settle(): void {
    if (!this.#overflowed || this.size > DRAINED) return
    this.#overflowed = false
    this.#given.counts.owed++
    this.#given.owed()
  }

  #enqueue(message: Outgoing): void {
    const { counts } = this.#given
    const max = this.#isUp ? QUEUE_MAX : QUEUE_AWAY_MAX
    if (this.#queue.length - this.#head >= max) {
      counts['queue-full']++
      return this.#lacks(message)
    }
    counts.queued++
    this.#queue.push(message)
    this.#pump()
  }

  // Who begins a session is given everything anyway.
  #lacks({ type }: Outgoing): void {
    if (!this.#isUp || this.#overflowed || !isOfRecords(type)) return
    this.#overflowed = true
    this.#given.counts.overflowed++
  }

  /** The peer acknowledges a sequence; false when it had before, or it is none of ours. */
  acknowledge(sequence: number): boolean {
    const flight = this.#flights.get(sequence)
    if (flight === undefined) return false
    countAcknowledged(this.#given.counts, (this.#given.clock.now() - flight.since) * 1000)
    this.#land(flight)
    this.#pump()
    this.settle()
    return true
  }

  /** A session has begun: what waited is sent. */
  begin(): void {
    this.end()
    this.#isUp = true
    this.#pump()
  }

  /**
   * The session is over: whoever waits for the peer is released.  Bulk that had no turn goes too:
   * what the peer lacks is found out when the next session begins.
   */
  end(): void {
    if (!this.#isUp) return
    this.#isUp = this.#overflowed = false
    this.#clear()
    for (const flight of [...this.#inFlight]) this.#land(flight)
  }

  #pump(): void {
    while (this.isOpen && this.#bulk < BULK_IN_FLIGHT_MAX && this.#head < this.#queue.length)
      this.#dispatch(this.#queue[this.#head++]!, true)
    if (this.#head === this.#queue.length) this.#clear()
    else if (this.#head >= QUEUE_MAX) this.#queue.splice(0, this.#head)
    if (this.#head >= QUEUE_MAX) this.#head = 0
  }

  #clear(): void {
    this.#queue.length = 0
    this.#head = 0
  }

  #dispatch(message: Outgoing, isBulk: boolean): void {
    const { clock, settings } = this.#given
    const waitMs = settings.retransmitMs
    const since = clock.now()
    const timer = NEVER
    const flight: Flight = { message, isBulk, since, sequences: [], waitMs, timer }
    this.#inFlight.add(flight)
    if (isBulk) this.#bulk++
    this.#transmit(flight)
  }

  #transmit(flight: Flight): void {
    const { type, body } = flight.message
    flight.timer = this.#given.clock.after(flight.waitMs, () => this.#again(flight))
    const sequence = this.#given.nextSequence()
    flight.sequences.push(sequence)
    this.#flights.set(sequence, flight) // first: the answer may come before `transmit` is over
    this.#given.transmit(type, body, sequence)
  }

  #again(flight: Flight): void {
    const { clock, counts, settings } = this.#given
    if (clock.now() - flight.since >= settings.holdMs * TRIES_MS) {
      counts['given-up']++
      this.#lacks(flight.message)
      this.#land(flight)
      return this.#pump()
    }
    flight.waitMs *= 2
    counts.retransmitted++
    this.#transmit(flight)
  }

  #land(flight: Flight): void {
    flight.timer.cancel()
    this.#inFlight.delete(flight)
    if (flight.isBulk) this.#bulk = less(this.#bulk, 1, 'refreshes under way')
    for (const sequence of flight.sequences) this.#flights.delete(sequence)
    if (flight.message.ticket !== 0) this.#given.done(flight.message.ticket)
  }
}

const isOfRecords = (type: number): boolean =>
  type === MessageType.state || type === MessageType.refresh

const NEVER: Timer = { cancel() {} }
