// The exchange on sockets of the underlay, with a thread of its own in native code
// (native/addon/exchange/parts.h): messages go out from the calling thread, and come in, are
// filed in the native table and acknowledged without the event loop.  The listener is called in
// turns of the loop's, with what has happened since the last.  It belongs to the thread and the
// network namespace that it was made in. test/state/native-contract.test.ts holds it.

import type {
  Exchange,
  ExchangeListener,
  ExchangeSettings,
  Peer,
  Room
} from '../state/exchange/exchange.ts'
import { exchangeSettings, news } from './abi.ts'
import { type Addon, check, type ExchangeHandle, loadAddon, type StateHandle } from './addon.ts'
import { ExchangeCount, exchangeCounts, readCounts } from './exchange-counters.ts'

/** What the exchange is made of. */
export interface NativeExchangeOptions {
  /** hostHash of ours. */
  readonly host: number
  /** A NativeStateTable. */
  readonly table: { readonly handle: StateHandle }
  /** Stamp of our kinds of records (kindsStamp); 0: everybody has the same. */
  readonly kinds?: number
  readonly settings: ExchangeSettings
  readonly listener: ExchangeListener
  /** UDP port. */
  readonly port?: number
  /** For tests: loses this share of what is sent, always the same for a seed. */
  readonly dropPerMille?: number
  /** Seed of what is lost. */
  readonly dropSeed?: number
}

const VXLAN_PORT = 4789
const PEERS_MAX = 1024
const PEER_WORDS = 3
const ASK_PORTS_MAX = 335 // of one message
/** READ_WORDS of native/addon/exchange/parts.h, and some. */
const READ_WORDS = 65_536

/** The exchange in native code, on sockets of the underlay. */
export class NativeExchange implements Exchange {
  readonly #addon: Addon
  readonly #handle: ExchangeHandle
  readonly #listener: ExchangeListener
  readonly #peers = new Int32Array(PEERS_MAX)
  readonly #news = new Int32Array(READ_WORDS)
  readonly #counts = new Float64Array(exchangeCounts.length)
  #isOpen = true

  constructor(options: NativeExchangeOptions) {
    this.#addon = loadAddon()
    this.#listener = options.listener
    this.#handle = check(
      'the exchange of flow state',
      this.#addon.exchangeOpen(options.table.handle, settingWords(options), () => this.read())
    )
  }

  setKey(key: Uint8Array): void {
    check('the key of the exchange', this.#addon.exchangeSetKey(this.#handle, key))
  }

  setPeers(peers: readonly Peer[]): void {
    const words = new Int32Array(peers.length * PEER_WORDS)
    for (const [i, { word, address, local }] of peers.entries())
      words.set([word, address, local], i * PEER_WORDS)
    // an address without a socket is tried again with every heartbeat: `send-failed` tells
    this.#addon.exchangeSetPeers(this.#handle, words)
  }

  isReady(word: number): boolean {
    return this.backlog(word) >= 0
  }

  /** Messages for the peer that it has not acknowledged; -1: it takes no state now. */
  backlog(word: number): number {
    return this.#addon.exchangeReady(this.#handle, word)
  }

  room(peers: readonly number[]): Room {
    const n = this.#wordsOf(peers)
    return this.#addon.exchangeRoom(this.#handle, this.#peers, 0, n)
  }

  share(record: Int32Array, at: number, peers: readonly number[]): void {
    const n = this.#wordsOf(peers)
    this.#addon.exchangeShare(this.#handle, record, at, this.#peers, 0, n, 0, false)
  }

  flush(): number {
    return this.#addon.exchangeFlush(this.#handle)
  }

  refresh(record: Int32Array, at: number, idleMs: number, peers: readonly number[]): void {
    const n = this.#wordsOf(peers)
    const idle = Math.min(Math.max(0, idleMs), 0xffffffff)
    this.#addon.exchangeShare(this.#handle, record, at, this.#peers, 0, n, idle, true)
  }

  pull(key: Int32Array, at: number, peers: readonly number[]): number {
    const n = this.#wordsOf(peers)
    return this.#addon.exchangePull(this.#handle, key, at, this.#peers, 0, n)
  }

  ask(word: number, ports: readonly number[]): void {
    for (let from = 0; from < ports.length; from += ASK_PORTS_MAX) {
      const some = Int32Array.from(ports.slice(from, from + ASK_PORTS_MAX))
      this.#addon.exchangeAsk(this.#handle, word, some)
    }
  }

  tell(word: number, bytes: Uint8Array): void {
    this.#addon.exchangeTell(this.#handle, word, bytes)
  }

  counters(): Record<string, number> {
    if (this.#isOpen) this.#addon.exchangeCounters(this.#handle, this.#counts)
    return readCounts(this.#counts)
  }

  /** The thread ends, the key is forgotten; the listener hears nothing more. */
  close(): void {
    if (!this.#isOpen) return
    this.counters()
    this.#isOpen = false
    this.#counts.fill(0, ExchangeCount.firstOfNow)
    this.#addon.exchangeClose(this.#handle)
  }

  #wordsOf(peers: readonly number[]): number {
    const n = Math.min(peers.length, PEERS_MAX)
    for (let i = 0; i < n; i++) this.#peers[i] = peers[i]!
    return n
  }

  /** Tells the listener what has happened.  The loop calls it; who has none may. */
  read(): boolean {
    for (let found = false; ; found = true) {
      const end = this.#isOpen ? this.#addon.exchangeRead(this.#handle, this.#news) : 0
      if (end <= 0) return found
      for (let at = 0; at < end && this.#isOpen; ) {
        const from = at + 2
        const to = from + this.#news[at + 1]!
        this.#tell(this.#news[at]!, from, to)
        at = to
      }
    }
  }

  #tell(type: number, from: number, to: number): void {
    const words = this.#news
    const listener = this.#listener
    switch (news[type - 1]) {
      case 'released':
        for (let i = from; i < to && this.#isOpen; i++) listener.released(words[i]!)
        break
      case 'imported':
        listener.imported(Array.from(words.subarray(from, to)))
        break
      case 'pulled':
        listener.pulled(words[from]!, words[from + 1] !== 0)
        break
      case 'liveness': {
        const [word, host, agent] = words.subarray(from, to)
        listener.liveness({ word: word!, host: host !== 0, agent: agent !== 0 })
        break
      }
      case 'joined':
        listener.joined(words[from]!)
        break
      case 'owed':
        listener.owed(words[from]!)
        break
      case 'lost':
        listener.lost?.()
        break
      default:
        this.#tellBytes(type, words[from]!, from + 2, words[from + 1]!)
    }
  }

  #tellBytes(type: number, word: number, from: number, length: number): void {
    if (news[type - 1] === 'told') {
      const bytes = new Uint8Array(this.#news.buffer, from * 4, length)
      this.#listener.told(word, bytes.slice())
    } else if (news[type - 1] === 'asked') {
      this.#listener.asked(word, Array.from(this.#news.subarray(from, from + length / 4)))
    }
  }
}

const settingWords = ({ settings, ...given }: NativeExchangeOptions): Uint32Array => {
  const values = { port: VXLAN_PORT, kinds: 0, dropPerMille: 0, dropSeed: 1, ...settings, ...given }
  return Uint32Array.from(exchangeSettings, name => values[name])
}
