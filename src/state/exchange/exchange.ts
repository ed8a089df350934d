// How state gets to other hosts before the packet leaves, and how a host knows that another is
// there.  Two implementations keep this contract (test/state/exchange-contract.ts): one in
// TypeScript over the world's underlay, one in native code on sockets, with a thread of its own.
// The bytes are described in docs/flow-state.md; codec.ts writes and reads them.

/** A host we may exchange state with. */
export interface Peer {
  /** hostHash of its id. */
  readonly word: number
  /** Underlay IPv4, int32. */
  readonly address: number
  /** Our underlay IPv4 towards it, int32. */
  readonly local: number
}

/** Whether a peer answers, as it has just changed. */
export interface Liveness {
  /** hostHash of the host's id. */
  readonly word: number
  /** Its machine answers: its agent, or its kernel for it. */
  readonly host: boolean
  /** Its agent has a session with us. */
  readonly agent: boolean
}

/**
 * Whoever uses an exchange. Called in turns of the event loop of its own, never from within a call
 * of the exchange.
 */
export interface ExchangeListener {
  /**
   * Everybody who could has acknowledged what `flush` gave this ticket, or the bound has passed.
   */
  released(ticket: number): void
  /** Records came in: the hashes (keyHash) of the keys that are new or different. */
  imported(hashes: readonly number[]): void
  /** A pull is over: the records, if anybody had them, are in the table. */
  pulled(ticket: number, found: boolean): void
  /** A host, or its agent, began to answer or fell silent. */
  liveness(of: Liveness): void
  /** A peer has begun a session with us: it knows nothing yet of what is here. */
  joined(word: number): void
  /**
   * Something for this peer found no room, or never got there, and there is room now: it is to be
   * given all that concerns it.
   */
  owed(word: number): void
  /** A peer asks for everything about these ports (by number). */
  asked(word: number, ports: readonly number[]): void
  /** Bytes from the agent of another host (see `tell`). */
  told(word: number, bytes: Uint8Array): void
  /** More records came in than could be told: anything may have changed. */
  lost?(): void
}

/** How long things may take, milliseconds. */
export interface ExchangeSettings {
  /** Bound of a held packet. */
  readonly holdMs: number
  /** Time until a message is sent again the first time; doubles with each try. */
  readonly retransmitMs: number
  /** How often a host says that it is there. */
  readonly heartbeatMs: number
  /** Silence after which a host is dead. */
  readonly deadMs: number
}

/** The settings of a configuration that names none. */
export const EXCHANGE_DEFAULT: ExchangeSettings = {
  holdMs: 200,
  retransmitMs: 3,
  heartbeatMs: 25,
  deadMs: 125
}

/** Bytes of UDP payload that a message has at most. */
export const MESSAGE_BYTES_MAX = 1400

/** Whether a record can be on its way to peers before a packet is. */
export const Room = {
  nobody: 0, // none of them takes state now
  open: 1,
  full: 2 // one that takes state has too much under way
} as const
export type Room = (typeof Room)[keyof typeof Room]

/** Gives other hosts records, asks them for some, and watches whether they answer. */
export interface Exchange {
  /** The secret all hosts share: 32 bytes.  Until it is set, nothing is sent or taken. */
  setKey(key: Uint8Array): void
  /** Everybody we share tunnels with; only they are listened to. */
  setPeers(peers: readonly Peer[]): void
  /** Whether the peer's agent takes state now. */
  isReady(word: number): boolean
  /** Messages for the peer that wait or are not acknowledged; -1: it takes no state now. */
  backlog(word: number): number
  /**
   * Asked before a packet's records are written: when it says `full` the packet must not leave.
   * Otherwise what is shared for it is sent by the next flush to each of them that takes state.
   */
  room(peers: readonly number[]): Room
  /** Puts a record into the messages being made for these peers (words). */
  share(record: Int32Array, at: number, peers: readonly number[]): void
  /**
   * Sends what `share` has gathered. Gives a ticket that `released` will name; 0: nobody has to be
   * waited for. A record that finds no room, because nobody asked `room` before, waits its turn or
   * is owed (`owed`).
   */
  flush(): number
  /**
   * As `share` and `flush`, but of what need not be waited for: refreshes, changed flags, bulk.
   * What finds no room is owed.
   */
  refresh(record: Int32Array, at: number, idleMs: number, peers: readonly number[]): void
  /**
   * Asks peers for the record of a key, once.  A ticket that `pulled` will name; 0: nobody to ask.
   */
  pull(key: Int32Array, at: number, peers: readonly number[]): number
  /** Asks a peer for everything about these ports. */
  ask(word: number, ports: readonly number[]): void
  /** A few bytes for the agent of another host, delivered once or not at all. */
  tell(word: number, bytes: Uint8Array): void
  /** Counters and gauges by name: docs/flow-state.md. */
  counters(): Record<string, number>
  /** Ends all sessions; the listener is not called again. */
  close(): void
}
