// The exchange in TypeScript, over whatever carries bytes: the world's underlay in tests, and the
// memory datapath.  Its sessions and messages are those of docs/flow-state.md.  The listener is
// called in a turn of its own, never from within a call of ours.
// test/state/memory-exchange.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Random } from '../../core/random.ts'
import type { StateTable } from '../table.ts'
import * as codec from './codec.ts'
import { type ExchangeCounts, noCounts } from './counters.ts'
import {
  type Exchange,
  type ExchangeListener,
  type ExchangeSettings,
  type Peer,
  Room
} from './exchange.ts'
import * as message from './message.ts'
import { type Header, MessageType, type Refusal } from './message.ts'
import { PeerSession } from './peer-session.ts'
import { Pulls } from './pulls.ts'
import { Receiver } from './receiver.ts'
import { Tickets } from './tickets.ts'

/** What carries the messages of a memory exchange. */
export interface ExchangeWire {
  /** Carries a message to the peer, or loses it. */
  send(peer: Peer, message: Uint8Array): void
  /** Whether the peer's kernel answers, when its agent does not. */
  probe?(peer: Peer): boolean
}

/** What a memory exchange is made of. */
export interface MemoryExchangeOptions {
  readonly clock: Clock
  readonly random: Random
  readonly table: StateTable
  /** hostHash of ours. */
  readonly host: number
  /** Stamp of our kinds of records (kindsStamp); 0: everybody has the same. */
  readonly kinds?: number
  readonly settings: ExchangeSettings
  readonly wire: ExchangeWire
  readonly listener: ExchangeListener
  /** HMAC-SHA-256 by default: a world of many hosts has none to keep out. */
  readonly sealer?: (key: Uint8Array) => message.Sealer
}

const WORD_BYTES = 4 // a request, a serial, a port
const PORTS_MAX = message.BODY_BYTES_MAX / WORD_BYTES - 1 // of one ask

/** The exchange in TypeScript, for the memory datapath and for tests. */
export class MemoryExchange implements Exchange {
  readonly #given: MemoryExchangeOptions
  readonly #sessions = new Map<number, PeerSession>()
  readonly #counts: ExchangeCounts = noCounts()
  readonly #tickets: Tickets
  readonly #pulls: Pulls
  readonly #receiver: Receiver
  readonly #touched = new Set<PeerSession>() // with state since the last flush
  readonly #refreshed = new Set<PeerSession>()
  readonly #calls: Array<() => void> = [] // of the listener, to come
  #key: message.Sealer | undefined
  #beat: Timer | undefined
  #beatsAt = 0
  #isClosed = false

