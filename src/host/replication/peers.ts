// Replication peers: membership, liveness, pending transfers. A host that stops answering takes its
// ports with it; one whose agent begins anew is given what concerns it, a slice at a time, and so
// is one that asks. peers.test.ts and test/state/replication.test.ts hold it.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { Exchange, Liveness, Peer } from '../../state/exchange/exchange.ts'
import { hostHash, RECORD_WORDS, RecordWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { HostEvents } from '../events.ts'
import type { ReplicationTargets } from './targets.ts'

/** Another host of our tunnel zones, as the topology has it. */
export interface OtherHost {
  /** Id. */
  readonly host: string
  /** Its underlay IPv4 address, int32. */
  readonly address: number
  /** Our underlay IPv4 address towards it, int32. */
  readonly local: number
}

/** A peer as it looks from here, for the API. */
export interface PeerState {
  /** Its id. */
  readonly host: string
  /** Its machine answers: its agent, or its kernel for it. */
  readonly alive: boolean
  /** Its agent has a session with us and takes state. */
  readonly agentAlive: boolean
}

/** What `Peers` is given. */
export interface PeersParts {
  readonly exchange: Exchange | null
  readonly table: StateTable
  readonly targets: ReplicationTargets
  readonly clock: Clock
  readonly counters: Counters
  readonly events: HostEvents
}

interface Transfer {
  readonly word: number
  readonly ports: Set<number> | null // null: what concerns the host
  cursor: number
  /** Until then a record waits for what is being loaded: whom it concerns. */
  readonly patientMs: number
}

const SLICE = 512 // records looked at in one turn
const TRANSFERS_MAX = 4096
const PAUSE_MS = 1
const UNKNOWN_MS_MAX = 3000
const UNKNOWN_PAUSE_MS = 50
// So many messages for a host may be under way before a transfer pauses: its queue is bounded.
const BACKLOG_MAX = 256
const SETTLE_MS = 400 // after which a host that has not answered is not waited for
const GIVEN = 1 // first byte of what agents tell each other

// Of whom an exchange has told nothing yet: it tells what is otherwise.
const UNTOLD = { host: true, agent: false } as const

/** Replication peers: membership, liveness, pending transfers. */
export class Peers {
  readonly #parts: PeersParts
  readonly #byWord = new Map<number, OtherHost>()
  readonly #state = new Map<number, Liveness>()
  readonly #transfers: Transfer[] = []
  readonly #records = new Int32Array(SLICE * RECORD_WORDS)
  readonly #idleMs = new Float64Array(SLICE)
  readonly #given: Counter
  readonly #resynced: Counter
  readonly #onSettled: (() => void)[] = []
  #transferring = false
  #isUnknown = false // whom a record of the last slice concerns
  #isSettled = false
  #settling: Timer | null = null
  #isClosed = false

  constructor(parts: PeersParts) {
    this.#parts = parts
    this.#given = parts.counters.claim('state.given', 'Records given to hosts that began or asked')
    this.#resynced = parts.counters.claim(
      'state.resynchronised',
      'Times a host that could not be sent something was given everything again'
    )
    const { events } = parts
    events.peers.on(others => this.set(others))
    events.liveness.on(of => this.#heard(of))
    events.joined.on(word => this.#joined(word))
    events.owed.on(word => this.#owe(word))
    events.told.on((word, bytes) => this.#told(word, bytes))
    const alive = (): number => [...this.#state.values()].filter(({ agent }) => agent).length
    parts.counters.gauge('state.peers', alive, 'Hosts whose agents exchange state with us')
  }

  /** Replaces the list of peers by these: the other hosts of our tunnel zones. */
  set(others: readonly OtherHost[]): void {
    this.#byWord.clear()
    const peers: Peer[] = []
    for (const other of others) {
      const word = hostHash(other.host)
      this.#byWord.set(word, other)
      peers.push({ word, address: other.address, local: other.local })
    }
    for (const word of this.#state.keys()) if (!this.#byWord.has(word)) this.#state.delete(word)
    this.#parts.exchange?.setPeers(peers)
    if (others.length === 0) this.#settle()
    else this.#settling ??= this.#parts.clock.after(SETTLE_MS, () => this.#settle())
  }

  /** Stops permanently: transfers end where they are. */
  close(): void {
    this.#isClosed = true
    this.#settling?.cancel()
    this.#transfers.length = 0
  }

  /** All peers, and whether each answers. */
  list(): PeerState[] {
    return [...this.#byWord].map(([word, { host }]) => {
      const { host: alive, agent: agentAlive } = this.#state.get(word) ?? UNTOLD
      return { host, alive, agentAlive }
    })
  }

  /**
   * Calls `then` once all peers have answered, or 400 ms after the first list of them; at once
   * without an exchange.
   */
  settled(then: () => void): void {
    if (this.#isSettled || this.#parts.exchange === null) then()
    else this.#onSettled.push(then)
  }

  /** Id of the peer with this hostHash; undefined: there is none. */
  hostOf(word: number): string | undefined {
    return this.#byWord.get(word)?.host
  }

  /** Ids of the peers that take state now. */
  ready(): string[] {
    const { exchange } = this.#parts
    return [...this.#byWord]
      .filter(([word]) => exchange?.isReady(word) === true)
      .map(([, { host }]) => host)
  }

  /** Asks a host for everything about these ports (by number). */
  ask(host: string, ports: readonly number[]): void {
    this.#parts.exchange?.ask(hostHash(host), ports)
  }

  /**
   * Sends a host, a slice at a time, all records of these ports (by number); without `ports`, all
   * records that concern it.
   */
  give(host: string, ports?: readonly number[]): void {
    const wanted = ports === undefined ? null : new Set(ports)
    this.#transfer(hostHash(host), wanted)
  }

  // --- from the exchange ----------------------------------------

  #heard(of: Liveness): void {
    const { events } = this.#parts
    const host = this.#byWord.get(of.word)?.host
    if (host === undefined) return
    const before = this.#state.get(of.word)
    this.#state.set(of.word, of)
    if (before?.agent === true && !of.agent) events.peerLeft(host)
    // One that has never answered may only be as slow to begin as we are.
    const mayTell = of.host || before !== undefined || this.#isSettled
    if (before?.host !== of.host && mayTell) events.peer(host, of.host)
    const isKnown = before !== undefined || this.#isSettled
    if (before?.agent !== of.agent && (of.agent || isKnown)) events.agentAway(host, !of.agent)
    if (this.list().every(({ agentAlive }) => agentAlive)) this.#settle()
  }

  #joined(word: number): void {
    this.#transfer(word, null)
  }

  /** Not everything for a host could be sent: it is given all that concerns it once more. */
  #owe(word: number): void {
    this.#resynced.value++
    this.#transfer(word, null)
  }

  /**
   * A host (hostHash) asks for all records of these ports (by number): they are sent, and then it
   * is told that they were.
   */
  asked(word: number, ports: readonly number[]): void {
    this.#transfer(word, new Set(ports))
  }

  #told(word: number, bytes: Uint8Array): void {
    const host = this.#byWord.get(word)?.host
    if (host === undefined || bytes[0] !== GIVEN || bytes.length % 4 !== 1) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const ports: number[] = []
    for (let at = 1; at < bytes.length; at += 4) ports.push(view.getUint32(at))
    this.#parts.events.given(host, ports)
  }

  // --- inside ----------------------------------------

  // Those that were away before we began: whoever asks for a way is not to be sent there. Once more
  // whenever there is another list, as one may be in it that was not in the first.
  #settle(): void {
    if (this.#isClosed) return
    this.#settling?.cancel()
    this.#settling = null
    const { events, exchange } = this.#parts
    for (const [word, { host }] of exchange === null ? [] : this.#byWord) {
      const told = this.#state.get(word)
      if (told !== undefined && this.#isSettled) continue // it was said then
      if (told?.host === false) events.peer(host, false)
      if (told?.agent !== true) events.agentAway(host, true)
    }
    this.#isSettled = true
    for (const then of this.#onSettled.splice(0)) then()
  }

  #transfer(word: number, ports: Set<number> | null): void {
    if (this.#transfers.length >= TRANSFERS_MAX || this.#isClosed) return
    const patientMs = this.#parts.clock.now() + UNKNOWN_MS_MAX
    const transfer = { word, ports, cursor: 1, patientMs }
    if (!this.#joins(transfer)) this.#begin(transfer)
  }

  #begin(transfer: Transfer): void {
    this.#transfers.push(transfer)
    if (this.#transferring || this.#isClosed) return
    this.#transferring = true
    this.#parts.clock.soon(() => this.#go())
  }

  // Ports that move together, or are asked for twice, are looked for at one going.
  #joins({ word, ports }: Transfer): boolean {
    for (const other of this.#transfers) {
      if (other.word !== word || other.cursor !== 1) continue
      if (other.ports === null && ports === null) return true
      if (other.ports === null || ports === null) continue
      for (const port of ports) other.ports.add(port)
      return true
    }
    return false
  }

  // A slice for each in turn: a slow host does not keep the others waiting.
  #go(): void {
    const transfer = this.#transfers.shift()
    this.#transferring = transfer !== undefined
    if (transfer === undefined) return
    const { word, ports } = transfer
    const backlog = this.#parts.exchange?.backlog(word) ?? -1
    // One that is gone hears all of it when it begins again.
    if (backlog > BACKLOG_MAX) this.#transfers.push(transfer)
    else if (backlog >= 0)
      if (!this.#slice(transfer)) this.#goesOn(transfer)
      else if (ports !== null) this.#tellGiven(word, ports)
    this.#parts.clock.after(PAUSE_MS, () => this.#go())
  }

  #goesOn(transfer: Transfer): void {
    if (this.#isUnknown) this.#parts.clock.after(UNKNOWN_PAUSE_MS, () => this.#begin(transfer))
    else this.#transfers.push(transfer)
  }

  // True when the table has been gone through.
  #slice(transfer: Transfer): boolean {
    const { table, exchange, clock } = this.#parts
    const n = table.scan(transfer.cursor, this.#records, this.#idleMs)
    const { next } = table
    const concerned: number[] = []
    this.#isUnknown = false
    for (let i = 0; i < n; i++) {
      const isConcerned = this.#concerns(transfer, i * RECORD_WORDS)
      if (isConcerned === true) concerned.push(i)
      this.#isUnknown ||= isConcerned === undefined
    }
    if (this.#isUnknown && clock.now() < transfer.patientMs) return false
    this.#isUnknown = false
    this.#given.value += concerned.length
    for (const i of concerned)
      exchange?.refresh(this.#records, i * RECORD_WORDS, this.#idleMs[i]!, [transfer.word])
    transfer.cursor = next
    return next === 0
  }

  // undefined: what is known of its ports is being loaded.
  #concerns({ word, ports }: Transfer, at: number): boolean | undefined {
    const ingress = this.#records[at + RecordWord.ingress]!
    const egress = this.#records[at + RecordWord.egress]!
    if (ports?.has(ingress) === true || ports?.has(egress) === true) return true
    const hosts = this.#parts.targets.ofNumbers(ingress, egress)
    // Who asked for ports waits for those alone.
    return hosts === undefined && ports !== null ? false : hosts?.includes(word)
  }

  #tellGiven(word: number, ports: ReadonlySet<number>): void {
    const bytes = new Uint8Array(1 + 4 * ports.size)
    const view = new DataView(bytes.buffer)
    bytes[0] = GIVEN
    let at = 1
    for (const port of ports) {
      view.setUint32(at, port)
      at += 4
    }
    this.#parts.exchange?.tell(word, bytes)
  }
}
