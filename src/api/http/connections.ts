// Who holds connections, and who must give one up.  A listener has so many, a source so many of
// them; when one more comes than there is room for, the connection goes that has been without an
// answer under way for longest: first of the source that is over its share, else of the one that
// holds most.  So whoever opens many and says nothing closes his own, and nobody is kept out.
// test/api/connections.test.ts holds it; test/zookeeper/one-api.test.ts, over TLS.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Counter, Counters } from '../../core/counters.ts'

/** Connections at once, all sources together. */
export const CONNECTIONS_MAX = 512
/** Of them, those of one address. */
export const CONNECTIONS_PER_SOURCE_MAX = 128

// Whoever takes nothing and sends nothing for so long is gone.
const SILENCE_MS = 60_000

/** Bounds the connections of a server. */
export class Connections {
  readonly #bySource = new Map<string, Set<Socket>>() // the longest without an answer first
  readonly #answering = new Map<Socket, number>() // how many requests of it are being answered
  readonly #below = new WeakMap<Socket, Socket>() // of a TLS connection: the one that it is on
  readonly #closed: Counter
  #count = 0

  /** `name` is what its counters begin with. */
  constructor(app: FastifyInstance, counters: Counters, name: string) {
    this.#closed = counters.claim(
      `${name}.connections-closed`,
      'Connections closed to make room for others'
    )
    counters.gauge(`${name}.connections`, () => this.#count, 'Connections that are open')
    // With its body: who sends one slowly is not being answered yet.
    app.addHook('preHandler', async request => this.#begin(request.raw.socket))
    app.addHook('onSend', async request => this.#end(request.raw.socket))
  }

  /** Bounds the connections that come to this server from now on. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#opened(socket))
    server.on('secureConnection', (socket: Socket) => this.#secured(socket))
    server.timeout = SILENCE_MS
  }

  #opened(socket: Socket): void {
    const source = sourceOf(socket)
    if (!this.#makeRoom(source)) {
      this.#closed.value++
      socket.destroy()
      return
    }
    const own = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, own.add(socket))
    this.#count++
    socket.once('close', () => this.#gone(source, socket))
  }

  // Node says of neither which the other is; both know the port that it comes from.
  #secured(secure: Socket): void {
    for (const socket of this.#bySource.get(sourceOf(secure)) ?? [])
      if (socket.remotePort === secure.remotePort) this.#below.set(secure, socket)
  }

  #gone(source: string, socket: Socket): void {
    this.#answering.delete(socket)
    const own = this.#bySource.get(source)
    if (own?.delete(socket) === true) this.#count--
    if (own?.size === 0) this.#bySource.delete(source)
  }

  #makeRoom(source: string): boolean {
    const own = this.#bySource.get(source)
    if (own !== undefined && own.size >= CONNECTIONS_PER_SOURCE_MAX) return this.#closeOne(source)
    if (this.#count < CONNECTIONS_MAX) return true
    const [most] = [...this.#bySource].sort(([, a], [, b]) => b.size - a.size)
    return most !== undefined && this.#closeOne(most[0])
  }

  #closeOne(source: string): boolean {
    for (const socket of this.#bySource.get(source) ?? []) {
      if (this.#answering.has(socket)) continue
      this.#closed.value++
      this.#gone(source, socket)
      socket.destroy()
      return true
    }
    return false
  }

  #begin(of: Socket): void {
    const socket = this.#below.get(of) ?? of
    this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1)
  }

  #end(of: Socket): void {
    const socket = this.#below.get(of) ?? of
    const before = this.#answering.get(socket)
    if (before === undefined) return
    if (before > 1) this.#answering.set(socket, before - 1)
    else this.#answering.delete(socket)
    const own = this.#bySource.get(sourceOf(socket))
    if (own?.delete(socket) === true) own.add(socket) // now it is the one that was answered last
  }
}

// All of a unix socket are one source: its mode says who they are.  A host has an IPv6 network of
// 64 bits for itself.
function sourceOf({ remoteAddress = '' }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:/, '')
  return address.includes(':') ? networkOf(address) : address
}

function networkOf(address: string): string {
  const [head = '', tail] = address.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) while (groups.length < 4) groups.push('0')
  return groups.slice(0, 4).join(':')
}
