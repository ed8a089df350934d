// One peer as the memory exchange knows it: its session, what is on its way to it, the messages
// being made for it, and whether it gives signs of life.
// test/state/memory-exchange.test.ts holds it.

import type { Random } from '../../core/random.ts'
import { Batch } from './batch.ts'
import { countEntries } from './codec.ts'
import { type Liveness, type Peer, Room } from './exchange.ts'
import { type Header, MessageType, putSequence, type Sealer, seal } from './message.ts'
import { SendQueue, type SendQueueOptions } from './send-queue.ts'
import { type Greeting, Serials, Session } from './session.ts'

const ANSWER_EVERY_MS = 20 // hellos to what is no part of a session
const ACKNOWLEDGEMENTS_MAX = 160 // of one message
const PROBE_AFTER = 2 // heartbeats missed
const AWAY_AFTER = 2 // times deadMs: the agent of a host that is there
const REQUEST_BYTES = 4
const EMPTY = new Uint8Array()

/** What `PeerSession` is given. */
export interface PeerSessionOptions
  extends Pick<SendQueueOptions, 'clock' | 'settings' | 'counts'> {
  readonly random: Random
  /** hostHash of this host. */
  readonly host: number
  /** Our stamp of the kinds of records. */
  readonly kinds?: number | undefined
  /** What messages are sealed with; undefined while the secret is not known. */
  readonly key: () => Sealer | undefined
  /** Sends bytes to a peer, or loses them. */
  readonly send: (peer: Peer, message: Uint8Array) => void
  /** Whether the peer's kernel answers just now. */
  readonly probe: (peer: Peer) => boolean
  readonly done: (ticket: number, word: number) => void
  readonly owed: (word: number) => void
}

const MESSAGES_OF_A_RECORD = 2 // it fills one and begins another

/** One peer: its session, what is on its way to it, and whether it gives signs of life. */
export class PeerSession {
  peer: Peer
  readonly session: Session
  readonly sendQueue: SendQueue
  /** Which of its asks and tells were seen. */
  readonly serials = new Serials()
  /** The message being made for it, of what packets wait for. */
  readonly state = new Batch()
  /** The message being made for it, of what nobody waits for. */
  readonly refreshes = new Batch()
  /** Bodies of state that were full before the flush. */
  readonly made: Uint8Array[] = []
  /**
   * It did not acknowledge before a ticket's bound, and has acknowledged nothing since: packets do
   * not wait for it.
   */
  isLate = false
  /** Number of the last ask or tell that was sent to it. */
  serial = 0
  readonly #given: PeerSessionOptions
  #heardAt: number // anything in session
  #probedAt: number // and by its kernel
  #answeredAt = -ANSWER_EVERY_MS
  #acknowledgements: number[] = []
  #told = { host: true, agent: false }

  constructor(peer: Peer, given: PeerSessionOptions) {
    this.peer = peer
    this.#given = given
    this.session = new Session(given.random)
    this.sendQueue = new SendQueue({
      clock: given.clock,
      settings: given.settings,
      counts: given.counts,
      nextSequence: () => this.session.nextSequence(),
      transmit: (type, body, sequence) => this.#transmit(type, body, this.session, sequence),
      done: ticket => given.done(ticket, this.peer.word),
      owed: () => given.owed(this.peer.word)
    })
    this.#heardAt = this.#probedAt = given.clock.now()
  }

  /** Whether the records of one more packet could be on their way to it at once. */
  get room(): Room {
    if (!this.session.isUp) return Room.nobody
    return this.sendQueue.room - this.made.length >= MESSAGES_OF_A_RECORD ? Room.open : Room.full
  }

  /** Counts its silence from now on: it is taken to be there. */
  pardon(): void {
    this.#heardAt = this.#probedAt = this.#given.clock.now()
  }

  /** This process did not listen for so long: the peer's silence is shorter by it. */
  excuse(ms: number): void {
    this.#heardAt += ms
    this.#probedAt += ms
  }

