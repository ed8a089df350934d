// A packet's way through a host:
//   receive   a burst from the datapath: frames the kernel has no flow for, keys extracted
//   walk      through the virtual topology, from the port behind the interface
//   translate outputs to virtual ports into interfaces and tunnels
//   install   the flow the walk produced, so that later packets stay in the kernel
//   execute   the outcome on this packet
// One worker is one thread and one host.  Nothing here waits: what a walk lacks postpones the
// packet (postponed.ts), whoever brings it wakes the walk again.
// test/oracle/cache.test.ts and host.test.ts hold it.

import type { Clock } from '../../core/clock.ts'
import {
  Burst,
  type Datapath,
  DESCRIPTOR_WORDS,
  Descriptor,
  Reason
} from '../../datapath/datapath.ts'
import type { ActionList } from '../../flow/actions.ts'
import { WORDS } from '../../flow/key.ts'
import type { Tag } from '../../flow/tag.ts'
import { SimulationContext } from '../../simulation/context.ts'
import { simulateEgress } from '../../simulation/simulate.ts'
import { type Flow, FlowCache, type FlowUsed } from '../flows/flow-cache.ts'
import type { FlowState } from '../replication/flow-state.ts'
import { Conclusion } from './conclusion.ts'
import { Drops } from './drops.ts'
import { HeldPackets } from './held-packets.ts'
import { PostponedPackets } from './postponed.ts'
import { Revalidator, type Standing } from './revalidator.ts'
import { Arena, waitingPacketOf, waitingPacketOwn } from './waiting-packet.ts'
import type { WaitingPacket } from './waiting-room.ts'
import { type WorkerCounters, workerCounters } from './worker-counters.ts'
import type { WorkerParts } from './worker-parts.ts'

const BURSTS_PER_TURN = 16 // then messages and timers have their turn
const TURN_MS = 16 // or then: what packets wait for comes by messages
const GENERATED_MAX = 4096

/** Takes packets from the datapath, walks them and lets them leave. */
export class Worker {
  /** The context of every walk here. */
  readonly ctx: SimulationContext
  readonly cache: FlowCache
  /** Packets whose walk lacked something. */
  readonly postponed: PostponedPackets
  readonly #parts: WorkerParts
  readonly #burst: Burst
  readonly #datapath: Datapath
  readonly #revalidator: Revalidator
  readonly #clock: Clock
  readonly #drops: Drops
  readonly #counted: WorkerCounters
  readonly #arena = new Arena()
  readonly #state: FlowState
  readonly #held: HeldPackets
  readonly #conclusion: Conclusion
  readonly #generated: { frame: Uint8Array; port: string }[] = []
  #turning = false
  #scheduled = false

  constructor(parts: WorkerParts) {
    this.#parts = parts
    this.#burst = new Burst(parts.burstBytes)
    this.#datapath = parts.datapath
    this.#clock = parts.clock
    this.#state = parts.flowState
    this.ctx = new SimulationContext(parts.view, parts.flowState.access)
    this.#drops = new Drops(parts.counters, parts.datapath, this.ctx)
    this.ctx.puller = parts.flowState.asking
    const used: FlowUsed = (flow, links) => parts.flowState.use.used(links, flow)
    this.cache = new FlowCache(parts.datapath, used)
    this.postponed = new PostponedPackets(parts.counters, parts.clock, () => this.#schedule())
    this.#held = new HeldPackets(parts, this.cache, packet => this.postponed.again(packet))
    const { ctx, cache } = this
    const { early } = this.postponed
    this.#conclusion = new Conclusion({ ...parts, ctx, cache, early, drops: this.#drops })
    this.#revalidator = new Revalidator({
      ...parts,
      ...{ ctx, cache, conclusion: this.#conclusion, drops: this.#drops }
    })
    this.#counted = workerCounters(parts.counters, this.cache)
    this.#listen(parts)
  }

