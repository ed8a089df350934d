// The exchange in TypeScript, over whatever carries bytes: the world's underlay in tests, and the
// memory datapath.  Its sessions and messages are those of docs/flow-state.md.  The listener is
// called in a turn of its own, never from within a call of ours.

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
import { Intake } from './intake.ts'
import * as message from './message.ts'
import { type Header, MessageType, type Refusal } from './message.ts'
import { Peering } from './peering.ts'
import { Pulls } from './pulls.ts'
import { Tickets } from './tickets.ts'

export interface ExchangeWire {
  send(peer: Peer, message: Uint8Array): void
  /** Whether the peer's kernel answers, when its agent does not. */
  probe?(peer: Peer): boolean
}

export interface MemoryExchangeOptions {
  readonly clock: Clock
  readonly random: Random
  readonly table: StateTable
  readonly host: number // hostHash of ours
  readonly settings: ExchangeSettings
  readonly wire: ExchangeWire
  readonly listener: ExchangeListener
  /** HMAC-SHA-256 by default: a world of many hosts has none to keep out. */
  readonly sealer?: (key: Uint8Array) => message.Sealer
}

const WORD_BYTES = 4 // a request, a serial, a port
const PORTS_MAX = message.BODY_BYTES_MAX / WORD_BYTES - 1 // of one ask

