// A port is not activated before the state of its flows is here: what this host kept itself, what
// the host before it had, what the others in its group know.  Whoever does not answer within the
// bound is not waited for.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { HostEvents } from '../events.ts'
import type { MovedState } from './moved-state.ts'
import type { Peers } from './peers.ts'

/** What this is made of. */
export interface PortHandoverParts {
  /** Whom to ask for a port's state. */
  readonly peers: Pick<Peers, 'settled' | 'ready' | 'ask' | 'asked' | 'give'>
  readonly clock: Clock
  readonly counters: Counters
  /** Asks the store for what was kept about a port; `loaded` is called with it. null: no store. */
  readonly load: ((port: number) => void) | null
  /** Whether this host may have been here before: then others are asked, and the store. */
  readonly recover: boolean
  readonly events: HostEvents
  /** Told of ports, by number, that were on another host before. */
  readonly movedState: Pick<MovedState, 'came'>
}

const WAIT_MS_MAX = 3000
const PREVIOUS_MS = 150 // the host before is asked first, then all
const STORE = '' // as a source
const ASK_MAX = 256 // ports in one question
// An agent that begins: what it loads is what an earlier one knew, not what came with a port.
const BEGINNING_MS = 60_000
const FIRST_LOAD_MS = 500 // after which a beginning agent has begun to load, or has no ports
const QUESTIONS_MAX = 1024 // of others, that wait for what is loaded

interface Waiting {
  readonly previous: string | undefined // the host it was on
  readonly sources: Set<string> // hosts, or STORE
  late: Timer | null // for those who are asked when the first does not answer
  readonly patience: Timer
  asked: boolean
}

/** Holds a port's activation until the state of its flows is here. */
export class PortHandover {
  readonly #parts: PortHandoverParts
  readonly #waiting = new Map<number, Waiting>()
  readonly #ready = new Set<number>()
  readonly #asks = new Map<string, number[]>() // host → ports, for one question
  readonly #late: Counter
  readonly #begunMs: number
  #hasLoaded = false
  #everLoaded = false
  readonly #questions: (() => void)[] = []
  readonly #timers: readonly Timer[]

