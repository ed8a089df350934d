// A port is not activated before the state of its flows is here: what this host kept itself, what
// the host before it had, what the others in its group know.  Another host is waited for 3 s, our
// own store until it has answered: a walk without what it holds would translate connections anew,
// or drop them, and no later answer mends what their ends have heard by then.  What an earlier
// agent left in the kernel is not walked again before the others have answered as well.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { HostEvents } from '../events.ts'
import type { MovedState } from './moved-state.ts'
import type { Peers } from './peers.ts'

/** What `PortHandover` is given. */
export interface PortHandoverParts {
  /** Whom to ask for a port's state. */
  readonly peers: Pick<Peers, 'settled' | 'ready' | 'ask' | 'asked' | 'give' | 'hostOf'>
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
const SETTLE_MS_MAX = 30_000 // for all of it; a store bounds its answers, but a machine may be slow
const PREVIOUS_MS = 150 // the host before is asked first, then all
const ASK_MAX = 256 // ports in one question
// An agent that begins: what it loads is what an earlier one knew, not what came with a port.
const BEGINNING_MS = 60_000
// Hosts that are started together may be up so long after each other.
const STARTING_MS = 600_000
const FIRST_LOAD_MS = 500 // after which a beginning agent has begun to load, or has no ports
const QUESTIONS_MAX = 1024 // of others, that wait for what is loaded

interface Waiting {
  readonly previous: string | undefined // the host it was on
  readonly sources: Set<string> // hosts that were asked
  late: Timer | null // for those who are asked when the first does not answer
  readonly timers: readonly Timer[]
  asked: boolean
  isLate: boolean // other hosts are not waited for any more
}

/** Holds a port's activation until the state of its flows is here. */
export class PortHandover {
  readonly #parts: PortHandoverParts
  readonly #waiting = new Map<number, Waiting>()
  readonly #loading = new Set<number>() // of those that wait: the store has not answered
  readonly #ready = new Set<number>()
  readonly #dead = new Set<string>() // hosts whose kernels do not answer
  readonly #away = new Set<string>() // hosts whose kernels answer, until an agent has joined
  readonly #asks = new Map<string, Set<number>>() // host → ports, for one question
  readonly #lateCount: Counter
  #concerning: ReadonlySet<number> = new Set()
  readonly #begunMs: number
  #hasLoaded = false
  #everLoaded = false
  readonly #questions: (() => void)[] = []
  readonly #timers: readonly Timer[]