  #listen({ events }: WorkerParts): void {
    events.wake.on(cause => this.wake(cause))
    events.stale.on(tags => this.invalidate(tags))
    events.emit.on((frame, port) => this.emit(frame, port))
    events.outdate.on(tags => {
      this.#revalidator.outdate(tags)
      this.invalidate(tags)
    })
    events.lost.on(() => {
      this.#counted.stale.value += this.cache.removeStateful()
      this.#schedule()
    })
    // Everybody who should have the state of these packets has it, or is late.
    events.released.on(ticket => {
      this.#held.released(ticket)
      this.#schedule()
    })
  }

  /** Takes frames from now on. */
  start(): void {
    this.#datapath.onReadable(() => this.turn())
  }

  /** Stops permanently: later turns return at once. */
  stop(): void {
    this.#turning = true
    this.postponed.early.close()
  }

  // --- what devices and others ask for -----------------------------------------------------------

  /** A frame of an agent's or plugin's own making leaves by a port, after this burst. */
  emit(frame: Uint8Array, port: string): void {
    if (this.#generated.length >= GENERATED_MAX)
      return this.#drops.count('agent.generated-overflow')
    this.#generated.push({ frame, port })
    this.#schedule()
  }

  /** What packets waited for is there: they are walked again. */
  wake(waitingFor: string): void {
    this.postponed.wake(waitingFor)
  }

  /** Flows that carry these tags go, or are walked again first. */
  invalidate(tags: readonly Tag[]): void {
    this.#forget(tags)
    this.#schedule()
  }

  // --- the loop ----------------------------------------------------------------------------------

  /** Handles what is there, at most BURSTS_PER_TURN bursts. Gives the frames handled. */
  turn(): number {
    if (this.#turning) return 0
    this.#turning = true
    let [handled, count, bursts] = [0, 0, 0]
    const untilMs = this.#clock.now() + TURN_MS
    const isOutdated = this.#revalidator.renew(this.isReady)
    do {
      handled += this.#settle()
      // A packet that waits, waits for a message, which would wait for us.
      const isAlone = this.postponed.size + this.#held.size === 0
      count = this.#datapath.receive(this.#burst, isAlone)
      for (let i = 0; i < count; i++) this.#received(i)
      this.#flush()
      handled += count
    } while (count > 0 && ++bursts < BURSTS_PER_TURN && this.#clock.now() < untilMs)
    handled += this.#settle()
    this.#turning = false
    const isMore = count + this.#generated.length + this.postponed.woken > 0
    if (isOutdated || isMore) this.#schedule()
    return handled
  }

  #forget(tags: readonly Tag[]): void {
    for (const tag of tags) this.#counted.stale.value += this.cache.invalidate(tag)
  }

  #schedule(): void {
    if (this.#scheduled || this.#turning) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.turn()
    })
  }

  #flush(): void {
    this.#held.close(this.#state.flush())
    this.cache.flush()
    this.#datapath.flush()
  }

  // Frames of devices' own making, which leave by their ports, and frames that have waited.
  #settle(): number {
    const generated = this.#generated.splice(0)
    for (const { frame, port } of generated) this.#leave(frame, port)
    const woken = this.postponed.take(Burst.FRAMES_MAX)
    for (const waiting of woken) this.#again(waiting)
    this.#flush()
    return generated.length + woken.length
  }

  // --- one packet --------------------------------------------------------------------------------

  #received(i: number): void {
    const { descriptors, keys, view } = this.#burst
    const d = i * DESCRIPTOR_WORDS
    const at = descriptors[d + Descriptor.offset]!
    const end = at + descriptors[d + Descriptor.length]!
    const reason = descriptors[d + Descriptor.reason]!
    this.#counted.packets.value++
    const ifindex = descriptors[d + Descriptor.ifindex]!
    this.#conclusion.oversize.measure(view, at, end, descriptors[d + Descriptor.gsoSize]!, ifindex)
    const isMiss = reason === Reason.miss || reason === Reason.mtu
    const isJudged = this.#state.arrival.judges(this.cache, keys, i * WORDS, { view, at, end })
    const known = isMiss && !isJudged ? this.cache.flowFor(keys, i * WORDS) : 0
    const flow = this.cache.get(known)
    if (flow !== undefined && reason === Reason.miss && this.#conclusion.oversize.fits(flow.limits))
      return this.#missed(i, known, flow)
    const { ctx } = this
    ctx.key.load(keys, i * WORDS)
    ctx.begin(this.#clock.now(), view, at, end)
    ctx.outcome.cacheable = known === 0 // the flow of those that fit stands
    if (!this.#walk(ifindex)) return this.#wait(waitingPacketOf(this.#burst, i))
    const actions = this.#conclusion.actions()
    if (actions.count === 0) return
    this.#behind(known)
    const isPart =
      this.#conclusion.oversize.parts !== null || this.#held.holds(this.postponed.early.packet)
    if (this.#state.mustHold || ctx.quoteChanged || isPart)
      this.#send(waitingPacketOf(this.#burst, i, this.#arena), actions)
    else this.#datapath.execute(this.#burst, i, actions)
  }

  // It came before its flow was in place, or the datapath has lost that.
  #missed(i: number, id: number, { actions, dropped }: Flow): void {
    if (this.cache.isHeld(id))
      return this.#held.hold(waitingPacketOf(this.#burst, i, this.#arena), id, actions)
    this.cache.reinstall(id)
    if (dropped !== null) dropped.value++
    if (actions.count > 0) this.#datapath.execute(this.#burst, i, actions)
  }

  // What is too big for a flow that waits for its state waits with it.
  #behind(id: number): void {
    if (id === 0 || !this.cache.isHeld(id)) return
    this.#conclusion.flowId = id
    this.#state.mustHold = true
  }

  // A packet from the waiting room.
  #again(waiting: WaitingPacket): void {
    const { frame, key } = waiting
    // Another that waited for the same may have made a flow for it.
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    this.#conclusion.oversize.measure(view, 0, frame.length, waiting.gsoSize, waiting.ifindex)
    const isJudged = this.#state.arrival.judges(this.cache, key, 0, {
      view,
      at: 0,
      end: frame.length
    })
    const isKnown = waiting.port === '' && waiting.reason === 0 && !isJudged
    const known = isKnown ? this.cache.flowFor(key, 0) : 0
    const flow = this.cache.isHeld(known) ? undefined : this.cache.get(known)
    if (flow !== undefined && this.#conclusion.oversize.fits(flow.limits)) {
      if (flow.dropped !== null) flow.dropped.value++
      return this.#datapath.inject(frame, flow.actions, waiting.gsoSize)
    }
    const { ctx } = this
    ctx.key.load(key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    ctx.pulled = waiting.pulled === true
    ctx.fragments.isLate = waiting.isLate === true
    ctx.outcome.cacheable = flow === undefined
    const walked =
      waiting.port === ''
        ? this.#walk(waiting.ifindex)
        : this.#conclusion.concludes(simulateEgress(ctx, waiting.port))
    if (!walked) return this.#wait(waiting)
    const actions = this.#conclusion.actions()
    if (actions.count > 0) this.#send(waiting, actions)
  }

  #leave(frame: Uint8Array, port: string): void {
    const { ctx } = this
    const waiting = waitingPacketOwn(frame, port)
    if (waiting === null) return
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    ctx.key.load(waiting.key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    this.#conclusion.oversize.measure(view, 0, frame.length, 0, 0)
    if (!this.#conclusion.concludes(simulateEgress(ctx, port))) this.#wait(waiting)
    else if (this.#conclusion.egress.actions.count > 0)
      this.#send(waiting, this.#conclusion.egress.actions)
  }

  #send(waiting: WaitingPacket, actions: ActionList): void {
    const { quoteChanged } = this.ctx
    const hold = this.#state.mustHold ? this.#conclusion.flowId : null
    const { packet: group } = this.postponed.early
    const packet = { waiting, actions, quote: quoteChanged ? this.ctx.quote() : null, hold, group }
    this.#held.send(packet, this.#conclusion.oversize.parts)
  }

  // False: the packet must wait.
  #walk(ifindex: number): boolean {
    const startedMs = this.#clock.now()
    void this.ctx.key.inPort // every flow depends on where it came from
    const verdict = this.#parts.ingress.enter(this.ctx, ifindex)
    this.#counted.walkUs.observe((this.#clock.now() - startedMs) * 1000)
    return this.#conclusion.concludes(verdict)
  }

  /** Does today's topology and state still give a flow's outcome? */
  revalidate(id: number): Standing {
    return this.isReady ? this.#revalidator.revalidate(id) : 'unknown'
  }

  /** Writes what the flow that was revalidated last would leave.  False: there is no room. */
  takeUp(): boolean {
    return this.#state.takeUp(this.ctx)
  }

  /** Whether bindings are known, and the state an earlier agent left is here. */
  get isReady(): boolean {
    const { bindings, handover } = this.#parts
    return bindings.known && handover.settled
  }

  /** Whether what an earlier agent left in the datapath may be walked again. */
  get mayConfirm(): boolean {
    return this.#parts.bindings.known && this.#parts.handover.complete
  }

  // What the walk learned and asked before it was postponed holds all the same.
  #wait(waiting: WaitingPacket): void {
    this.#conclusion.tellLearned()
    this.postponed.add(waiting, this.ctx)
  }
}