  constructor(parts: PortHandoverParts) {
    this.#parts = parts
    this.#begunMs = parts.clock.now()
    const moments = this.#keeps ? [FIRST_LOAD_MS, WAIT_MS_MAX] : []
    this.#timers = moments.map(ms => parts.clock.after(ms, () => this.#answer()))
    const { peers, events } = parts
    events.peerLeft.on(host => this.#left(host))
    events.given.on((host, ports) => this.#given(host, ports))
    events.asked.on((word, ports) => this.#whenRecollected(() => peers.asked(word, ports)))
    this.#late = parts.counters.claim('state.ports-late', 'Ports activated before their state came')
  }

  /** Whether everything waited for is here, of ports asked for so far. */
  get settled(): boolean {
    return this.#waiting.size === 0
  }

  /** Whether a port may be activated.  The first question makes sure that it soon may. */
  ready(port: number, previousHost: string | undefined): boolean {
    if (this.#ready.has(port)) return true
    if (this.#waiting.has(port)) return false
    const { recover, load, peers, clock } = this.#parts
    if (!recover && previousHost === undefined) {
      this.#ready.add(port)
      return true
    }
    const patience = clock.after(WAIT_MS_MAX, () => this.#giveUp(port))
    const waiting: Waiting = {
      previous: previousHost,
      sources: new Set(),
      patience,
      late: null,
      asked: false
    }
    this.#waiting.set(port, waiting)
    if (load !== null) {
      waiting.sources.add(STORE)
      load(port)
    }
    peers.settled(() => this.#ask(port, waiting))
    return !this.#waiting.has(port)
  }

  /** The port is no longer bound here: should it come back, all begins anew. */
  gone(port: number): void {
    this.#ready.delete(port)
    this.#end(port)
  }

  /**
   * Calls once what an earlier agent kept of our ports is here, 3 s after the beginning at most:
   * whoever asks us before would take it for nothing, as when all agents begin at once.
   */
  #whenRecollected(then: () => void): void {
    if (this.#isRecollected || this.#questions.length === QUESTIONS_MAX) then()
    else this.#questions.push(then)
  }

  /** Waits for no answer any more. */
  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#questions.length = 0
    for (const port of [...this.#waiting.keys()]) this.#end(port)
  }

  /** The store has given what it has of this port (its number). */
  loaded(port: number): void {
    this.#hasLoaded = this.#everLoaded = true
    this.#came(port, STORE)
    this.#answer()
  }

  #given(host: string, ports: readonly number[]): void {
    for (const port of ports) this.#came(port, host)
  }

  // The host before knows all of it.  When it is dead, or does not answer, those of the port's
  // group know as much.
  #ask(port: number, waiting: Waiting): void {
    if (this.#waiting.get(port) !== waiting) return
    const { peers, clock } = this.#parts
    const { previous } = waiting
    const ready = peers.ready()
    waiting.asked = true
    if (previous === undefined || !ready.includes(previous)) this.#askOf(ready, port, waiting)
    else {
      this.#askOf([previous], port, waiting)
      waiting.late = clock.after(PREVIOUS_MS, () => this.#askOthers(port, waiting))
    }
    this.#look(port, waiting)
  }

  #askOthers(port: number, waiting: Waiting): void {
    const { previous } = waiting
    if (this.#waiting.get(port) !== waiting || previous === undefined) return
    if (!waiting.sources.has(previous)) return
    const others = this.#parts.peers.ready().filter(host => host !== previous)
    this.#askOf(others, port, waiting)
  }

  #askOf(peers: readonly string[], port: number, waiting: Waiting): void {
    for (const host of peers) {
      waiting.sources.add(host)
      const ports = this.#asks.get(host)
      if (ports !== undefined) ports.push(port)
      else this.#asks.set(host, [port])
    }
    if (peers.length > 0) this.#parts.clock.soon(() => this.#sendAsks())
  }

  /** The agent of a host has gone: what was asked of it will not come. */
  #left(host: string): void {
    for (const [port, waiting] of [...this.#waiting]) {
      if (!waiting.sources.has(host)) continue
      if (waiting.previous === host) this.#askOthers(port, waiting)
      this.#came(port, host)
    }
  }

  // Hundreds of ports are bound together at a start: the others look through their tables once.
  #sendAsks(): void {
    for (const [host, ports] of this.#asks)
      for (let at = 0; at < ports.length; at += ASK_MAX)
        this.#parts.peers.ask(host, ports.slice(at, at + ASK_MAX))
    this.#asks.clear()
  }

  #came(port: number, source: string): void {
    const waiting = this.#waiting.get(port)
    if (waiting === undefined) return
    waiting.sources.delete(source)
    this.#look(port, waiting)
  }

  #look(port: number, waiting: Waiting): void {
    if (waiting.asked && waiting.sources.size === 0) this.#activate(port)
  }

  #giveUp(port: number): void {
    this.#late.value++
    this.#activate(port)
  }

  #activate(port: number): void {
    const hasMoved = this.#waiting.get(port)?.previous !== undefined
    this.#end(port)
    this.#ready.add(port)
    if (hasMoved) this.#parts.movedState.came(port)
    if (this.#waiting.size === 0) this.#recovered()
    this.#parts.events.portReady(port)
  }

  get #keeps(): boolean {
    return this.#parts.recover && this.#parts.load !== null
  }

  get #isRecollected(): boolean {
    const ageMs = this.#parts.clock.now() - this.#begunMs
    if (!this.#keeps || ageMs >= WAIT_MS_MAX) return true
    if ([...this.#waiting.values()].some(({ sources }) => sources.has(STORE))) return false
    return this.#everLoaded || ageMs >= FIRST_LOAD_MS
  }

  #answer(): void {
    if (this.#questions.length > 0 && this.#isRecollected)
      for (const then of this.#questions.splice(0)) then()
  }

  // Others were given what was here when the session began, which may have been before.
  #recovered(): void {
    const { peers, clock } = this.#parts
    const isBeginning = clock.now() - this.#begunMs < BEGINNING_MS
    if (this.#hasLoaded && isBeginning) for (const host of peers.ready()) peers.give(host)
    this.#hasLoaded = false
  }

  #end(port: number): void {
    const waiting = this.#waiting.get(port)
    waiting?.patience.cancel()
    waiting?.late?.cancel()
    this.#waiting.delete(port)
  }
}
