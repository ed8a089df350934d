// What the exchange's contract asks of a rig: hosts that know each other, a wire between them that
// can be made worse, and time.  The memory rig has a virtual clock, the native one real time.

import assert from 'node:assert/strict'
import type {
  Exchange,
  ExchangeListener,
  ExchangeSettings,
  Liveness
} from '../../src/state/exchange/exchange.ts'
import { headerOf, MessageType } from '../../src/state/exchange/message.ts'
import { RecordWord } from '../../src/state/record.ts'
import type { StateTable } from '../../src/state/table.ts'

export const KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1)
export const KINDS = 0x1234 // stamp of the kinds of records of all hosts
export const OTHER_KEY = KEY.map(byte => byte ^ 0x55)

/** Probabilities, each of a datagram, either way. */
export interface Faults {
  readonly drop?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly unacknowledged?: number // of acknowledgements
  readonly acknowledgedPerS?: number // messages of acknowledgements that pass, not a probability
}

export interface Host {
  readonly word: number
  readonly address: number
  /** Of now: another after a restart, as its table and what its listener heard. */
  readonly exchange: Exchange
  readonly table: StateTable
  readonly heard: Heard
}

export interface ExchangeRig {
  /** They know the key and each other from the start. */
  readonly hosts: readonly Host[]
  /** Of every host. */
  readonly settings: ExchangeSettings
  /** Lets time pass until it is so; fails when it does not become so. */
  until(what: string, done: () => boolean): Promise<void>
  pass(ms: number): Promise<void>
  faults(of: Faults): void
  /** The agent ends without a word.  Its kernel answers probes, or the host is gone altogether. */
  stop(host: number, kernel: 'forwards' | 'gone'): void
  /** Another agent on the same host, with an empty table; it knows key and peers. */
  start(host: number): void
  /** Takes the host's links down, or up again. */
  cut(host: number, isCut: boolean): void
  /** Messages that a host has sent to another, tag and all, the last ones at the end. */
  sent(from: number, to: number): readonly Uint8Array[]
  /** A datagram for the host, as if from that address. */
  inject(address: number, to: number, message: Uint8Array): void
  close(): void
}

export type OpenRig = (hosts: number) => Promise<ExchangeRig>

/** Everything a listener heard. */
export class Heard implements ExchangeListener {
  readonly tickets = new Set<number>()
  readonly hashes: number[] = []
  readonly pulls = new Map<number, boolean>()
  readonly signs: Liveness[] = []
  readonly sessions: number[] = []
  readonly asks: Array<readonly [number, readonly number[]]> = []
  readonly tells: Array<readonly [number, string]> = []
  readonly debts: number[] = []
  /** Called first when a ticket is released. */
  onReleased: (ticket: number) => void = () => {}
  /** Called when a peer lacks what there was for it: it is owed, or begins a session. */
  onLacking: (word: number) => void = () => {}

  released(ticket: number): void {
    assert.ok(!this.tickets.has(ticket), 'a ticket is released once')
    this.tickets.add(ticket)
    this.onReleased(ticket)
  }
  imported(hashes: readonly number[]): void {
    this.hashes.push(...hashes)
  }
  pulled(ticket: number, found: boolean): void {
    assert.ok(!this.pulls.has(ticket), 'a pull is over once')
    this.pulls.set(ticket, found)
  }
  liveness(of: Liveness): void {
    this.signs.push(of)
  }
  joined(word: number): void {
    this.sessions.push(word)
    this.onLacking(word)
  }
  owed(word: number): void {
    this.debts.push(word)
    this.onLacking(word)
  }
  asked(word: number, ports: readonly number[]): void {
    this.asks.push([word, ports])
  }
  told(word: number, bytes: Uint8Array): void {
    this.tells.push([word, Buffer.from(bytes).toString()])
  }

  /** The last that was said of a host. */
  last(word: number): Liveness | undefined {
    return this.signs.findLast(sign => sign.word === word)
  }
}

/** Whether a message is an acknowledgement. */
export const isAcknowledgement = (message: Uint8Array): boolean =>
  headerOf(message).type === MessageType.acknowledgement

/** Whether the record is in the host's table, by both keys. */
export function holds({ table }: Host, record: Int32Array): boolean {
  return table.find(record, RecordWord.a) !== 0 && table.find(record, RecordWord.b) !== 0
}

/** From now on gives them to whoever lacks something, as an agent does. */
export function makeGood({ exchange, heard }: Host, all: readonly Int32Array[], idleMs = 0): void {
  heard.onLacking = word => {
    for (const each of all) exchange.refresh(each, 0, idleMs, [word])
  }
}

export const wordsOf = (hosts: readonly Host[]): number[] => hosts.map(({ word }) => word)

/** Whether a host holds all of these, for who asks often: what it held once is not asked again. */
export function holdsAll(host: Host, all: readonly Int32Array[]): () => boolean {
  let known = 0
  return () => {
    while (known < all.length && holds(host, all[known]!)) known++
    return known === all.length
  }
}

/** Everybody has a session with everybody. */
export const isTogether = (hosts: readonly Host[]): boolean =>
  hosts.every(one => hosts.every(other => one === other || one.exchange.isReady(other.word)))
