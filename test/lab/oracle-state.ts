// Flow state of a host of the oracles on eBPF: the native table, whose clock stands where the
// world's does, and the native exchange on sockets of the host's namespace.  Its thread runs in
// real time, as the kernel does: the world waits until it has nothing under way.

import type { StateParts } from '../../src/host/replication/state-parts.ts'
import { NativeExchange, type NativeExchangeOptions } from '../../src/native/exchange.ts'
import { NativeStateTable } from '../../src/native/state-table.ts'
import { EXCHANGE_DEFAULT, type Peer } from '../../src/state/exchange/exchange.ts'
import { hostHash } from '../../src/state/record.ts'
import { TIMEOUTS } from '../state/kinds.ts'
import { assembly } from '../world/world.ts'

const CAPACITY = 65_536
const KEY = new Uint8Array(32).fill(7)
// Nothing here is late, however busy the machine is.
const SETTINGS = { ...EXCHANGE_DEFAULT, holdMs: 10_000, deadMs: 10_000 }
const UNDER_WAY = ['held-now', 'under-way-now', 'pulls-now']

type Inside = <T>(body: () => T) => T

export interface HowShared {
  readonly isShared: boolean
  readonly mute: boolean // says nothing of what it writes
}

export class StateInside {
  readonly parts: StateParts
  readonly #table = new NativeStateTable({ capacity: CAPACITY, timeouts: TIMEOUTS })
  #exchange: ExchangeInside | null = null

  constructor(id: string, { isShared, mute }: HowShared, inside: Inside) {
    const given = { host: hostHash(id), table: this.#table, settings: SETTINGS }
    this.parts = {
      table: this.#table,
      kinds: assembly.stateKinds,
      timeouts: TIMEOUTS,
      openExchange: isShared
        ? listener => {
            this.#exchange = inside(() => new ExchangeInside({ ...given, listener }, inside, mute))
            return this.#exchange
          }
        : null,
      saver: null,
      load: null,
      recover: false
    }
  }

  setClock(ms: number): void {
    this.#table.stopClock(ms)
  }

  get size(): number {
    return this.#table.size
  }

  get shared(): number {
    return this.#exchange?.counters()['entries-added'] ?? 0
  }

  get isBusy(): boolean {
    return this.#exchange?.isBusy === true
  }

  // Whether there was any news.
  read(): boolean {
    return this.#exchange?.read() === true
  }
}

class ExchangeInside extends NativeExchange {
  readonly #inside: Inside
  readonly #mute: boolean
  #peers: readonly Peer[] = []

  constructor(options: NativeExchangeOptions, inside: Inside, mute: boolean) {
    super(options)
    this.#inside = inside
    this.#mute = mute
    this.setKey(KEY)
  }

  override setPeers(peers: readonly Peer[]): void {
    this.#peers = peers
    this.#inside(() => super.setPeers(peers))
  }

  override share(record: Int32Array, at: number, peers: readonly number[]): void {
    if (!this.#mute) super.share(record, at, peers)
  }

  get isBusy(): boolean {
    if (this.#peers.some(({ word }) => !this.isReady(word))) return true
    const counters = this.counters()
    return UNDER_WAY.some(name => counters[name]! > 0)
  }
}
