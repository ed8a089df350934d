// What becomes of a walk: outputs to virtual ports become interfaces and tunnels, the state it
// would write is written, its flow goes into the book, and what its devices learned and sent goes
// its way. Says what is to be done with the packet; the worker does it.
// test/oracle/cache.test.ts holds it.

import type { Counter, Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { ActionCache } from '../../flow/action-cache.ts'
import type { ActionList } from '../../flow/actions.ts'
import { Word } from '../../flow/key.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import type { Outcome } from '../../simulation/outcome.ts'
import { Verdict } from '../../simulation/verdict.ts'
import { WAIT_FOR_PULL } from '../../simulation/waits.ts'
import type { HostEvents } from '../events.ts'
import type { FlowCache, NewFlow } from '../flows/flow-cache.ts'
import { Egress } from '../ports/egress.ts'
import type { Ingress } from '../ports/ingress.ts'
import type { PortBindings } from '../ports/port-bindings.ts'
import type { FlowState } from '../replication/flow-state.ts'
import { type Drops, UNREACHABLE } from './drops.ts'
import type { EarlyFragments } from './early.ts'
import { Oversize } from './oversize.ts'

/** What a conclusion is made of. */
export interface ConclusionParts {
  /** Of the walks that are concluded. */
  readonly ctx: SimulationContext
  readonly cache: FlowCache
  /** Fragments that wait for their first. */
  readonly early: EarlyFragments
  readonly datapath: Datapath
  readonly bindings: PortBindings
  readonly drops: Drops
  readonly ingress: Ingress
  readonly flowState: FlowState
  readonly counters: Counters
  readonly events: HostEvents
}

/** What becomes of a walk: physical actions, state that is written, a flow. */
export class Conclusion {
  readonly egress: Egress
  readonly oversize: Oversize
  readonly #parts: ConclusionParts
  readonly #kept = new ActionCache()
  readonly #flowsMade: Counter
  #opened = false // the packet opened a connection
  /** The flow of the walk concluded last; 0: it has none. */
  flowId = 0

  constructor(parts: ConclusionParts) {
    this.#parts = parts
    this.egress = new Egress(parts.bindings)
    this.oversize = new Oversize(parts.datapath, () => parts.drops.count('agent.too-big'))
    this.#flowsMade = parts.counters.claim('flows.made', 'Flows made from walks')
  }

  /**
   * Concludes the walk in `ctx`, before `oversize` has to have measured its packet. False: the
   * packet must wait for `ctx.outcome.waitingFor`.
   */
  concludes(walked: Verdict): boolean {
    const { ctx, early, flowState, drops } = this.#parts
    this.flowId = 0
    this.#opened = flowState.mustHold = false
    if (early.lacks(ctx)) return false
    if (walked === Verdict.postpone) {
      if (ctx.outcome.waitingFor === WAIT_FOR_PULL) this.#pulls()
      return false
    }
    if (walked === Verdict.drop && this.#pulls()) return false
    const { egress } = this
    if (!egress.translate(ctx)) {
      ctx.outcome.waitingFor = egress.waitingFor
      return false
    }
    const verdict = walked === Verdict.forward ? this.#judge() : walked
    const outcome = flowState.conclude(ctx, verdict)
    if (outcome === Verdict.postpone) return false
    if (outcome !== walked) egress.actions.clear() // it must not leave
    if (egress.unreachable > 0) drops.count(UNREACHABLE)
    if (outcome === Verdict.drop) drops.count(ctx.outcome.dropReason)
    else this.#carryOut(ctx.outcome)
    this.tellLearned()
    this.#opened = ctx.isOpening && outcome === Verdict.forward
    if (ctx.outcome.cacheable && !this.#opened) this.#install()
    early.passed(ctx)
    return true
  }

  /**
   * What is to be done with the packet. If it opened a connection that a device asked about, the
   * packets after it are no longer new: their flow is that of a second walk.
   */
  actions(): ActionList {
    const { actions } = this.egress
    if (!this.#opened) return actions
    const kept = this.#kept.keep(actions)
    const { ctx, ingress, flowState } = this.#parts
    ctx.key.load(ctx.arrived.words, 0)
    ctx.begin(ctx.now, null, 0, 0)
    ctx.isLater = true
    void ctx.key.inPort
    const verdict = ingress.enter(ctx, ctx.key.words[Word.inPort]!)
    const done = verdict !== Verdict.postpone && this.egress.translate(ctx)
    if (!done || !ctx.outcome.cacheable || ctx.isOpening || ctx.state.pendingCount > 0) return kept
    if (flowState.prepare(ctx)) this.#install()
    return kept
  }

  /** What devices learned in the walk, and what they sent, holds though the packet may wait. */
  tellLearned(): void {
    const { ctx, events } = this.#parts
    if (ctx.outcome.stale.length > 0) events.stale(ctx.outcome.stale)
    for (const { frame, port } of ctx.outcome.emitted) events.emit(frame, port)
  }

  /** The flow of the walk in `ctx`. */
  flow(): NewFlow {
    const { actions, limits } = this.egress
    const { ctx, flowState, drops } = this.#parts
    const dropped = drops.ofFlow(actions)
    return { ...flowState.flow(ctx, this.#kept.keep(actions)), limits, dropped }
  }

  #carryOut({ counts, deliveries }: Outcome): void {
    for (const { by, of } of counts) by.count(of)
    for (const { frame, to } of deliveries) to.receive(frame)
  }

  // What is too big everywhere leaves nowhere, and no state; of smaller ones it says nothing.
  #judge(): Verdict {
    const { ctx } = this.#parts
    if (this.oversize.judge(ctx, this.egress)) return Verdict.forward
    ctx.outcome.cacheable = false
    return ctx.drop('agent.too-big')
  }

  // Other hosts are asked for what this walk did not find: the packet waits for their answer.
  #pulls(): boolean {
    const { ctx, flowState } = this.#parts
    const text = flowState.asking.pull(ctx)
    if (text !== '') ctx.outcome.waitingFor = text
    return text !== ''
  }

  #install(): void {
    const { ctx, cache, drops } = this.#parts
    this.flowId = cache.add(ctx.arrived.words, ctx.key.mask, this.flow())
    if (this.flowId === 0) drops.count('agent.flow-table-full')
    else this.#flowsMade.value++
  }
}
