// Flow state of a packet thread: native beside a kernel, in TypeScript beside the memory datapath.
// What outlives the agent is kept by the main thread, which is asked by messages.
// test/nat-agents.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Random } from '../../core/random.ts'
import type { StateParts } from '../../host/replication/state-parts.ts'
import type { Exchange, ExchangeListener } from '../../state/exchange/exchange.ts'
import { MemoryExchange } from '../../state/exchange/memory-exchange.ts'
import { kindsStamp, type StateKind } from '../../state/kinds.ts'
import { MemoryStateTable } from '../../state/memory-table.ts'
import { hostHash } from '../../state/record.ts'
import { restore } from '../../state/storage/recollection.ts'
import { StateSaver } from '../../state/storage/saver.ts'
import type { StateTable } from '../../state/table.ts'
import type { FromThread, StateSettings } from '../messages.ts'

/** What this is made of. */
export interface ThreadStateParts {
  /** Id of the host. */
  readonly host: string
  readonly settings: StateSettings
  readonly kinds: readonly StateKind[]
  readonly clock: Clock
  readonly random: Random
  /** Says something to the main thread. */
  readonly send: (message: FromThread) => void
  /** Of a memory datapath's underlay. */
  readonly address: number
}

/** The tunnel key of flow state. */
export const STATE_TUNNEL_KEY = 0xffffff
/** What the kernel's door opens in native code (kernel-platform.ts). */
export interface NativeState {
  readonly table: StateTable
  /** Begins the exchange on the table's records. */
  openExchange(listener: ExchangeListener): Exchange
}

/** Flow state of a packet thread: its table, its exchange, what is kept of it. */
export class ThreadState {
  readonly parts: StateParts
  readonly #parts: ThreadStateParts
  readonly #table: StateTable
  readonly #saver: StateSaver | null
  #exchange: Exchange | null = null

  constructor(parts: ThreadStateParts, native: NativeState | null) {
    this.#parts = parts
    const { settings, clock, send } = parts
    const { timeouts, isKept } = settings
    const capacity = settings.connectionsMax
    this.#table =
      native?.table ?? new MemoryStateTable({ capacity, timeouts, now: () => clock.now() })
    this.#saver = isKept
      ? new StateSaver({
          clock,
          kinds: kindsStamp(parts.kinds),
          save: batches => send({ is: 'save', batches }),
          forget: port => send({ is: 'forget', port })
        })
      : null
    this.parts = {
      table: this.#table,
      kinds: parts.kinds,
      timeouts,
      perPortMax: settings.connectionsPerPort,
      openExchange: listener => {
        this.#exchange = native?.openExchange(listener) ?? this.#openInMemory(listener)
        return this.#exchange
      },
      saver: this.#saver,
      load: isKept ? port => send({ is: 'load', port }) : null,
      recover: true
    }
  }

  /** The secret that hosts share, once the main thread knows it. */
  setKey(key: Uint8Array): void {
    this.#exchange?.setKey(key)
  }

  /**
   * What the main thread found of a port goes into the table, unless that knows better.  Gives the
   * hashes of the keys that are there now.
   */
  loaded(saved: readonly Uint8Array[]): number[] {
    const { clock, settings } = this.#parts
    const kinds = kindsStamp(this.#parts.kinds)
    return restore(this.#table, saved, clock.wall(), { timeouts: settings.timeouts, kinds })
  }

  /** What has changed and was not yet given to the main thread. */
  flush(): void {
    this.#saver?.flush()
  }

  /** A message that came in by a memory datapath's underlay. */
  receive(src: number, bytes: Uint8Array): void {
    if (this.#exchange instanceof MemoryExchange) this.#exchange.receive(src, bytes)
  }

  #openInMemory(listener: ExchangeListener): Exchange {
    const { clock, random, host, settings, send, address } = this.#parts
    return new MemoryExchange({
      clock,
      random,
      listener,
      table: this.#table,
      host: hostHash(host),
      kinds: kindsStamp(this.#parts.kinds),
      settings: settings.exchange,
      wire: {
        send: ({ address: remote }, frame) =>
          send({ is: 'tunnelled', remote, key: STATE_TUNNEL_KEY, src: address, frame })
      }
    })
  }
}
