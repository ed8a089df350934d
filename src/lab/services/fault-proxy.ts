// A TCP proxy that does what networks do on bad days: holds back, swallows, refuses, cuts in the
// middle of a frame, and delays. What is asked of it holds for all connections, old and new.
// test/zookeeper/faults.test.ts holds it.

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { SystemClock } from '../../core/clock.ts'

const clock = new SystemClock()

interface Pair {
  readonly near: Socket
  readonly far: Socket
  held: Buffer[]
}

/** A proxy before a server, whose faults can be switched on and off. */
export class FaultProxy {
  /** New connections end at once. */
  refuse = false
  /** Nothing goes through in either direction, and no end is told. */
  blackHole = false
  /** Answers wait until `flush`. */
  hold = false
  /** Every answer comes so much later. */
  delayMs = 0
  /** The next answer of more bytes is cut after so many, and the connection with it. */
  cutAfter: number | undefined
  /** Connections that were made so far. */
  connections = 0
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #pairs = new Set<Pair>()

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server
    this.#target = target
    server.on('connection', near => this.#accept(near))
  }

  /** Listens on the loopback at a free port. */
  static async before(host: string, port: number): Promise<FaultProxy> {
    const server = createServer()
    server.listen(0, '127.0.9.3')
    await once(server, 'listening')
    return new FaultProxy(server, { host, port })
  }

  /** Where it listens. */
  readonly host = '127.0.9.3'

  /** Where it listens; 0 once it is closed. */
  get port(): number {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : 0
  }

  /** Ends every connection, as a reset would. */
  cutAll(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far.destroy()
    }
    this.#pairs.clear()
  }

  /** The network is well again; connections that were cut off end. */
  heal(): void {
    const wasCut = this.blackHole
    this.refuse = this.blackHole = this.hold = false
    this.cutAfter = undefined
    this.delayMs = 0
    if (wasCut) this.cutAll()
  }

  /** Lets go what was held. */
  flush(): void {
    this.hold = false
    for (const pair of this.#pairs) {
      pair.near.write(Buffer.concat(pair.held))
      pair.held = []
    }
  }

  /** Ends all connections, and listens no more. */
  async close(): Promise<void> {
    this.cutAll()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    if (this.refuse) {
      near.destroy()
      return
    }
    this.connections++
    const far = connect(this.#target)
    const pair: Pair = { near, far, held: [] }
    this.#pairs.add(pair)
    near.on('data', bytes => {
      if (!this.blackHole) far.write(bytes)
    })
    far.on('data', bytes => this.#answer(pair, bytes))
    for (const socket of [near, far]) {
      socket.on('error', () => {})
      socket.on('close', () => {
        if (this.blackHole) return
        this.#pairs.delete(pair)
        near.destroy()
        far.destroy()
      })
    }
  }

  #answer(pair: Pair, bytes: Buffer): void {
    const { near, far } = pair
    if (this.blackHole) return
    if (this.hold) pair.held.push(bytes)
    else if (this.cutAfter !== undefined && bytes.length > this.cutAfter) {
      near.end(bytes.subarray(0, this.cutAfter))
      far.destroy()
      this.cutAfter = undefined
    } else if (this.delayMs > 0) clock.after(this.delayMs, () => near.write(bytes))
    else near.write(bytes)
  }
}
