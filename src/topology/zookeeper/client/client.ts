// ZooKeeper for the store: promises over a repaired connection.  A session that has expired is
// followed by a new one; until there is one, operations fail at once, and nothing waits for ever.
//
//   suspended ──► connected ──► suspended ──► connected (the same session, its watches set again)
//       ▲                           │
//       └──── a new session ◄── expired (ephemerals and watches are gone)
// test/zookeeper/client.test.ts holds it.

import type { Stat } from 'node-zookeeper-client/lib/jute/index.js'
import type { Timer } from '../../../core/clock.ts'
import { Connection, type ConnectionOptions, STATES } from './connection.ts'
import { errorOf, isZooKeeperError, ZooKeeperError } from './errors.ts'
import { type Operation, requestOf, sizeOf } from './operations.ts'

export type { Operation } from './operations.ts'

/** What a client is made of. */
export interface ZooKeeperOptions extends ConnectionOptions {
  /** All paths are below this node, as '/mezzo'; '' for none.  `makeRoot` makes it. */
  readonly chroot: string
  /** An operation fails when it is not answered for so long; its outcome is unknown then. */
  readonly operationMs: number
}

/** A node with its data. */
export interface Node {
  /** Its data. */
  readonly data: Buffer
  /** Counts the changes of its data. */
  readonly version: number
}

/** A node without its data. */
export interface Look {
  /** Counts the changes of its data. */
  readonly version: number
  /** Nodes that were ever made below it, and those that are there. */
  readonly made: number
  /** How many nodes are below it. */
  readonly children: number
  /** Another node of the same path, made later, has another. */
  readonly birth: string
}

/** `suspended`: no connection.  `expired`: all that the session owned is gone. */
export type Condition = 'suspended' | 'connected' | 'expired'

/** What a client counts. */
export interface ZooKeeperCounters {
  /** Connections that stood. */
  readonly connections: number
  /** Connections that were lost. */
  readonly losses: number
  /** Sessions that the servers ended. */
  readonly expirations: number
  /** Servers that were left because they did not answer. */
  readonly silences: number
  /** Requests without an answer in time. */
  readonly timeouts: number
  /** Watches that fired. */
  readonly events: number
  /** Requests that were not sent, because the server would cut the connection. */
  readonly refused: number
}

type Changed = () => void

const REQUESTS_MAX = 8_192
const CLOSE_MS = 1_000
// Before another try with a name and password that were refused.
const REFUSED_MS = 2_000

/** A client with one session: every request ends, and a lost session is noticed in time. */
export class ZooKeeper {
  readonly #options: ZooKeeperOptions
  readonly #listeners = new Set<(condition: Condition) => void>()
  #connection: Connection
  #condition: Condition = 'suspended'
  #closed = false
  #open = 0 // operations that wait for their answer
  #counters = { connections: 0, losses: 0, expirations: 0, timeouts: 0, events: 0, refused: 0 }
  #silences = 0 // of connections before this one
  #wasRefused = false
  #awaySince: number
  #lastFault: string | undefined
  #ended: () => void = () => {}

  constructor(options: ZooKeeperOptions) {
    this.#options = options
    this.#awaySince = options.clock.now()
    this.#connection = this.#connect()
  }

  /** Whether requests can be made. */
  get connected(): boolean {
    return this.#condition === 'connected'
  }

  /** The session, as ZooKeeper's commands show it; all zeros before there is one. */
  get session(): string {
    return `0x${this.#connection.sessionId.toString('hex')}`
  }

  /** By our clock: until then no server has given the session up, whatever is heard of them. */
  get heldUntil(): number {
    return this.#connection.heldUntil
  }

  /** As agreed with the servers. */
  get sessionMs(): number {
    return this.#connection.sessionTimeout
  }

  /** Events that are waited for. */
  get watches(): number {
    return this.#connection.watchCount
  }

  /** For how long there has been none, ms; 0: there is one. */
  get awayMs(): number {
    return this.connected ? 0 : this.#options.clock.now() - this.#awaySince
  }

  /** Why there is no connection, or was none, for people; undefined: there was always one. */
  get lastFault(): string | undefined {
    return this.#lastFault
  }

  /** Operations that wait for their answers. */
  get open(): number {
    return this.#open
  }

  /** Why there is no connection, for people. */
  get fault(): string {
    return this.#connection.fault
  }

