// The connection of node-zookeeper-client 1.1.3, repaired: test/zookeeper/faults.test.ts holds what
// the package does wrong, and what is done about it here:
//
//   never notices a server that is silent    pings by our clock; a silent socket is destroyed
//   a cut amid a frame spoils the next        frames are cut here, anew for each socket
//   no limit until the server has greeted     one from the first try to the greeting
//   requests queued while away may never end  all fail with the socket; none is taken while away
//   all watches are set in one packet         chunks well below what a server takes
//   one call deeper for each frame            frames are handed over one by one
//   an error number it does not know throws   it is handed on as it came; so is an unknown event
//   only plain TCP, no sync, no unwatching    TLS; `sync` and `unwatch` are answered here

import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import ConnectionManager, { type Packet } from 'node-zookeeper-client/lib/ConnectionManager.js'
import jute from 'node-zookeeper-client/lib/jute/index.js'
import type { Clock, Timer } from '../../../core/clock.ts'
import { reasonOf } from '../../../core/errors.ts'
import type { Random } from '../../../core/random.ts'
import { Frames, int32 } from './frames.ts'
import { isUnwatch } from './operations.ts'

/** States of a connection, by the package's names. */
export const STATES = ConnectionManager.STATES

/** A server of the ensemble. */
export interface ServerAddress {
  /** Name or address. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** What a connection is made of. */
export interface ConnectionOptions {
  /** Tried in turn, from one chosen by chance. */
  readonly servers: readonly ServerAddress[]
  /** How long the servers keep a session they do not hear of; they may change it. */
  readonly sessionMs: number
  /** Undefined: it is not encrypted. */
  readonly tls?: TlsOptions | undefined
  /** Name and password for what only we may read; undefined: none. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined
  readonly clock: Clock
  readonly random: Random
}

const SET_WATCHES_BYTES_MAX = 128 << 10
// From the first packet to a server's greeting.  Several are tried within one session's time.
const CONNECT_MS_MIN = 500
const CONNECT_MS_MAX = 5_000
const ROUNDS_PER_SESSION = 2
const RETRY_MS_MIN = 20
const RETRY_MS_MAX = 1_000
// Pings at a third of the session's time, silence is judged at two thirds: half steps of the first.
const TICKS_PER_SESSION = 6
const SILENT_TICKS = 4

// Numbers of requests are of 32 bits; they begin anew long before those are used up.
const XID_MAX = 1 << 30
const EVENT_XID = -1
const PING_XID = -2
const AUTH_XID = -4
// Later ones tell of watches that were removed.
const EVENT_TYPE_MAX = 4
const EXPIRED = -112
const AUTH_FAILED = -115
const CONNECTION_LOSS = -4

/** One connection is one session: when that has expired the client makes another. */
export class Connection extends ConnectionManager {
  /** Until then no server has given the session up, however little is heard of them. */
  heldUntil = -Infinity
  /** What ended the last try, for people. */
  fault = 'not tried yet'
  /** Sockets destroyed because the server was silent. */
  silences = 0
  readonly #options: ConnectionOptions
  #frames = new Frames()
  #attempts = 0 // without a greeting
  #timer: Timer | undefined
  #ticks = 0
  #heardAt = 0
  #greetedAt = 0
  #pings: number[] = [] // when those that wait for an answer were sent
  #ended = false
  #at = '' // the server we speak to

  constructor(options: ConnectionOptions, listener: (state: number) => void) {
    super('unused', { sessionTimeout: options.sessionMs, spinDelay: 0 }, listener)
    this.#options = options
    const first = options.random.below(options.servers.length)
    this.servers = [...options.servers.slice(first), ...options.servers.slice(0, first)]
    const { credentials } = options
    if (credentials === undefined) return
    const auth = Buffer.from(`${credentials.username}:${credentials.password}`)
    this.credentials.push({ scheme: 'digest', auth })
  }