  constructor(parts: PortHandoverParts) {
    this.#parts = parts
    this.#begunMs = parts.clock.now()
    const moments = this.#keeps ? [FIRST_LOAD_MS, SETTLE_MS_MAX] : []
    this.#timers = moments.map(ms => parts.clock.after(ms, () => this.#answer()))
    const { peers, events } = parts
    events.peerLeft.on(host => this.#left(host))
    events.peer.on((host, isAlive) => this.#answers(host, isAlive))
    events.agentAway.on((host, isAway) => isAway && this.#leaves(host))
    events.given.on((host, ports) => this.#given(host, ports))
    events.joined.on(word => this.#joined(peers.hostOf(word)))
    events.asked.on((word, ports) => this.#whenRecollected(() => peers.asked(word, ports)))
    this.#lateCount = parts.counters.claim(
      'state.ports-late',
      'Ports whose state had not come after 3 s'
    )
  }

  /** Whether no port waits any longer to be activated. */
  get settled(): boolean {
    for (const port of this.#waiting.keys()) if (!this.#ready.has(port)) return false
    return true
  }

  /**
   * Whether everything asked for is here, also from hosts whose agents begin at the same time: what
   * an earlier agent left in the kernel may be walked again.
   */
  get complete(): boolean {
    if (this.#waiting.size > 0) return false
    return this.#away.size === 0 || !this.#mayExpect
  }

  // Whether agents that began as we did may be on their way.
  get #mayExpect(): boolean {
    return this.#parts.recover && this.#ageMs < SETTLE_MS_MAX
  }

  /** Whether a port may be activated.  The first question makes sure that it soon may. */
  ready(port: number, previousHost: string | undefined): boolean {
    if (this.#ready.has(port)) return true
    if (this.#waiting.has(port)) return false
    const { recover, load, peers } = this.#parts
    if (!recover && previousHost === undefined) {
      this.#ready.add(port)
      return true
    }
    const waiting = this.#wait(port, previousHost)
    if (load !== null) {
      this.#loading.add(port)
      load(port)
    }
    peers.settled(() => this.#ask(port, waiting))
    return this.#ready.has(port)
  }

  #wait(port: number, previous: string | undefined): Waiting {
    const { clock } = this.#parts
    const waiting: Waiting = {
      previous,
      sources: new Set(),
      timers: [
        clock.after(WAIT_MS_MAX, () => this.#late(port, waiting)),
        clock.after(SETTLE_MS_MAX, () => this.#finish(port, waiting))
      ],
      late: null,
      asked: false,
      isLate: false
    }
    this.#waiting.set(port, waiting)
    return waiting
  }

  /** The port is no longer bound here: should it come back, all begins anew. */
  gone(port: number): void {
    this.#ready.delete(port)
    this.#end(port)
  }

  /**
   * Calls once what an earlier agent kept of our ports is here, or 30 s after the beginning:
   * whoever asks us before would take it for nothing, as when all agents begin at once.
   */
  #whenRecollected(then: () => void): void {
    if (this.#isRecollected || this.#questions.length === QUESTIONS_MAX) then()
    else this.#questions.push(then)
  }

  /** Stops permanently: no answer is waited for. */
  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#questions.length = 0
    for (const port of [...this.#waiting.keys()]) this.#end(port)
  }

  /** The store has given what it has of this port (its number). */
  loaded(port: number): void {
    this.#hasLoaded = this.#everLoaded = true
    const waiting = this.#waiting.get(port)
    this.#loading.delete(port)
    if (waiting !== undefined) this.#look(port, waiting)
    this.#recovered()
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
    this.#recovered()
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
      this.#askFor(port, host)
    }
  }

  #askFor(port: number, host: string): void {
    if (this.#asks.size === 0) this.#parts.clock.soon(() => this.#sendAsks())
    const ports = this.#asks.get(host)
    if (ports !== undefined) ports.add(port)
    else this.#asks.set(host, new Set([port]))
  }

  /**
   * Ports whose flows concern this host, bound here or in a stateful group with one that is.  While
   * hosts are being started nobody may know yet whom it has to tell of them: we ask.
   */
  concern(ports: ReadonlySet<number>): void {
    for (const port of [...this.#ready, ...this.#waiting.keys()])
      if (!ports.has(port)) this.gone(port)
    const fresh = [...ports].filter(port => !this.#concerning.has(port) && !this.#knows(port))
    this.#concerning = ports
    if (!this.#isStarting) return
    for (const host of this.#parts.peers.ready()) for (const port of fresh) this.#askFor(port, host)
  }

  #knows(port: number): boolean {
    return this.#ready.has(port) || this.#waiting.has(port)
  }

  /**
   * A session with an agent that begins. What its host was asked before went with the one before
   * it. While hosts are being started it may have kept what nobody else has; and one that began as
   * we did, a little later, has its store by itself to tell from.
   */
  #joined(host: string | undefined): void {
    if (host === undefined || !this.#parts.peers.ready().includes(host)) return // gone again
    const isExpected = this.#away.delete(host) && this.#mayExpect
    for (const [port, waiting] of this.#waiting)
      if (waiting.asked && (this.#isStarting || waiting.sources.has(host)))
        this.#askOf([host], port, waiting)
    if (!this.#isStarting) return
    for (const port of new Set([...this.#ready, ...this.#concerning])) {
      if (this.#waiting.has(port)) continue
      if (isExpected && this.#ready.has(port)) this.#expect(host, port)
      else this.#askFor(port, host)
    }
  }

  // The port stays active; what is in the kernel waits for the answer.
  #expect(host: string, port: number): void {
    const waiting = this.#wait(port, undefined)
    waiting.asked = true
    this.#askOf([host], port, waiting)
  }

  get #isStarting(): boolean {
    return this.#parts.recover && this.#ageMs < STARTING_MS
  }

  /** The agent of a host has gone: what was asked of it will not come. */
  #left(host: string): void {
    for (const [port, waiting] of [...this.#waiting]) {
      if (!waiting.sources.has(host)) continue
      if (waiting.previous === host) this.#askOthers(port, waiting)
      this.#came(port, host)
    }
  }

  #answers(host: string, isAlive: boolean): void {
    if (isAlive) this.#dead.delete(host)
    else this.#dead.add(host)
    if (!isAlive) this.#away.delete(host)
  }

  #leaves(host: string): void {
    if (!this.#dead.has(host)) this.#away.add(host)
  }

  // Hundreds of ports are bound together at a start: the others look through their tables once.
  #sendAsks(): void {
    for (const [host, asked] of this.#asks) {
      const ports = [...asked]
      for (let at = 0; at < ports.length; at += ASK_MAX)
        this.#parts.peers.ask(host, ports.slice(at, at + ASK_MAX))
    }
    this.#asks.clear()
  }

  #came(port: number, source: string): void {
    const waiting = this.#waiting.get(port)
    if (waiting === undefined) return
    waiting.sources.delete(source)
    this.#look(port, waiting)
  }

  #look(port: number, waiting: Waiting): void {
    if (this.#loading.has(port)) return
    if (waiting.asked && waiting.sources.size === 0) this.#finish(port, waiting)
    else if (waiting.isLate) this.#activate(port, waiting)
  }

  // Everything has come, or will not.
  #finish(port: number, waiting: Waiting): void {
    this.#end(port)
    if (this.#waiting.size === 0) this.#recovered()
    this.#activate(port, waiting)
  }

  #late(port: number, waiting: Waiting): void {
    waiting.isLate = true
    if (!this.#ready.has(port)) this.#lateCount.value++
    this.#look(port, waiting)
  }

  #activate(port: number, { previous }: Waiting): void {
    if (this.#ready.has(port)) return
    this.#ready.add(port)
    if (previous !== undefined) this.#parts.movedState.came(port)
    this.#parts.events.portReady(port)
  }

  get #ageMs(): number {
    return this.#parts.clock.now() - this.#begunMs
  }

  get #keeps(): boolean {
    return this.#parts.recover && this.#parts.load !== null
  }

  get #isRecollected(): boolean {
    if (!this.#keeps || this.#ageMs >= SETTLE_MS_MAX) return true
    if (this.#loading.size > 0) return false
    return this.#everLoaded || this.#ageMs >= FIRST_LOAD_MS
  }

  #answer(): void {
    if (this.#questions.length > 0 && this.#isRecollected)
      for (const then of this.#questions.splice(0)) then()
  }

  // Others were given what was here when the session began, which may have been before. They are
  // given what our store had as soon as it is here, and all of it once the others' is, too.
  #recovered(): void {
    const isPartial = this.#loading.size > 0 || [...this.#waiting.values()].some(w => !w.asked)
    if (!this.#hasLoaded || isPartial) return
    if (this.#waiting.size === 0) this.#hasLoaded = false
    const { peers } = this.#parts
    if (this.#ageMs < BEGINNING_MS) for (const host of peers.ready()) peers.give(host)
  }

  #end(port: number): void {
    const waiting = this.#waiting.get(port)
    for (const timer of waiting?.timers ?? []) timer.cancel()
    waiting?.late?.cancel()
    this.#waiting.delete(port)
    this.#loading.delete(port)
  }
}
