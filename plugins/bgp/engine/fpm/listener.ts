// Where zebra connects to: takes what it sends, and decides when it has told all. zebra marks no
// end; it tells all there is at once after it has connected, so silence is the end, provided that
// bgpd had told zebra when the silence began (which is for the caller to know).
// test/lab/bgp-engine.test.ts holds it.

import type { Socket } from 'node:net'
import {
  type Clock,
  type Listening,
  type Log,
  listenIn,
  type Timer
} from '../../../../src/control.ts'
import type { LearnedRoutes } from './learned.ts'
import { FpmReader } from './messages.ts'

const QUIET_MS = 500 // zebra pauses less between two frames of one round
const PATIENCE_MS = 60_000 // then a round is complete though bgpd is not there

/** What it is made of. */
export interface FpmListenerParts {
  readonly clock: Clock
  readonly log: Log
  readonly routes: LearnedRoutes
  /** Whether bgpd has told zebra what it knows; rejects when nobody can say. */
  readonly isSettled: () => Promise<boolean>
}

/** The server of one namespace. */
export class FpmListener {
  readonly #parts: FpmListenerParts
  #server: Listening | null = null
  #socket: Socket | null = null
  #quiet: Timer | null = null // while a round goes on
  #roundMs = 0
  #isSettled = false // when this silence began

  constructor(parts: FpmListenerParts) {
    this.#parts = parts
  }

  /** Rejects with UNAVAILABLE. */
  async open(netns: string, port: number): Promise<void> {
    const options = { netns, address: '127.0.0.1', port }
    this.#server = await listenIn(options, socket => this.#accept(socket))
  }

  /** Takes no more; the routes stay as they are. */
  close(): void {
    this.#quiet?.cancel()
    this.#server?.close()
    this.#socket?.destroy()
    this.#socket = null
  }

  #accept(socket: Socket): void {
    this.#socket?.destroy() // zebra has one connection: the old one is dead
    this.#socket = socket
    const { clock, log, routes } = this.#parts
    const reader = new FpmReader()
    routes.begin()
    this.#roundMs = clock.now()
    this.#isSettled = false
    this.#waitForSilence()
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      if (this.#socket === socket) this.#quiet?.cancel()
    })
    socket.on('data', data => {
      if (this.#socket !== socket) return
      if (this.#quiet !== null) this.#waitForSilence()
      try {
        for (const changes of reader.push(data)) routes.take(changes)
      } catch (error) {
        log.warn({ err: error }, 'zebra sent what is no route; it is asked to connect again')
        socket.destroy()
      }
    })
  }

  #waitForSilence(): void {
    this.#quiet?.cancel()
    this.#quiet = this.#parts.clock.after(QUIET_MS, () => void this.#judge())
  }

  async #judge(): Promise<void> {
    const { clock, isSettled, routes } = this.#parts
    const socket = this.#socket
    const timer = this.#quiet
    const isLate = clock.now() - this.#roundMs > PATIENCE_MS
    const isSettledNow = await isSettled().catch(() => false)
    // Something came, or another round began, while we asked.
    if (this.#socket !== socket || this.#quiet !== timer || socket?.destroyed !== false) return
    const wasSettled = this.#isSettled
    this.#isSettled = isSettledNow
    if (!isLate && !(wasSettled && isSettledNow)) return this.#waitForSilence()
    this.#quiet = null
    routes.complete()
  }
}
