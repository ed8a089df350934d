// Loads the native addon and says its functions in TypeScript.  Each answers a number, negative
// errno for failure; `check` makes a sentence of that.  A handle is opaque and belongs to the
// thread that opened it: nothing in the addon is global.

import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { fail, reasonOf } from '../core/errors.ts'
import type { Room } from '../state/exchange/exchange.ts'

/** One host's datapath in the kernel. */
export type HostHandle = { readonly opaque: 'host' }
/** A netlink socket. */
export type NetlinkHandle = { readonly opaque: 'netlink' }
/** A state table in native memory. */
export type StateHandle = { readonly opaque: 'state' }
/** An exchange with its thread. */
export type ExchangeHandle = { readonly opaque: 'exchange' }

/** The addon's functions; each gives a negative errno when it fails. */
export interface Addon {
  /**
   * Loads the BPF object and opens or makes the pinned maps; `settings` in the order of
   * `datapathSettings`.
   */
  open(object: string, pins: string, injectName: string, settings: Uint32Array): HostHandle | number
  /** Lets go; `keep`: flows and programs stay for the next agent. */
  close(host: HostHandle, keep: boolean): number
  /** Puts the programs on an interface; `clsact`: by the older way, without a BPF link. */
  attach(host: HostHandle, ifindex: number, portClass: number, clsact: boolean): number
  /** As `attach`, on a thread of its own; `done` is called with its result. */
  attachSoon(
    host: HostHandle,
    ifindex: number,
    portClass: number,
    clsact: boolean,
    done: (result: number) => void
  ): number
  /** Takes the programs off an interface. */
  detach(host: HostHandle, ifindex: number): number
  /** Fills in the interfaces that have programs of an earlier agent; gives how many. */
  pinned(host: HostHandle, ifindexes: Uint32Array): number
  /**
   * Rules of the port at this interface, laid out by PuntWord, and what they list; empty: none any
   * more.
   */
  punt(host: HostHandle, ifindex: number, rules: Uint32Array, lists: Uint32Array): number
  /** Fills in three words for each that there are: interface, our end of the veth pair, owner. */
  punts(host: HostHandle, into: Uint32Array): number
  /** Underlay addresses of this host: what comes to them may be a tunnel's packet. */
  setLocals(host: HostHandle, addresses: Uint32Array): number
  /** Underlay addresses of other hosts, whose probes are answered. */
  setPeers(host: HostHandle, addresses: Uint32Array): number
  /** Fills in the counters, in the order of `counterNames`. */
  counters(host: HostHandle, into: Float64Array): number
  /** Writes the masks of the kernel's table, laid out by MasksWord. */
  setMasks(host: HostHandle, masks: Int32Array): number
  /** Reads them. */
  getMasks(host: HostHandle, masks: Int32Array): number
  /** Writes `n` chunks, by their indices. */
  setChunks(host: HostHandle, indices: Uint32Array, chunks: Int32Array, n: number): number
  /** Reads the chunk with this index. */
  getChunk(host: HostHandle, index: number, into: Int32Array): number
  /** Puts `n` flows in; `results` as FlowBatch.result, with the ids of those that were replaced. */
  install(
    host: HostHandle,
    keys: Int32Array,
    flows: Int32Array,
    n: number,
    results: Uint8Array,
    replacedIds: Uint32Array
  ): number
  /** Takes `n` flows out, by their masked keys. */
  remove(host: HostHandle, keys: Int32Array, n: number, results: Uint8Array): number
  /** Use of the flows with ids from `first` on, `n` of them; `live` says which there are. */
  stats(
    host: HostHandle,
    first: number,
    n: number,
    live: Uint8Array,
    ids: Uint32Array,
    packets: Float64Array,
    bytes: Float64Array,
    used: Float64Array,
    tcpFlags: Uint8Array,
    tcpNext: Uint32Array
  ): number
  /** Use of these flows. */
  statsOf(
    host: HostHandle,
    ids: Uint32Array,
    n: number,
    packets: Float64Array,
    bytes: Float64Array,
    used: Float64Array,
    tcpFlags: Uint8Array,
    tcpNext: Uint32Array
  ): number
  /** A slice of the flows in the kernel's table, `max` at most; gives how many. */
  adopt(host: HostHandle, keys: Int32Array, flows: Int32Array, max: number): number
  /** Frames may come up from now on; `fire` is called when some wait. */
  start(host: HostHandle, fire: () => void): number
  /** Takes a burst of frames; gives how many. `watch`: looks on for a moment when none is there. */
  receive(
    host: HostHandle,
    bytes: Uint8Array,
    descriptors: Uint32Array,
    keys: Int32Array,
    watch: boolean
  ): number
  /** Sends `n` frames by their actions: out of the burst, or of our own making. */
  send(
    host: HostHandle,
    burst: Uint8Array,
    own: Uint8Array,
    jobs: Uint32Array,
    n: number,
    actions: Int32Array
  ): number
  /** Moves the calling thread into a network namespace. */
  enterNamespace(path: string): number
  /** A socket that listens in a network namespace at an IPv4 address: its descriptor. */
  listenIn(namespace: string, address: string, port: number): number
  /** Opens a socket for events of interfaces; `fire` is called when some wait. */
  netlinkOpen(fire: () => void): NetlinkHandle | number
  /** Reads one datagram; gives its length, 0 when none is there. `wait`: waits for one. */
  netlinkRead(netlink: NetlinkHandle, into: Uint8Array, wait: boolean): number
  /** Sends a request. */
  netlinkWrite(netlink: NetlinkHandle, bytes: Uint8Array): number
  /** Closes the socket. */
  netlinkClose(netlink: NetlinkHandle): number
  /** CLOCK_MONOTONIC, the scale of Clock.now(). */
  monotonicMs(): number
  /** Gives memory that is not in use back to the system. */
  trim(): number
  /** Makes a table for so many records; `timeouts` in the order of `timeoutNames`. */
  stateOpen(capacity: number, timeouts: Uint32Array): StateHandle | number
  /** Empties the table; from now on it takes nothing. */
  stateClose(table: StateHandle): number
  /** StateTable.find. */
  stateFind(table: StateHandle, words: Int32Array, at: number): number
  /** StateTable.read: 1 when it is there. */
  stateRead(table: StateHandle, id: number, into: Int32Array, at: number): number
  /** StateTable.stamp. */
  stateStamp(table: StateHandle, id: number): number
  /** StateTable.put: Put in the low bits, the id above. */
  statePut(table: StateHandle, words: Int32Array, at: number, idleMs: number): number
  /** StateTable.note: 1 when flags changed. */
  stateNote(
    table: StateHandle,
    handle: number,
    stamp: number,
    tcpFlags: number,
    idleMs: number
  ): number
  /** StateTable.remove: 1 when it was there. */
  stateRemove(table: StateHandle, id: number, stamp: number): number
  /** StateTable.expire. */
  stateExpire(table: StateHandle, into: Int32Array, max: number): number
  /** StateTable.scan; `next` is given its value in [0]. */
  stateScan(
    table: StateHandle,
    from: number,
    into: Int32Array,
    idleMs: Float64Array,
    next: Uint32Array
  ): number
  /** Fills in what `stateInfo` of abi.ts names, then the records by kind. */
  stateInfo(table: StateHandle, into: Float64Array): number
  /** StateTable.heldBy. */
  stateHeld(table: StateHandle, port: number): number
  /** For tests: the table's time stands at this millisecond. */
  stateStopClock(table: StateHandle, ms: number): number
  /**
   * Begins an exchange; `settings` in the order of `exchangeSettings`; `fire` when there is news.
   */
  exchangeOpen(table: StateHandle, settings: Uint32Array, fire: () => void): ExchangeHandle | number
  /** Ends its sessions and its thread. */
  exchangeClose(exchange: ExchangeHandle): number
  /** Exchange.setKey. */
  exchangeSetKey(exchange: ExchangeHandle, key: Uint8Array): number
  /** Exchange.setPeers: three words for each, as Peer. */
  exchangeSetPeers(exchange: ExchangeHandle, peers: Int32Array): number
  /** Exchange.isReady: 1 if so. */
  exchangeReady(exchange: ExchangeHandle, word: number): number
  /** Exchange.room for `n` words from `from` on. */
  exchangeRoom(exchange: ExchangeHandle, peers: Int32Array, from: number, n: number): Room
  /** Exchange.share, or with `refresh` Exchange.refresh. */
  exchangeShare(
    exchange: ExchangeHandle,
    record: Int32Array,
    at: number,
    peers: Int32Array,
    from: number,
    n: number,
    idleMs: number,
    refresh: boolean
  ): number
  /** Exchange.flush. */
  exchangeFlush(exchange: ExchangeHandle): number
  /** Exchange.pull. */
  exchangePull(
    exchange: ExchangeHandle,
    key: Int32Array,
    at: number,
    peers: Int32Array,
    from: number,
    n: number
  ): number
  /** Exchange.ask. */
  exchangeAsk(exchange: ExchangeHandle, word: number, ports: Int32Array): number
  /** Exchange.tell. */
  exchangeTell(exchange: ExchangeHandle, word: number, bytes: Uint8Array): number
  /** Takes news in words: type, how many words follow, those. Gives how many words there are. */
  exchangeRead(exchange: ExchangeHandle, into: Int32Array): number
  /** Fills in the counts, in the order of `exchangeCounts`. */
  exchangeCounters(exchange: ExchangeHandle, into: Float64Array): number
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The compiled BPF programs. */
export const objectPath = here('../../native/build/mezzo.bpf.o')
const addonPath = here('../../native/build/mezzo.node')

/** Loads the addon; throws UNAVAILABLE when it is not built, or not for this Node. */
export function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)(addonPath) as Addon
  } catch (error) {
    throw fail('UNAVAILABLE', { what: 'the native addon', reason: reasonOf(error) }, error)
  }
}

const errnoName = (errno: number): string =>
  Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`

/** The result, or an error that says what failed and why. */
export function check<T>(what: string, result: T | number): T {
  if (typeof result === 'number' && result < 0)
    throw fail('UNAVAILABLE', { what, reason: errnoName(-result) })
  return result as T
}

/** Moves the calling thread alone into a network namespace, such as /var/run/netns/vm1. */
export const enterNamespace = (path: string): void => {
  check(`the namespace ${path}`, loadAddon().enterNamespace(path))
}
