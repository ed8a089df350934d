// A world's store on a real ZooKeeper: each host is a machine with a copy of its own, and hears
// what ZooKeeper's watches tell that.  Worlds do not wait, so a thread does (oracle-worker.ts):
// after each change everybody has all of it.  Leases are the world's own.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Clock } from '../../src/core/clock.ts'
import { type Interest, interestKey } from '../../src/topology/interest.ts'
import type { Stored } from '../../src/topology/model.ts'
import type { Change, TableEvent, WatchEvent } from '../../src/topology/store.ts'
import type { TopologyView, ViewLink } from '../../src/topology/view.ts'
import { WorldStore } from '../world/store.ts'

export type Order =
  | { readonly is: 'world'; readonly name: string }
  | { readonly is: 'want' | 'unwant'; readonly session: string; readonly interest: Interest }
  | { readonly is: 'write'; readonly change: Change }
  | {
      readonly is: 'put'
      readonly session: string
      readonly table: string
      readonly key: string
      readonly value: string
    }
  | {
      readonly is: 'remove'
      readonly session: string
      readonly table: string
      readonly key: string
    }
  | { readonly is: 'forget'; readonly session: string }
  | { readonly is: 'end' }

/** What a watch of a session has told. */
export type Told = { readonly session: string } & (
  | { readonly key: string; readonly events: readonly WatchEvent[] }
  | { readonly table: string; readonly events: readonly TableEvent[] }
)

const WAIT_MS = 60_000

/** The thread, of which one question at a time is asked. */
export class OracleThread {
  /** Questions that were asked. */
  asked = 0
  /** Events that came. */
  events = 0
  readonly #signal = new Int32Array(new SharedArrayBuffer(4))
  readonly #port: MessagePort
  readonly #worker: Worker
  #worlds = 0

  constructor(servers: readonly { host: string; port: number }[]) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData = { port: port2, signal: this.#signal, servers }
    const file = new URL('./oracle-worker.ts', import.meta.url)
    this.#worker = new Worker(file, { workerData, transferList: [port2] })
  }

  /** Does it, and gives what was told to whom because of it. */
  ask(order: Order): readonly Told[] {
    const before = Atomics.load(this.#signal, 0)
    this.#worker.postMessage(order)
    const is = Atomics.wait(this.#signal, 0, before, WAIT_MS)
    assert.notEqual(is, 'timed-out', `no answer to ${JSON.stringify(order)}`)
    const { told, fault } = receiveMessageOnPort(this.#port)!.message
    assert.equal(fault, undefined, fault)
    this.asked++
    for (const { events } of told as readonly Told[]) this.events += events.length
    return told
  }

  /** Another world, of which nothing is there. */
  begin(): void {
    this.ask({ is: 'world', name: `${++this.#worlds}` })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
    this.#port.close()
  }
}

export class ClusterStore extends WorldStore {
  readonly #thread: OracleThread
  readonly #time: Clock
  readonly #views = new Map<string, () => TopologyView>()
  readonly #names = new Map<string, string>() // by the id in the cluster
  #isForgetting = false

  constructor(thread: OracleThread, clock: Clock) {
    super(clock)
    this.#thread = thread
    this.#time = clock
    thread.begin()
  }

  override link(session: string, view: () => TopologyView): ViewLink {
    this.#views.set(session, view)
    const soon = (work: () => void): void => this.#time.soon(work)
    return {
      session,
      want: interest => soon(() => this.#want(session, interest)),
      unwant: interest =>
        soon(() => {
          this.#ask({ is: 'unwant', session, interest: this.#there(interest) })
          view().unwanted(interest)
        }),
      put: (table, key, value) =>
        soon(() => {
          this.tablePut(table, key, value, session)
          view().tableWritten(table, key)
        }),
      remove: (table, key) =>
        soon(() => {
          this.tableRemove(table, key, session)
          view().tableWritten(table, key)
        })
    }
  }

  override put(kind: string, value: Stored): void {
    const op = this.get(kind, value.id) === undefined ? 'create' : 'update'
    super.put(kind, value)
    this.#ask({ is: 'write', change: { op, kind, value: this.#packed(kind, value) } })
  }

  override delete(kind: string, id: string): void {
    if (this.get(kind, id) === undefined) return
    super.delete(kind, id)
    this.#ask({ is: 'write', change: { op: 'delete', kind, id: this.#id(kind, id) } })
  }

  override tablePut(table: string, key: string, value: string, session: string): void {
    super.tablePut(table, key, value, session)
    this.#ask({ is: 'put', session, table, key, value })
  }

  override tableRemove(table: string, key: string, session: string): void {
    super.tableRemove(table, key, session)
    if (!this.#isForgetting) this.#ask({ is: 'remove', session, table, key })
  }

  override forget(session: string): void {
    this.#isForgetting = true
    super.forget(session)
    this.#isForgetting = false
    this.#ask({ is: 'forget', session })
  }

  close(): void {
    this.#thread.ask({ is: 'end' })
  }

  #want(session: string, interest: Interest): void {
    const told = this.#thread.ask({ is: 'want', session, interest: this.#there(interest) })
    // The first word of a watch is all there is.
    const key = interestKey(interest)
    const view = this.#views.get(session)!
    const isOurs = (one: Told): boolean =>
      one.session === session && ('table' in one ? `table:${one.table}` : this.#key(one)) === key
    const [first, rest] = [told.filter(isOurs), told.filter(one => !isOurs(one))]
    const events = first.flatMap<unknown>(one => [...one.events])
    if ('table' in interest)
      view().applyTable(interest.table, events as readonly TableEvent[], true)
    else view().apply(key, (events as readonly WatchEvent[]).map(this.#here), true)
    this.#tell(rest)
  }

  #ask(order: Order): void {
    this.#tell(this.#thread.ask(order))
  }

  #tell(told: readonly Told[]): void {
    for (const one of told) {
      const view = this.#views.get(one.session)!
      if ('table' in one) view().applyTable(one.table, one.events, false)
      else view().apply(this.#key(one), one.events.map(this.#here), false)
    }
  }

  // --- ids are UUIDs there

  #id(kind: string, name: string): string {
    const hex = createHash('sha256').update(`${kind}/${name}`).digest('hex')
    const id = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(12, 15)}`, `8${hex.slice(15, 18)}`]
    const uuid = [...id, hex.slice(18, 30)].join('-')
    this.#names.set(uuid, name)
    return uuid
  }

  #there(interest: Interest): Interest {
    return 'id' in interest ? { ...interest, id: this.#id(interest.kind, interest.id) } : interest
  }

  #key({ key }: { readonly key: string }): string {
    const [kind, id] = key.split('/', 2)
    const name = id === undefined ? undefined : this.#names.get(id)
    return name === undefined ? key : `${kind}/${name}`
  }

  readonly #here = (event: WatchEvent): WatchEvent => {
    if (event.op === 'delete') return { ...event, id: this.#names.get(event.id)! }
    const { object } = event
    const value = JSON.parse(String(object.value.text)) as Stored
    return { op: 'put', object: { ...object, id: value.id, value } }
  }

  #packed(kind: string, value: Stored): Stored {
    const fields = (FIELDS[kind] ?? []).flatMap(field => {
      const found = [value[field] ?? []].flat()
      return found.length === 0 ? [] : [[field, found.map(String)] as const]
    })
    const text = JSON.stringify(value)
    return { id: this.#id(kind, value.id), text, ...Object.fromEntries(fields) }
  }
}

/** Fields that objects are looked for by, of each kind. */
export const FIELDS: Record<string, readonly string[]> = {}
