// How neighbours of BFD are, as soon as bfdd knows it. By its control socket it tells each change;
// it is asked besides, seldom, for what was not heard. FRR 10.2 has no such socket any more: there
// it is asked often. test/lab/bfd.test.ts holds it.

import { connect, type Socket } from 'node:net'
import type { Clock, Log, Timer } from '../../../../src/control.ts'
import type { BfdState } from '../engine.ts'
import { BfdReader, statesIn, subscription } from './messages.ts'

const SELDOM_MS = 2000
const OFTEN_MS = 200 // a question takes bfdd and us less than a millisecond
// A bfdd that ends is started again sooner than that.
const SILENCE_MS = 5000

/** What it is made of. */
export interface BfdWatchParts {
  readonly clock: Clock
  readonly log: Log
  /** Path of the control socket, where there is one. */
  readonly socket: string
  /** Asks bfdd how all its neighbours are; rejects when it does not answer. */
  readonly ask: () => Promise<string>
}

/** Follows the neighbours of one bfdd. */
export class BfdWatch {
  readonly #parts: BfdWatchParts
  #states: ReadonlyMap<string, BfdState> | null = null // not known yet
  #listener: ((states: readonly BfdState[]) => void) | null = null
  #socket: Socket | null = null
  #timer: Timer | null = null
  #isLooking = false
  #told = 0 // changes that were heard: an answer may be older
  #answeredMs = 0
  #isClosed = false

  constructor(parts: BfdWatchParts) {
    this.#parts = parts
  }

  /** Begins to follow. */
  open(): void {
    this.#answeredMs = this.#parts.clock.now()
    void this.#look()
  }

  /** Calls with all that is known, and with all whenever it changes. */
  listen(listener: (states: readonly BfdState[]) => void): void {
    this.#listener = listener
    if (this.#states !== null) listener([...this.#states.values()])
  }

  /** What was known may not be so any more: asks now. */
  refresh(): void {
    this.#told++
    if (!this.#isLooking) void this.#look()
  }

  /** Says nothing more. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#socket?.destroy()
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#connect()
    const { ask, clock } = this.#parts
    const told = this.#told
    const states = await ask()
      .then(statesIn)
      .catch(() => null)
    this.#isLooking = false
    if (this.#isClosed) return
    if (states !== null) this.#answeredMs = clock.now()
    if (states !== null && told !== this.#told) return this.#look() // it may be older
    if (states !== null) this.#set(new Map(states.map(each => [each.address, each])))
    else if (clock.now() - this.#answeredMs > SILENCE_MS) this.#set(new Map())
    const isHeard = this.#socket !== null && states !== null
    this.#lookIn(isHeard ? SELDOM_MS : OFTEN_MS)
  }

  #lookIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(delayMs, () => void this.#look())
  }

  #connect(): void {
    if (this.#socket !== null) return
    const socket = connect(this.#parts.socket)
    const reader = new BfdReader()
    this.#socket = socket
    socket.on('connect', () => socket.write(subscription()))
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      this.#socket = null
      if (!this.#isClosed && !this.#isLooking) this.#lookIn(OFTEN_MS)
    })
    socket.on('data', data => {
      if (this.#isClosed) return
      try {
        for (const state of reader.push(data)) this.#hear(state)
      } catch (error) {
        this.#parts.log.warn({ err: error }, 'bfdd sent what is no notification')
        socket.destroy()
      }
    })
  }

  // Before all is known, one that is known is no news of the others.
  #hear(state: BfdState): void {
    this.#told++
    if (this.#states !== null) this.#set(new Map(this.#states).set(state.address, state))
  }

  #set(states: ReadonlyMap<string, BfdState>): void {
    const before = this.#states
    this.#states = states
    const all = [...states.values()]
    if (before === null || textOf([...before.values()]) !== textOf(all)) this.#listener?.(all)
  }
}

const textOf = (states: readonly BfdState[]): string =>
  JSON.stringify([...states].sort((a, b) => (a.address < b.address ? -1 : 1)))