  /** Notes that a message of the session came. */
  hear(): void {
    this.#heardAt = this.#given.clock.now()
  }

  /** A session has begun: what waited for it is sent. */
  begin(): void {
    this.isLate = false
    this.#acknowledgements = []
    this.serials.forget()
    this.sendQueue.begin()
  }

  /** The session is over; tickets no longer wait for this peer. */
  end(): void {
    this.session.end()
    this.#acknowledgements = []
    this.sendQueue.end()
  }

  /** What has to be told of its liveness, or undefined. */
  news(): Liveness | undefined {
    const agent = this.session.isUp
    const { clock, settings } = this.#given
    const host = agent || clock.now() - Math.max(this.#heardAt, this.#probedAt) < settings.deadMs
    if (host === this.#told.host && agent === this.#told.agent) return undefined
    this.#told = { host, agent }
    return { word: this.peer.word, host, agent }
  }

  /** Every heartbeat: says that we are here, and looks for the peer. True when its session ends. */
  beat(): boolean {
    const { clock, settings } = this.#given
    const silenceMs = clock.now() - this.#heardAt
    const isSilent = clock.now() - this.#probedAt >= settings.deadMs
    const patienceMs = settings.deadMs * (isSilent ? 1 : AWAY_AFTER)
    const ends = this.session.isUp && silenceMs >= patienceMs
    if (ends) this.end()
    this.sendQueue.settle()
    if (!this.session.isUp || silenceMs >= settings.heartbeatMs * PROBE_AFTER)
      if (this.#given.probe(this.peer)) this.#probedAt = clock.now()
    if (this.session.isUp) this.say(MessageType.heartbeat)
    else this.#greet(this.session.greeting)
    return ends
  }

  /** Sends something that is not acknowledged, in session. */
  say(type: number, body: Uint8Array = EMPTY): void {
    this.#transmit(type, body, this.session, this.session.nextSequence())
  }

  /** A message that is no part of a session may be answered by a hello. */
  answer(header: Header): void {
    const now = this.#given.clock.now()
    if (now - this.#answeredAt < ANSWER_EVERY_MS) return
    const greeting = this.session.answer(header)
    if (greeting === undefined) return
    this.#answeredAt = now
    this.#greet(greeting)
  }

  /** The message will be acknowledged with the next `acknowledge`. */
  owe(sequence: number): void {
    if (this.#acknowledgements.push(sequence) >= ACKNOWLEDGEMENTS_MAX) this.acknowledge()
    else if (this.#acknowledgements.length === 1)
      this.#given.clock.soon(() => {
        this.acknowledge()
      })
  }

  /** Says which of its messages have arrived since the last time. */
  acknowledge(): void {
    const owed = this.#acknowledgements
    if (owed.length === 0) return
    this.#acknowledgements = []
    const body = new Uint8Array(owed.length * 8)
    for (const [i, sequence] of owed.entries()) putSequence(body, i * 8, sequence)
    this.say(MessageType.acknowledgement, body)
  }

  #greet({ own, theirs }: Greeting): void {
    this.#transmit(MessageType.hello, EMPTY, { own, theirs }, this.session.nextSequence())
  }

  #transmit(type: number, body: Uint8Array, { own, theirs }: Greeting, sequence: number): void {
    const key = this.#given.key()
    if (key === undefined) return
    const { counts, host: sender, kinds = 0 } = this.#given
    const receiver = this.peer.word
    const message = seal(key, { type, kinds, sender, receiver, own, theirs, sequence }, body)
    counts['messages-sent']++
    counts['bytes-sent'] += message.length
    if (type === MessageType.state || type === MessageType.refresh) {
      const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
      counts['entries-sent'] += countEntries(view, REQUEST_BYTES, body.length)
    }
    this.#given.send(this.peer, message)
  }
}