  override connect(): void {
    if (this.#ended) return
    this.setState(STATES.CONNECTING)
    const { servers } = this
    const tried = this.#attempts++
    const server = servers[tried % servers.length]!
    this.#after(tried < servers.length ? 0 : this.#pauseMs(tried), () => this.#dial(server))
  }

  /** Nobody here waits for an event of this node any more. */
  forget(path: string): void {
    delete this.watcherManager.dataWatchers[path]
    delete this.watcherManager.existenceWatchers[path]
  }

  /** Events that are waited for. */
  get watchCount(): number {
    const { dataWatchers, existenceWatchers, childWatchers } = this.watcherManager
    const all = [dataWatchers, existenceWatchers, childWatchers]
    return all.reduce((sum, watchers) => sum + Object.keys(watchers).length, 0)
  }

  /** Ends it at once; the servers keep the session for as long as they do without hearing of it. */
  end(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#failQueued(CONNECTION_LOSS)
    if (this.socket === undefined || this.socket.destroyed) this.setState(STATES.CLOSED)
    else this.socket.destroy()
  }

  override onSocketConnected(): void {
    this.#greetedAt = this.#options.clock.now()
    const greeting = new jute.protocol.ConnectRequest!(
      jute.PROTOCOL_VERSION,
      this.zxid,
      this.sessionTimeout,
      this.sessionId,
      this.sessionPassword
    )
    this.socket!.write(new jute.Request(null, greeting).toBuffer())
    for (const { scheme, auth } of this.credentials) {
      const header = new jute.protocol.RequestHeader!(AUTH_XID, jute.OP_CODES.AUTH)
      this.queue(new jute.Request(header, new jute.protocol.AuthPacket!(0, scheme, auth)))
    }
    for (const watches of this.#watches()) {
      const header = new jute.protocol.RequestHeader!(0, jute.OP_CODES.SET_WATCHES)
      const { data, existence, child } = watches
      const payload = new jute.protocol.SetWatches!(this.zxid, data, existence, child)
      this.queue(new jute.Request(header, payload))
    }
  }

  override onSocketData(bytes: Buffer): void {
    const { socket } = this
    this.#heardAt = this.#options.clock.now()
    try {
      for (const frame of this.#frames.take(bytes)) {
        this.#take(frame)
        if (this.socket !== socket || socket?.destroyed) return
      }
    } catch (error) {
      this.fault = `it speaks another language: ${reasonOf(error)}`
      socket?.destroy()
    }
  }

  override onSocketClosed(): void {
    this.#timer?.cancel()
    this.#frames = new Frames()
    this.#pings = []
    this.#failQueued(
      this.state === STATES.SESSION_EXPIRED
        ? EXPIRED
        : this.state === STATES.AUTHENTICATION_FAILED
          ? AUTH_FAILED
          : CONNECTION_LOSS
    )
    super.onSocketClosed()
    if (this.#ended) this.setState(STATES.CLOSED)
  }

  /** The package pings by the idle time of the socket, which our own writes put off for ever. */
  override onSocketTimeout(): void {}

  #take(frame: Buffer): void {
    if (this.state === STATES.CONNECTING) return this.#greeted(frame)
    const xid = int32(frame, 4)
    const waiting = this.pendingQueue[0]
    if (xid === PING_XID) this.#pong()
    else if (xid === EVENT_XID && int32(frame, 20) > EVENT_TYPE_MAX) return
    else if (xid >= 0 && waiting !== undefined && this.#isOurs(frame, waiting)) {
      if (waiting.request.header.xid !== xid) throw new Error('an answer out of turn')
      this.pendingQueue.shift()
      const error = int32(frame, 16)
      if (error === 0) waiting.callback(null, { payload: null })
      else waiting.callback({ code: error })
    } else super.onSocketData(frame)
  }

  // What the package cannot answer: it throws on errors it has no name for, and knows no sync.
  #isOurs(frame: Buffer, { request: { header } }: Packet): boolean {
    return int32(frame, 16) !== 0 || header.type === jute.OP_CODES.SYNC || isUnwatch(header)
  }