  /** How often each happened. */
  get counters(): ZooKeeperCounters {
    return { ...this.#counters, silences: this.#silences + this.#connection.silences }
  }

  /** Returns how to stop. */
  onChange(listener: (condition: Condition) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Resolves when there is a connection; false when there is none after so long. */
  ready(limitMs: number): Promise<boolean> {
    if (this.connected) return Promise.resolve(true)
    return new Promise(done => {
      const end = (answer: boolean): void => {
        timer.cancel()
        unlisten()
        done(answer)
      }
      const timer = this.#options.clock.after(limitMs, () => end(false))
      const unlisten = this.onChange(condition => {
        if (condition === 'connected') end(true)
      })
    })
  }

  /** Makes the node that all paths are below, and those above it. */
  async makeRoot(): Promise<void> {
    const names = this.#options.chroot.split('/').slice(1)
    for (let i = 1; i <= names.length; i++) {
      const path = `/${names.slice(0, i).join('/')}`
      // Nodes on the way may be anybody's; the last is ours.
      await this.#ask({ op: 'create', path, data: Buffer.alloc(0) }, i === names.length).catch(
        error => {
          if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error
        }
      )
    }
  }

  /**
   * Makes a node; `ephemeral`: it goes with the session. Throws NODE_EXISTS, NO_NODE and others.
   */
  async create(path: string, data: Buffer, ephemeral = false): Promise<void> {
    await this.#ask({ op: 'create', path: this.#path(path), data, ephemeral })
  }

  /** Makes a node below this one; the server numbers it.  Gives the number, from 0 on. */
  async append(path: string, data: Buffer): Promise<number> {
    const full = `${this.#path(path)}/`
    const made = await this.#ask({ op: 'create', path: full, data, numbered: true })
    return Number((made as { path: string }).path.slice(full.length))
  }

  /** With a version: only when it is that. */
  async set(path: string, data: Buffer, version = -1): Promise<void> {
    await this.#ask({ op: 'set', path: this.#path(path), data, version })
  }

  /** Removes a node without children; `version` -1: whatever its version. */
  async remove(path: string, version = -1): Promise<void> {
    await this.#ask({ op: 'remove', path: this.#path(path), version })
  }

  /** Undefined when there is no node; `changed` is called once, when it changes or goes. */
  async get(path: string, changed?: Changed): Promise<Node | undefined> {
    const full = this.#path(path)
    const found = await this.#find({ op: 'get', path: full }, changed && ['Data', full, changed])
    if (found === undefined) return undefined
    const { data, stat } = found as { data?: Buffer; stat: Stat }
    return { data: data === undefined ? Buffer.alloc(0) : data, version: stat.version }
  }

  /** `changed` is called once, when the node comes, changes or goes. */
  async exists(path: string, changed?: Changed): Promise<boolean> {
    const full = this.#path(path)
    const watch = changed && (['Data', full, changed] as const)
    return (await this.#find({ op: 'exists', path: full }, watch, true)) !== undefined
  }

  /** `changed` is called once, when the node comes, changes or goes. */
  async look(path: string, changed?: Changed): Promise<Look | undefined> {
    const full = this.#path(path)
    const watch = changed && (['Data', full, changed] as const)
    const found = await this.#find({ op: 'exists', path: full }, watch, true)
    if (found === undefined) return undefined
    const { version, cversion, numChildren, czxid } = (found as { stat: Stat }).stat
    // The protocol tells how many came or went.
    const made = (cversion + numChildren) / 2
    return { version, made, children: numChildren, birth: czxid.toString('hex') }
  }

  /** Nobody waits for an event of these nodes any more. */
  async unwatch(...paths: readonly string[]): Promise<void> {
    const all = paths.map(path => this.#path(path))
    for (const path of all) this.#connection.forget(path)
    // A server that has no such watch, or is away, need not be told.
    await Promise.allSettled(all.map(path => this.#ask({ op: 'unwatch', path })))
  }

  /** Names of the nodes below; undefined when there is no node. */
  async children(path: string, changed?: Changed): Promise<readonly string[] | undefined> {
    const full = this.#path(path)
    const watch = changed && (['Child', full, changed] as const)
    const found = await this.#find({ op: 'children', path: full }, watch)
    return (found as { children: string[] } | undefined)?.children
  }

  /** All or none.  Throws the error of the first that fails. */
  async multi(operations: readonly Operation[]): Promise<void> {
    const below = operations.map(each => ({ ...each, path: this.#path(each.path) }))
    await this.#ask({ op: 'multi', path: this.#path('/'), operations: below })
  }

  /** Afterwards this server knows all that any of them had agreed on before. */
  async sync(): Promise<void> {
    await this.#ask({ op: 'sync', path: this.#path('/') })
  }

  /** Ends the session: what it owns goes at once. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const connection = this.#connection
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ended = resolve
    if (connection.state === STATES.CONNECTED) connection.close()
    else connection.end()
    const timer = this.#options.clock.after(CLOSE_MS, () => connection.end())
    await promise
    timer.cancel()
  }

  /** Ends the connection as a death would: the servers keep the session for its time. */
  leave(): void {
    this.#closed = true
    this.#connection.end()
  }

  #connect(afterMs = 0): Connection {
    const connection: Connection = new Connection(this.#options, state => {
      // The first state is told from within the constructor's turn at the earliest.
      if (this.#connection === connection) this.#moved(state)
    })
    this.#options.clock.after(afterMs, () => connection.connect())
    return connection
  }

  #moved(state: number): void {
    if (state === STATES.CONNECTED) {
      this.#counters.connections++
      this.#become('connected')
    } else if (state === STATES.SESSION_EXPIRED || state === STATES.AUTHENTICATION_FAILED) {
      this.#counters.expirations++
      this.#wasRefused = state === STATES.AUTHENTICATION_FAILED
      this.#become('expired')
    } else if (state === STATES.DISCONNECTED && this.connected) {
      this.#counters.losses++
      this.#become('suspended')
    } else if (state === STATES.CLOSED) {
      if (this.#closed) return this.#ended()
      this.#silences += this.#connection.silences
      this.#condition = 'suspended'
      this.#connection = this.#connect(this.#wasRefused ? REFUSED_MS : 0)
      this.#wasRefused = false
    }
  }

  #become(condition: Condition): void {
    if (condition !== 'connected' && this.connected) this.#awaySince = this.#options.clock.now()
    if (condition !== 'connected') this.#lastFault = this.fault
    this.#condition = condition
    for (const listener of [...this.#listeners]) listener(condition)
  }

  #path(path: string): string {
    const { chroot } = this.#options
    return path === '/' ? chroot || '/' : `${chroot}${path}`
  }

  // What is there; undefined when there is no node.  The watch is set in the turn of the answer:
  // the event may be next.
  async #find(
    operation: Operation,
    watch: readonly ['Data' | 'Child', string, Changed] | undefined,
    existence = false
  ): Promise<unknown> {
    const set = (kind: 'Data' | 'Child' | 'Existence'): void => {
      if (watch === undefined) return
      const [, path, changed] = watch
      this.#connection[`register${kind}Watcher`](path, () => {
        this.#counters.events++
        changed()
      })
    }
    try {
      const answer = { ...operation, watched: watch !== undefined }
      return await this.#ask(answer, true, error => {
        if (watch === undefined) return
        if (error === undefined) set(watch[0])
        else if (existence && error.code === 'NO_NODE') set('Existence')
      })
    } catch (error) {
      if (isZooKeeperError(error, 'NO_NODE')) return undefined
      throw error
    }
  }

  #ask(
    operation: Operation,
    owned = true,
    answered: (error?: ZooKeeperError) => void = () => {}
  ): Promise<unknown> {
    const what = `${operation.op} ${operation.path}`
    const refusal = this.#refusal(operation, what)
    if (refusal !== undefined) {
      this.#counters.refused++
      return Promise.reject(refusal)
    }
    const { credentials, clock, operationMs } = this.#options
    return new Promise((done, failed) => {
      this.#open++
      const timer: Timer = clock.after(operationMs, () => {
        this.#counters.timeouts++
        failed(new ZooKeeperError('OPERATION_TIMEOUT', what))
      })
      const isOwned = owned && credentials !== undefined
      this.#connection.queue(requestOf(operation, isOwned), (error, response) => {
        timer.cancel()
        this.#open--
        const number = error?.code ?? firstError(response?.payload?.results)
        const failure = number === undefined ? undefined : errorOf(number, what)
        answered(failure)
        if (failure === undefined) done(response?.payload ?? {})
        else failed(failure)
      })
    })
  }

  #refusal(operation: Operation, what: string): ZooKeeperError | undefined {
    if (!this.connected) return new ZooKeeperError('NOT_CONNECTED', this.fault)
    if (this.#open >= REQUESTS_MAX) return new ZooKeeperError('TOO_MANY', what)
    const tooLarge = sizeOf(operation)
    return tooLarge === undefined
      ? undefined
      : new ZooKeeperError('TOO_LARGE', `${what}: ${tooLarge}`)
  }
}

// Of a list of operations that failed, the one that is to blame: the others say -2.
function firstError(results: readonly { readonly err?: number }[] | undefined): number | undefined {
  const errors = (results ?? []).flatMap(({ err = 0 }) => (err === 0 ? [] : [err]))
  return errors.find(error => error !== NOT_DONE) ?? errors[0]
}

const NOT_DONE = -2