  constructor(given: MemoryExchangeOptions) {
    this.#given = given
    const { clock, listener } = given
    const boundMs = given.settings.holdMs
    this.#tickets = new Tickets({
      clock,
      boundMs,
      released: ticket => this.#call(() => listener.released(ticket)),
      late: words => this.#late(words)
    })
    this.#pulls = new Pulls({
      clock,
      boundMs,
      over: (ticket, found) => {
        this.#counts[found ? 'pulls-found' : 'pulls-missed']++
        this.#call(() => listener.pulled(ticket, found))
      }
    })
    this.#receiver = new Receiver({
      table: given.table,
      listener,
      counts: this.#counts,
      call: what => this.#call(what),
      refresh: (record, idleMs, word) => this.refresh(record, 0, idleMs, [word]),
      answered: (request, word, found) => this.#pulls.answered(request, word, found)
    })
  }

  setKey(key: Uint8Array): void {
    const isFirst = this.#key === undefined
    this.#key = (this.#given.sealer ?? message.sealKey)(key)
    if (isFirst) for (const session of this.#sessions.values()) session.pardon()
    if (isFirst) this.#wake()
  }

  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map(peer => [peer.word, peer]))
    for (const [word, session] of this.#sessions) {
      if (wanted.has(word)) continue
      this.#end(session)
      this.#sessions.delete(word)
    }
    for (const [word, peer] of wanted) {
      const known = this.#sessions.get(word)
      if (known !== undefined) known.peer = peer
      else this.#sessions.set(word, this.#newSession(peer))
    }
    this.#wake()
  }

  isReady(word: number): boolean {
    return this.#sessions.get(word)?.session.isUp ?? false
  }

  backlog(word: number): number {
    return this.isReady(word) ? this.#sessions.get(word)!.sendQueue.size : -1
  }

  room(peers: readonly number[]): Room {
    let room: Room = Room.nobody
    for (const word of peers) {
      const of = this.#sessions.get(word)?.room ?? Room.nobody
      if (of > room) room = of
    }
    return room
  }

  share(record: Int32Array, at: number, peers: readonly number[]): void {
    for (const word of peers) {
      const session = this.#sessions.get(word)
      if (session === undefined) continue
      const full = session.state.add(record, at, 0)
      if (full !== undefined) session.made.push(full)
      this.#touched.add(session)
    }
  }

  flush(): number {
    const waits = new Map<number, number>()
    for (const session of this.#touched) {
      const rest = session.state.take()
      if (rest !== undefined) session.made.push(rest)
      if (session.sendQueue.room >= session.made.length && !session.isLate)
        waits.set(session.peer.word, session.made.length)
      else this.#counts['passed-over']++
    }
    const ticket = waits.size > 0 ? this.#tickets.open(waits) : 0
    if (ticket !== 0) this.#counts.held++
    const touched = [...this.#touched]
    this.#touched.clear()
    for (const session of touched) {
      const isWaited = waits.has(session.peer.word)
      for (const body of session.made.splice(0))
        session.sendQueue.sendAwaited(body, isWaited ? ticket : 0)
    }
    return ticket
  }

  refresh(record: Int32Array, at: number, idleMs: number, peers: readonly number[]): void {
    for (const word of peers) {
      const session = this.#sessions.get(word)
      if (session === undefined) continue
      const full = session.refreshes.add(record, at, idleMs)
      if (full !== undefined) this.#post(session, MessageType.refresh, full)
      if (this.#refreshed.size === 0) this.#given.clock.soon(() => this.#sendRefreshes())
      this.#refreshed.add(session)
    }
  }

  pull(key: Int32Array, at: number, peers: readonly number[]): number {
    const ready = peers.filter(word => this.#sessions.get(word)?.sendQueue.isOpen)
    if (ready.length === 0) return 0
    const ticket = this.#tickets.next()
    this.#counts.pulls++
    this.#pulls.open(ticket, ready)
    const view = new DataView(new ArrayBuffer(WORD_BYTES + codec.KEY_BYTES_MAX))
    view.setUint32(0, ticket)
    const end = codec.encodeKey(view, WORD_BYTES, key, at)
    const body = new Uint8Array(view.buffer, 0, end)
    for (const word of ready) this.#post(this.#sessions.get(word)!, MessageType.pull, body)
    return ticket
  }

  ask(word: number, ports: readonly number[]): void {
    const session = this.#sessions.get(word)
    if (session === undefined) return
    for (let from = 0; from < ports.length; from += PORTS_MAX) {
      const some = ports.slice(from, from + PORTS_MAX)
      const view = new DataView(new ArrayBuffer((some.length + 1) * WORD_BYTES))
      view.setUint32(0, ++session.serial)
      for (const [i, port] of some.entries()) view.setInt32((i + 1) * WORD_BYTES, port)
      this.#post(session, MessageType.ask, new Uint8Array(view.buffer))
    }
  }

  tell(word: number, bytes: Uint8Array): void {
    const session = this.#sessions.get(word)
    if (session === undefined || bytes.length + WORD_BYTES > message.BODY_BYTES_MAX) return
    const body = new Uint8Array(WORD_BYTES + bytes.length)
    new DataView(body.buffer).setUint32(0, ++session.serial)
    body.set(bytes, WORD_BYTES)
    this.#post(session, MessageType.tell, body)
  }

  counters(): Record<string, number> {
    return { ...this.#counts }
  }

  close(): void {
    for (const session of this.#sessions.values()) session.end()
    this.#isClosed = true
    this.#sessions.clear()
    this.#tickets.close()
    this.#pulls.close()
    this.#beat?.cancel()
    this.#beat = undefined
  }

  /** A message that came from this underlay address. */
  receive(address: number, bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#counts['messages-received']++
    this.#counts['bytes-received'] += bytes.length
    const wrong = message.malformation(bytes, this.#given.kinds)
    if (wrong !== undefined) return this.#refuse(wrong)
    const session = this.#sessions.get(message.senderOf(bytes))
    if (session?.peer.address !== address || message.receiverOf(bytes) !== this.#given.host)
      return this.#refuse('stranger')
    if (this.#key === undefined || !message.isGenuine(this.#key, bytes))
      return this.#refuse('forged')
    this.#take(session, message.headerOf(bytes), bytes)
  }

  #take(session: PeerSession, header: Header, bytes: Uint8Array): void {
    const judgement = session.session.judge(header)
    if (judgement === 'replayed') return this.#refuse('replayed')
    if (judgement === 'stale-epoch' || judgement === 'greeting') {
      if (judgement === 'stale-epoch') this.#refuse('stale-epoch')
      return session.answer(header)
    }
    session.hear()
    if (judgement === 'begins') this.#begin(session)
    const { type, sequence } = header
    if (type === MessageType.hello && judgement === 'begins') session.say(MessageType.heartbeat)
    if (!this.#receiver.take(session, header, bytes)) return this.#refuse('short')
    if (isAcknowledged(type)) session.owe(sequence)
  }

  #post(session: PeerSession, type: number, body: Uint8Array): void {
    session.sendQueue.send(type, body)
  }

  #sendRefreshes(): void {
    const refreshed = [...this.#refreshed]
    this.#refreshed.clear()
    for (const session of refreshed) {
      const body = session.refreshes.take()
      if (body !== undefined && !this.#isClosed) this.#post(session, MessageType.refresh, body)
    }
  }

  #newSession(peer: Peer): PeerSession {
    const { clock, random, settings, host, wire } = this.#given
    return new PeerSession(peer, {
      clock,
      random,
      settings,
      host,
      counts: this.#counts,
      key: () => this.#key,
      send: (to, bytes) => wire.send(to, bytes),
      probe: of => wire.probe?.(of) ?? false,
      done: (ticket, word) => this.#tickets.done(ticket, word),
      owed: word => this.#call(() => this.#given.listener.owed(word))
    })
  }

  #begin(session: PeerSession): void {
    const { word } = session.peer
    this.#counts.sessions++
    this.#report(session)
    this.#call(() => this.#given.listener.joined(word))
    this.#pulls.gone(word)
    session.begin()
  }

  #end(session: PeerSession): void {
    session.end()
    this.#pulls.gone(session.peer.word)
    this.#touched.delete(session)
    this.#refreshed.delete(session)
  }

  #late(words: readonly number[]): void {
    this.#counts['bound-passed']++
    for (const word of words) {
      const session = this.#sessions.get(word)
      if (session !== undefined) session.isLate = true
    }
  }

  #refuse(reason: Refusal): void {
    this.#counts[`refused-${reason}`]++
  }

  // Beats from now on, as long as there is somebody to beat for.
  #wake(): void {
    this.#beat?.cancel()
    this.#beat = undefined
    if (this.#key === undefined || this.#sessions.size === 0) return
    this.#beatsAt = this.#given.clock.now()
    this.#beat = this.#given.clock.after(0, () => this.#everyHeartbeat())
  }

  #everyHeartbeat(): void {
    const { clock, settings } = this.#given
    const now = clock.now()
    // When this thread stood still, it was not the peers that were silent.
    const stoodMs = now - this.#beatsAt
    this.#beatsAt = now + settings.heartbeatMs
    this.#beat = clock.after(settings.heartbeatMs, () => this.#everyHeartbeat())
    for (const session of [...this.#sessions.values()]) {
      if (stoodMs > settings.heartbeatMs) session.excuse(stoodMs)
      if (session.beat()) this.#pulls.gone(session.peer.word)
      this.#report(session)
    }
  }

  #report(session: PeerSession): void {
    const news = session.news()
    if (news === undefined) return
    if (!news.host) this.#counts['peers-lost']++
    this.#call(() => this.#given.listener.liveness(news))
  }

  // The listener's turn comes when ours is over.
  #call(what: () => void): void {
    if (this.#calls.push(what) > 1) return
    this.#given.clock.soon(() => {
      for (const call of this.#calls.splice(0)) if (!this.#isClosed) call()
    })
  }
}

const isAcknowledged = (type: number): boolean =>
  type >= MessageType.state && type !== MessageType.acknowledgement && type <= MessageType.refresh