  #greeted(frame: Buffer): void {
    super.onSocketData(frame)
    if ((this.state as number) === STATES.CONNECTED) {
      this.#attempts = 0
      this.#ticks = 0
      this.fault = `${this.#at} has closed the connection` // unless more is known then
      this.#hold(this.#greetedAt)
      this.#tick()
    } else this.socket?.destroy() // the session has expired
  }

  #tick(): void {
    this.#after(this.sessionTimeout / TICKS_PER_SESSION, () => {
      const silentMs = this.#options.clock.now() - this.#heardAt
      if (silentMs >= (this.sessionTimeout * SILENT_TICKS) / TICKS_PER_SESSION) {
        this.silences++
        this.fault = `the server was silent for ${Math.round(silentMs)} ms`
        this.socket?.destroy()
        return
      }
      if (this.xid > XID_MAX) this.xid = 0
      if (++this.#ticks % 2 === 0) this.#ping()
      this.#tick()
    })
  }

  #ping(): void {
    this.#pings.push(this.#options.clock.now())
    const header = new jute.protocol.RequestHeader!(PING_XID, jute.OP_CODES.PING)
    this.queue(new jute.Request(header, null))
  }

  #pong(): void {
    const sentAt = this.#pings.shift()
    if (sentAt !== undefined) this.#hold(sentAt)
  }

  // Counted from when an answered word was sent: no server heard it earlier.
  #hold(sentAt: number): void {
    this.heldUntil = Math.max(this.heldUntil, sentAt + this.sessionTimeout)
  }

  #dial({ host, port }: ServerAddress): void {
    const { tls } = this.#options
    const name = tls === undefined ? 'connect' : 'secureConnect'
    this.#at = `${host}:${port}`
    const socket: Socket =
      tls === undefined ? connectPlain({ host, port }) : connectTls({ ...tls, host, port })
    this.socket = socket
    this.#frames = new Frames()
    socket.setNoDelay(true)
    socket.on(name, () => this.onSocketConnected())
    socket.on('data', bytes => this.onSocketData(bytes))
    socket.on('drain', () => this.onSocketDrain())
    socket.on('error', error => {
      this.fault = `${host}:${port}: ${reasonOf(error)}`
    })
    socket.on('close', () => this.onSocketClosed())
    this.#after(this.#connectMs(), () => {
      this.fault = `${host}:${port} did not answer in time`
      socket.destroy()
    })
  }

  // Longer with each round in vain: servers, or we, may have too much to do.
  #connectMs(): number {
    const share = this.sessionTimeout / (ROUNDS_PER_SESSION * this.servers.length)
    const rounds = Math.ceil(this.#attempts / this.servers.length)
    return Math.min(CONNECT_MS_MAX, Math.max(CONNECT_MS_MIN, share) * rounds)
  }

  #pauseMs(tried: number): number {
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(tried, 10))
    return ceiling / 2 + this.#options.random.below(ceiling / 2)
  }

  #after(ms: number, fire: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(ms, fire)
  }

  #failQueued(code: number): void {
    for (let next = this.packetQueue.shift(); next !== undefined; next = this.packetQueue.shift())
      next.callback({ code })
  }

  *#watches(): Generator<Record<'data' | 'existence' | 'child', string[]>> {
    const watchers = this.watcherManager
    const all = [
      ...watchers.getDataWatcherPaths().map(path => ['data', path] as const),
      ...watchers.getExistenceWatcherPaths().map(path => ['existence', path] as const),
      ...watchers.getChildWatcherPaths().map(path => ['child', path] as const)
    ]
    let chunk = { data: [] as string[], existence: [] as string[], child: [] as string[] }
    let size = 0
    for (const [kind, path] of all) {
      const bytes = Buffer.byteLength(path) + 4
      if (size + bytes > SET_WATCHES_BYTES_MAX) {
        yield chunk
        chunk = { data: [], existence: [], child: [] }
        size = 0
      }
      chunk[kind].push(path)
      size += bytes
    }
    if (size > 0) yield chunk
  }
}
