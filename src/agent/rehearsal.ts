// A port that has just been bound is about to speak, and the first thing it says is a broadcast:
// who has my gateway?  That walk is rehearsed here once for each device with a port bound, so that
// what it needs (the bridge, the routers at it, the ways to the hosts of its other ports) is there
// and the code is warm when the real packet comes.  Measured: the first packet after a start took
// 25 to 35 ms without, most of it a chain of loads, each of which had to ask the store.
// A rehearsal sends nothing, and devices learn nothing from it; nothing that a packet of this
// port would not ask for is loaded.

import type { Clock } from '../core/clock.ts'
import { extract } from '../flow/extract.ts'
import { WORDS } from '../flow/key.ts'
import { SimulationContext, Verdict } from '../simulation/context.ts'
import type { Port } from '../simulation/device.ts'
import { simulate } from '../simulation/simulate.ts'
import type { TopologyView } from '../topology/view.ts'
import { arpRequest, type Frame, neighbourSolicitation } from '../wire/frames.ts'
import type { Places } from './places.ts'
import { Translator } from './translate.ts'

// Nobody's address, asking for nobody's: a probe from an unspecified sender (RFC 5227 §2.1.1).
const PROBE_MAC = 0x02_4d_5a_00_00_01
const LINK_LOCAL = Int32Array.of(0xfe800000 | 0, 0, 0x004d5aff, 0xfe000001 | 0)
const probes: readonly Frame[] = [
  arpRequest(PROBE_MAC, 0, 0),
  neighbourSolicitation(PROBE_MAC, new Int32Array(4), LINK_LOCAL)
]

const TRIES_MAX = 32 // each load may name more to load
const WAITING_MAX = 1024

export class Rehearsal {
  readonly #ctx: SimulationContext
  readonly #translator: Translator
  readonly #clock: Clock
  readonly #key = new Int32Array(WORDS)
  readonly #rehearsed = new Set<string>() // devices
  readonly #waiting = new Map<string, number>() // port → tries so far
  #scheduled = false

  constructor(view: TopologyView, places: Places, clock: Clock) {
    this.#ctx = new SimulationContext(view)
    this.#ctx.rehearsal = true
    this.#translator = new Translator(places)
    this.#clock = clock
  }

  // Ports whose first walk still lacks something.
  get size(): number {
    return this.#waiting.size
  }

  bound({ id, device }: Port): void {
    if (this.#rehearsed.has(device) || this.#waiting.size >= WAITING_MAX) return
    this.#rehearsed.add(device)
    this.#waiting.set(id, 0)
    this.again()
  }

  // Something that walks wait for has come.
  again(): void {
    if (this.#scheduled || this.#waiting.size === 0) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      for (const [port, tries] of this.#waiting) this.#try(port, tries)
    })
  }

  #try(port: string, tries: number): void {
    const ready = probes.every(probe => this.#walk(port, probe))
    if (ready || tries >= TRIES_MAX) this.#waiting.delete(port)
    else this.#waiting.set(port, tries + 1)
  }

  #walk(port: string, frame: Frame): boolean {
    const ctx = this.#ctx
    const view = new DataView(frame.buffer)
    extract(this.#key, 0, 0, 0, 0, view, 0, frame.length)
    ctx.key.load(this.#key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    if (simulate(ctx, port) === Verdict.postpone) return false
    return this.#translator.translate(ctx)
  }
}