export class MemoryExchange implements Exchange {
  readonly #given: MemoryExchangeOptions
  readonly #peerings = new Map<number, Peering>()
  readonly #counts: ExchangeCounts = noCounts()
  readonly #tickets: Tickets
  readonly #pulls: Pulls
  readonly #intake: Intake
  readonly #touched = new Set<Peering>() // with state since the last flush
  readonly #refreshed = new Set<Peering>()
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
    this.#intake = new Intake({
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
    if (isFirst) for (const peering of this.#peerings.values()) peering.pardon()
    if (isFirst) this.#wake()
  }

  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map(peer => [peer.word, peer]))
    for (const [word, peering] of this.#peerings) {
      if (wanted.has(word)) continue
      this.#end(peering)
      this.#peerings.delete(word)
    }
    for (const [word, peer] of wanted) {
      const known = this.#peerings.get(word)
      if (known !== undefined) known.peer = peer
      else this.#peerings.set(word, this.#newPeering(peer))
    }
    this.#wake()
  }

  isReady(word: number): boolean {
    return this.#peerings.get(word)?.session.isUp ?? false
  }

  backlog(word: number): number {
    return this.isReady(word) ? this.#peerings.get(word)!.outbox.size : -1
  }

  room(peers: readonly number[]): Room {
    let room: Room = Room.nobody
    for (const word of peers) {
      const of = this.#peerings.get(word)?.room ?? Room.nobody
      if (of > room) room = of
    }
    return room
  }

  share(record: Int32Array, at: number, peers: readonly number[]): void {
    for (const word of peers) {
      const peering = this.#peerings.get(word)
      if (peering === undefined) continue
      const full = peering.state.add(record, at, 0)
      if (full !== undefined) peering.made.push(full)
      this.#touched.add(peering)
    }
  }

  flush(): number {
    const waits = new Map<number, number>()
    for (const peering of this.#touched) {
      const rest = peering.state.take()
      if (rest !== undefined) peering.made.push(rest)
      if (peering.outbox.room >= peering.made.length && !peering.isLate)
        waits.set(peering.peer.word, peering.made.length)
      else this.#counts['not-waited']++
    }
    const ticket = waits.size > 0 ? this.#tickets.open(waits) : 0
    if (ticket !== 0) this.#counts.held++
    const touched = [...this.#touched]
    this.#touched.clear()
    for (const peering of touched) {
      const isWaited = waits.has(peering.peer.word)
      for (const body of peering.made.splice(0))
        peering.outbox.sendAwaited(body, isWaited ? ticket : 0)
    }
    return ticket
  }

  refresh(record: Int32Array, at: number, idleMs: number, peers: readonly number[]): void {
    for (const word of peers) {
      const peering = this.#peerings.get(word)
      if (peering === undefined) continue
      const full = peering.refreshes.add(record, at, idleMs)
      if (full !== undefined) this.#post(peering, MessageType.refresh, full)
      if (this.#refreshed.size === 0) this.#given.clock.soon(() => this.#sendRefreshes())
      this.#refreshed.add(peering)
    }
  }

  pull(key: Int32Array, at: number, peers: readonly number[]): number {
    const ready = peers.filter(word => this.#peerings.get(word)?.outbox.isOpen)
    if (ready.length === 0) return 0
    const ticket = this.#tickets.next()
    this.#counts.pulls++
    this.#pulls.open(ticket, ready)
    const view = new DataView(new ArrayBuffer(WORD_BYTES + codec.KEY_BYTES_MAX))
    view.setUint32(0, ticket)
    const end = codec.encodeKey(view, WORD_BYTES, key, at)
    const body = new Uint8Array(view.buffer, 0, end)
    for (const word of ready) this.#post(this.#peerings.get(word)!, MessageType.pull, body)
    return ticket
  }

  ask(word: number, ports: readonly number[]): void {
    const peering = this.#peerings.get(word)
    if (peering === undefined) return
    for (let from = 0; from < ports.length; from += PORTS_MAX) {
      const some = ports.slice(from, from + PORTS_MAX)
      const view = new DataView(new ArrayBuffer((some.length + 1) * WORD_BYTES))
      view.setUint32(0, ++peering.serial)
      for (const [i, port] of some.entries()) view.setInt32((i + 1) * WORD_BYTES, port)
      this.#post(peering, MessageType.ask, new Uint8Array(view.buffer))
    }
  }

  tell(word: number, bytes: Uint8Array): void {
    const peering = this.#peerings.get(word)
    if (peering === undefined || bytes.length + WORD_BYTES > message.BODY_BYTES_MAX) return
    const body = new Uint8Array(WORD_BYTES + bytes.length)
    new DataView(body.buffer).setUint32(0, ++peering.serial)
    body.set(bytes, WORD_BYTES)
    this.#post(peering, MessageType.tell, body)
  }

  counters(): Record<string, number> {
    return { ...this.#counts }
  }

  close(): void {
    for (const peering of this.#peerings.values()) peering.end()
    this.#isClosed = true
    this.#peerings.clear()
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
    const wrong = message.malformation(bytes)
    if (wrong !== undefined) return this.#refuse(wrong)
    const peering = this.#peerings.get(message.senderOf(bytes))
    if (peering?.peer.address !== address || message.receiverOf(bytes) !== this.#given.host)
      return this.#refuse('stranger')
    if (this.#key === undefined || !message.isGenuine(this.#key, bytes))
      return this.#refuse('forged')
    this.#take(peering, message.headerOf(bytes), message.bodyOf(bytes))
  }

  #take(peering: Peering, header: Header, body: DataView): void {
    const judgement = peering.session.judge(header)
    if (judgement === 'replayed') return this.#refuse('replayed')
    if (judgement === 'stale-epoch' || judgement === 'greeting') {
      if (judgement === 'stale-epoch') this.#refuse('stale-epoch')
      return peering.answer(header)
    }
    peering.hear()
    if (judgement === 'begins') this.#begin(peering)
    const { type, sequence } = header
    if (type === MessageType.hello && judgement === 'begins') peering.say(MessageType.heartbeat)
    if (!this.#intake.take(peering, header, body)) return this.#refuse('short')
    if (isAcknowledged(type)) peering.owe(sequence)
  }

  #post(peering: Peering, type: number, body: Uint8Array): void {
    peering.outbox.send(type, body)
  }

  #sendRefreshes(): void {
    const refreshed = [...this.#refreshed]
    this.#refreshed.clear()
    for (const peering of refreshed) {
      const body = peering.refreshes.take()
      if (body !== undefined && !this.#isClosed) this.#post(peering, MessageType.refresh, body)
    }
  }

  #newPeering(peer: Peer): Peering {
    const { clock, random, settings, host, wire } = this.#given
    return new Peering(peer, {
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

  #begin(peering: Peering): void {
    const { word } = peering.peer
    this.#counts.sessions++
    this.#report(peering)
    this.#call(() => this.#given.listener.joined(word))
    this.#pulls.gone(word)
    peering.begin()
  }

  #end(peering: Peering): void {
    peering.end()
    this.#pulls.gone(peering.peer.word)
    this.#touched.delete(peering)
    this.#refreshed.delete(peering)
  }

  #late(words: readonly number[]): void {
    this.#counts['released-late']++
    for (const word of words) {
      const peering = this.#peerings.get(word)
      if (peering !== undefined) peering.isLate = true
    }
  }

  #refuse(reason: Refusal): void {
    this.#counts[`refused-${reason}`]++
  }

  // Beats from now on, as long as there is somebody to beat for.
  #wake(): void {
    this.#beat?.cancel()
    this.#beat = undefined
    if (this.#key === undefined || this.#peerings.size === 0) return
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
    for (const peering of [...this.#peerings.values()]) {
      if (stoodMs > settings.heartbeatMs) peering.excuse(stoodMs)
      if (peering.beat()) this.#pulls.gone(peering.peer.word)
      this.#report(peering)
    }
  }

  #report(peering: Peering): void {
    const news = peering.news()
    if (news === undefined) return
    if (!news.host) this.#counts.deaths++
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
