// Loads the native addon and says its functions in TypeScript.  Each answers a number, negative
// errno for failure; `check` makes a sentence of that.  A handle is opaque and belongs to the
// thread that opened it: nothing in the addon is global.

import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { fail, reasonOf } from '../core/errors.ts'
import type { Room } from '../state/exchange/exchange.ts'

export type HostHandle = { readonly opaque: 'host' }
export type NetlinkHandle = { readonly opaque: 'netlink' }
export type StateHandle = { readonly opaque: 'state' }
export type ExchangeHandle = { readonly opaque: 'exchange' }

export interface Addon {
  open(object: string, pins: string, injectName: string, settings: Uint32Array): HostHandle | number
  close(host: HostHandle, keep: boolean): number
  attach(host: HostHandle, ifindex: number, portClass: number, clsact: boolean): number
  attachSoon(
    host: HostHandle,
    ifindex: number,
    portClass: number,
    clsact: boolean,
    done: (result: number) => void
  ): number
  detach(host: HostHandle, ifindex: number): number
  pinned(host: HostHandle, ifindexes: Uint32Array): number
  setLocals(host: HostHandle, addresses: Uint32Array): number
  setPeers(host: HostHandle, addresses: Uint32Array): number
  counters(host: HostHandle, into: Float64Array): number
  setMasks(host: HostHandle, masks: Int32Array): number
  getMasks(host: HostHandle, masks: Int32Array): number
  setChunks(host: HostHandle, indices: Uint32Array, chunks: Int32Array, n: number): number
  getChunk(host: HostHandle, index: number, into: Int32Array): number
  install(
    host: HostHandle,
    keys: Int32Array,
    flows: Int32Array,
    n: number,
    results: Uint8Array,
    replacedIds: Uint32Array
  ): number
  remove(host: HostHandle, keys: Int32Array, n: number, results: Uint8Array): number
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
  adopt(host: HostHandle, keys: Int32Array, flows: Int32Array, max: number): number
  start(host: HostHandle, fire: () => void): number
  receive(
    host: HostHandle,
    bytes: Uint8Array,
    descriptors: Uint32Array,
    keys: Int32Array,
    watch: boolean
  ): number
  send(
    host: HostHandle,
    burst: Uint8Array,
    own: Uint8Array,
    jobs: Uint32Array,
    n: number,
    actions: Int32Array
  ): number
  enterNamespace(path: string): number
  netlinkOpen(fire: () => void): NetlinkHandle | number
  netlinkRead(netlink: NetlinkHandle, into: Uint8Array, wait: boolean): number
  netlinkWrite(netlink: NetlinkHandle, bytes: Uint8Array): number
  netlinkClose(netlink: NetlinkHandle): number
  monotonicMs(): number
  trim(): number
  stateOpen(capacity: number, timeouts: Uint32Array): StateHandle | number
  stateClose(table: StateHandle): number
  stateFind(table: StateHandle, words: Int32Array, at: number): number
  stateRead(table: StateHandle, id: number, into: Int32Array, at: number): number
  stateStamp(table: StateHandle, id: number): number
  statePut(table: StateHandle, words: Int32Array, at: number, idleMs: number): number
  stateNote(
    table: StateHandle,
    handle: number,
    stamp: number,
    tcpFlags: number,
    idleMs: number
  ): number
  stateRemove(table: StateHandle, id: number, stamp: number): number
  stateExpire(table: StateHandle, into: Int32Array, max: number): number
  stateScan(
    table: StateHandle,
    from: number,
    into: Int32Array,
    idleMs: Float64Array,
    next: Uint32Array
  ): number
  stateInfo(table: StateHandle, into: Float64Array): number
  stateHeld(table: StateHandle, port: number): number
  stateStopClock(table: StateHandle, ms: number): number
  exchangeOpen(table: StateHandle, settings: Uint32Array, fire: () => void): ExchangeHandle | number
  exchangeClose(exchange: ExchangeHandle): number
  exchangeSetKey(exchange: ExchangeHandle, key: Uint8Array): number
  exchangeSetPeers(exchange: ExchangeHandle, peers: Int32Array): number
  exchangeReady(exchange: ExchangeHandle, word: number): number
  exchangeRoom(exchange: ExchangeHandle, peers: Int32Array, from: number, n: number): Room
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
  exchangeFlush(exchange: ExchangeHandle): number
  exchangePull(
    exchange: ExchangeHandle,
    key: Int32Array,
    at: number,
    peers: Int32Array,
    from: number,
    n: number
  ): number
  exchangeAsk(exchange: ExchangeHandle, word: number, ports: Int32Array): number
  exchangeTell(exchange: ExchangeHandle, word: number, bytes: Uint8Array): number
  exchangeRead(exchange: ExchangeHandle, into: Int32Array): number
  exchangeCounters(exchange: ExchangeHandle, into: Float64Array): number
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export const objectPath = here('../../native/build/mezzo.bpf.o')
const addonPath = here('../../native/build/mezzo.node')

export function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)(addonPath) as Addon
  } catch (error) {
    throw fail('UNAVAILABLE', { what: 'the native addon', reason: reasonOf(error) }, error)
  }
}

const errnoName = (errno: number): string =>
  Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`

// The result, or an error that says what failed and why.
export function check<T>(what: string, result: T | number): T {
  if (typeof result === 'number' && result < 0)
    throw fail('UNAVAILABLE', { what, reason: errnoName(-result) })
  return result as T
}

// Moves the calling thread alone into a network namespace, such as /var/run/netns/vm1.
export const enterNamespace = (path: string): void => {
  check(`the namespace ${path}`, loadAddon().enterNamespace(path))
}
