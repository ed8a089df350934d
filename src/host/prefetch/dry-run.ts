// A port that has just been bound is about to speak, and the first thing it says is a broadcast:
// who has my gateway? That walk is done here once, without a packet, for each device with a port
// bound, so that what it needs (its device, those linked to it, the ways to the hosts of its other
// ports) is there and the code is warm when the real packet comes. Measured: the first packet after
// a start took 25 to 35 ms without, most of it a chain of loads, each of which had to ask the
// store. The same is done with packets that are to be expected (prefetcher.ts). A dry run sends
// nothing, and devices learn nothing from it; nothing that a packet of this port would not ask for
// is loaded.

import type { Clock } from '../../core/clock.ts'
import { extract } from '../../flow/extract.ts'
import { WORDS } from '../../flow/key.ts'
import { SimulationContext } from '../../simulation/context.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import { simulate } from '../../simulation/simulate.ts'
import { Verdict } from '../../simulation/verdict.ts'
import type { StateAccess } from '../../state/access.ts'
import type { TopologyView } from '../../topology/view.ts'
import { arpRequest, type Frame, neighbourSolicitation } from '../../wire/frames.ts'
import type { HostEvents } from '../events.ts'
import { Egress } from '../ports/egress.ts'
import type { PortBindings } from '../ports/port-bindings.ts'
import type { ReplicationTargets } from '../replication/targets.ts'
import { isForInterface, isForNeighbour } from '../waits.ts'

// Nobody's address, asking for nobody's: a probe from an unspecified sender (RFC 5227 §2.1.1).
const PROBE_MAC = 0x02_4d_5a_00_00_01
const LINK_LOCAL = Int32Array.of(0xfe800000 | 0, 0, 0x004d5aff, 0xfe000001 | 0)
const probes: readonly Frame[] = [
  arpRequest(PROBE_MAC, 0, 0),
  neighbourSolicitation(PROBE_MAC, new Int32Array(4), LINK_LOCAL)
]

interface Walk {
  readonly port: PortId
  readonly frame: Frame
  readonly isFirst: boolean // a probe, of a port just bound
  readonly sinceMs: number
  cause: string // what it waits for; '' for nothing yet
}

/** What dry runs are made of. */
export interface DryRunParts {
  readonly view: TopologyView
  readonly bindings: PortBindings
  readonly clock: Clock
  /** The state that they read; nothing is written. */
  readonly state: StateAccess
  readonly targets: ReplicationTargets
  readonly events: HostEvents
}

const WAIT_MS_MAX = 1000
const NEW = ''
const WAITING_MAX = 1024

/** Walks without packets, so that what real ones need is here. */
export class DryRun {
  readonly #ctx: SimulationContext
  readonly #egress: Egress
  readonly #clock: Clock
  readonly #key = new Int32Array(WORDS)
  readonly #tried = new Set<string>() // devices
  readonly #waiting = new Set<Walk>()
  #come = new Set<string>() // what has come since the last look
  #scheduled = false

  readonly #targets: ReplicationTargets
  readonly #events: HostEvents

  constructor(parts: DryRunParts) {
    const { view, bindings, clock, state, targets, events } = parts
    this.#events = events
    this.#ctx = new SimulationContext(view, state)
    this.#ctx.dryRun = true
    this.#targets = targets
    this.#egress = new Egress(bindings)
    this.#clock = clock
    events.portComing.on(port => this.#bound(port))
    events.wake.on(cause => this.#again(cause))
  }

  /** Ports whose first walk still lacks something. */
  get size(): number {
    return [...this.#waiting].filter(({ isFirst }) => isFirst).length
  }

  #bound({ id, device }: Port): void {
    if (this.#tried.has(device)) return
    this.#tried.add(device)
    for (const probe of probes) this.#add(id, probe, true)
  }

  /** A frame that may come in by a port, of a connection that others have told of. */
  expect(port: PortId, frame: Frame): void {
    this.#add(port, frame, false)
  }

  /** Whether a walk from this port still lacks something. */
  isBusyAt(port: PortId): boolean {
    const until = this.#clock.now() - WAIT_MS_MAX
    for (const walk of this.#waiting) if (walk.port === port && walk.sinceMs >= until) return true
    return false
  }

  // Something that walks wait for has come.
  #again(cause: string): void {
    if (this.#waiting.size === 0) return
    this.#come.add(cause)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => this.#goOn())
  }

  #goOn(): void {
    this.#scheduled = false
    const come = this.#come
    this.#come = new Set()
    const before = this.#waiting.size
    const until = this.#clock.now() - WAIT_MS_MAX
    for (const walk of this.#waiting) {
      const isOver = walk.sinceMs < until || (come.has(walk.cause) && this.#walk(walk))
      if (isOver) this.#waiting.delete(walk)
    }
    // Ports need not wait for these any longer.
    if (this.#waiting.size < before) this.#events.bindingsChanged()
  }

  #add(port: PortId, frame: Frame, isFirst: boolean): void {
    if (this.#waiting.size >= WAITING_MAX) return
    this.#waiting.add({ port, frame, isFirst, sinceMs: this.#clock.now(), cause: NEW })
    this.#again(NEW)
  }

  // Whether nothing was missing.
  #walk(walk: Walk): boolean {
    const { port, frame } = walk
    const ctx = this.#ctx
    const view = new DataView(frame.buffer)
    extract(this.#key, 0, 0, 0, 0, view, 0, frame.length)
    ctx.key.load(this.#key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    const verdict = simulate(ctx, port)
    walk.cause = ctx.outcome.waitingFor
    if (verdict === Verdict.postpone) return isForNeighbour(walk.cause)
    if (!this.#egress.translate(ctx)) {
      walk.cause = this.#egress.waitingFor
      // Two ports that are about to be activated must not wait for each other.
      return isForInterface(walk.cause)
    }
    if (verdict !== Verdict.forward || ctx.state.refCount === 0) return true
    const isKnown = this.#targets.of(ctx.entryPort, ctx.outcome.outPorts) !== undefined
    if (!isKnown) walk.cause = this.#targets.waitingFor
    return isKnown
  }
}
