// A packet's way through the house:
//   receive   a burst from the datapath: frames the kernel has no flow for, keys extracted
//   walk      through the virtual topology, from the port behind the interface
//   translate outputs to virtual ports into interfaces and tunnels
//   install   the flow the walk produced, so that later packets stay in the kernel
//   execute   the outcome on this packet
// One worker is one thread and one host.  Nothing here waits: what a walk lacks postpones the
// packet (waiting.ts), and whoever brings it wakes the walk again.

import type { Clock } from '../core/clock.ts'
import type { Counter, Counters, Histogram } from '../core/counters.ts'
import { Burst, type Datapath, DESCRIPTOR_WORDS, Descriptor, Reason } from '../datapath/datapath.ts'
import { ActionCache } from '../flow/action-cache.ts'
import type { ActionList } from '../flow/actions.ts'
import { extract } from '../flow/extract.ts'
import { WORDS, Word } from '../flow/key.ts'
import type { Tag } from '../flow/tag.ts'
import { Lifetime, SimulationContext, Verdict } from '../simulation/context.ts'
import { simulate, simulateEgress } from '../simulation/simulate.ts'
import type { Walks } from '../simulation/walks.ts'
import type { TopologyView } from '../topology/view.ts'
import { FlowBook } from './book.ts'
import { tooBig } from './mtu.ts'
import { interfaceTag, type Places, strayTag, WAIT_FOR_BINDINGS } from './places.ts'
import { Translator } from './translate.ts'
import { senderTag, WAIT_FOR_SENDERS } from './tunnels.ts'
import { type Parked, WaitingRoom } from './waiting.ts'

const BURSTS_PER_TURN = 16 // then messages and timers have their turn
const GENERATED_MAX = 4096
const FLOW_STATE_KEY = 0xffffff
const WALK_US = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000]

interface Generated {
  readonly frame: Uint8Array
  readonly port: string
}

export interface WorkerParts {
  readonly datapath: Datapath
  readonly view: TopologyView
  readonly places: Places
  readonly clock: Clock
  readonly counters: Counters
  readonly burstBytes?: number | undefined
}

export class Worker implements Walks {
  readonly ctx: SimulationContext
  readonly book: FlowBook
  readonly waiting: WaitingRoom
  readonly #burst: Burst
  readonly #datapath: Datapath
  readonly #places: Places
  readonly #translator: Translator
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #packets: Counter
  readonly #flowsMade: Counter
  readonly #stale: Counter
  readonly #walkUs: Histogram
  readonly #kept = new ActionCache()
  readonly #generated: Generated[] = []
  readonly #woken: Parked[] = []
  #turning = false
  #scheduled = false

  constructor(parts: WorkerParts) {
    this.#burst = new Burst(parts.burstBytes)
    this.#datapath = parts.datapath
    this.#places = parts.places
    this.#clock = parts.clock
    this.#counters = parts.counters
    this.ctx = new SimulationContext(parts.view)
    this.book = new FlowBook(parts.datapath)
    this.waiting = new WaitingRoom(parts.counters)
    this.#translator = new Translator(parts.places)
    this.#packets = parts.counters.claim('packets.walked', 'Packets that came up and were walked')
    this.#flowsMade = parts.counters.claim('flows.made', 'Flows made from walks')
    this.#stale = parts.counters.claim('flows.stale', 'Flows removed because a tag went stale')
    this.#walkUs = parts.counters.histogram('walk.us', WALK_US, 'Time of a walk, microseconds')
    parts.counters.gauge('flows.live', () => this.book.size, 'Flows in the book')
    parts.counters.gauge('flows.masks', () => this.book.table.masks, 'Different masks of flows')
  }

  start(): void {
    this.#datapath.onReadable(() => this.turn())
  }

  get knowsPlaces(): boolean {
    return this.#places.known
  }

  // --- Walks: what devices and the topology ask for ----------------------------------------------

  emit(frame: Uint8Array, port: string): void {
    if (this.#generated.length >= GENERATED_MAX) return this.#dropped('agent.generated-overflow')
    this.#generated.push({ frame, port })
    this.#schedule()
  }

  wake(waitingFor: string): void {
    const woken = this.waiting.wake(waitingFor)
    if (woken.length === 0) return
    for (const parked of woken) this.#woken.push(parked)
    this.#schedule()
  }

  invalidate(tags: readonly Tag[]): void {
    this.#forget(tags)
    this.#schedule()
  }

  // --- the loop ----------------------------------------------------------------------------------

  // Handles what is there, at most BURSTS_PER_TURN bursts.  Gives the frames handled.
  turn(): number {
    if (this.#turning) return 0
    this.#turning = true
    let handled = 0
    let count = 0
    let bursts = 0
    do {
      handled += this.#settle()
      count = this.#datapath.receive(this.#burst)
      for (let i = 0; i < count; i++) this.#received(i)
      this.#flush()
      handled += count
    } while (count > 0 && ++bursts < BURSTS_PER_TURN)
    handled += this.#settle()
    this.#turning = false
    if (count > 0 || this.#generated.length > 0 || this.#woken.length > 0) this.#schedule()
    return handled
  }

  #forget(tags: readonly Tag[]): void {
    for (const tag of tags) this.#stale.value += this.book.invalidate(tag)
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
    this.book.flush()
    this.#datapath.flush()
  }

  // Frames of our own making and frames that have waited, one round of each.
  #settle(): number {
    const generated = this.#generated.splice(0)
    for (const { frame, port } of generated) this.#leave(frame, port)
    const woken = this.#woken.splice(0)
    for (const parked of woken) this.#again(parked)
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
    this.#packets.value++
    if (reason === Reason.mtu) return this.#tooBig(i, view, at, end)
    const known = reason === Reason.miss ? this.book.table.find(keys, i * WORDS) : 0
    if (known !== 0 && this.#ttlSuffices(known, keys, i * WORDS)) {
      // It missed before its flow was in place, or the datapath has lost the flow.
      this.book.reinstall(known)
      const { actions } = this.book.get(known)!
      if (actions.count > 0) this.#datapath.execute(this.#burst, i, actions)
      return
    }
    const { ctx } = this
    ctx.key.load(keys, i * WORDS)
    ctx.begin(this.#clock.now(), view, at, end)
    if (this.#walk(descriptors[d + Descriptor.ifindex]!)) {
      if (this.#translator.actions.count > 0)
        this.#datapath.execute(this.#burst, i, this.#translator.actions)
    } else this.#park(this.#parked(i))
  }

  // A packet from the waiting room.
  #again(parked: Parked): void {
    const { frame, key } = parked
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const { ctx } = this
    ctx.key.load(key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    const walked =
      parked.port === '' ? this.#walk(parked.ifindex) : this.#walkGenerated(parked.port)
    if (!walked) this.#park(parked)
    else if (this.#translator.actions.count > 0)
      this.#datapath.inject(frame, this.#translator.actions, parked.gsoSize)
  }

  // A frame of a device's own making leaves by one of its ports.
  #leave(frame: Uint8Array, port: string): void {
    const { ctx } = this
    const key = new Int32Array(WORDS)
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    if (!extract(key, 0, 0, 0, 0, view, 0, frame.length)) return
    ctx.key.load(key, 0)
    ctx.begin(this.#clock.now(), view, 0, frame.length)
    if (this.#walkGenerated(port)) {
      if (this.#translator.actions.count > 0) this.#datapath.inject(frame, this.#translator.actions)
    } else
      this.#park({ frame, key, ifindex: 0, reason: Reason.miss, gsoSize: 0, port, deadline: 0 })
  }

  // --- the walk and its outcome ------------------------------------------------------------------

  // False: the packet must wait.  True: the translator holds what is to be done with it.
  #walk(ifindex: number): boolean {
    const { ctx } = this
    const startedMs = this.#clock.now()
    void ctx.key.inPort // every flow depends on where it came from
    const verdict = this.#enter(ifindex)
    this.#walkUs.observe((this.#clock.now() - startedMs) * 1000)
    return this.#concluded(verdict)
  }

  #walkGenerated(port: string): boolean {
    return this.#concluded(simulateEgress(this.ctx, port))
  }

  // A key of 0 does not make a frame of the underlay one of an interface: the flow would take
  // everything that comes in there.
  #enter(ifindex: number): Verdict {
    return this.#places.isUnderlay(ifindex) ? this.#fromTunnel() : this.#fromInterface(ifindex)
  }

  #fromInterface(ifindex: number): Verdict {
    const port = this.#places.entry(ifindex)
    this.ctx.tag(interfaceTag(ifindex))
    if (port === undefined) return this.ctx.drop('agent.unbound-interface', Lifetime.short)
    return simulate(this.ctx, port.id)
  }

  // The ingress host has done the walk; a tunnelled frame only needs its last step.
  #fromTunnel(): Verdict {
    const { ctx } = this
    const number = ctx.key.tunnelKey
    const sender = ctx.key.tunnelSrc
    const isSender = this.#places.isSender(sender)
    if (isSender === undefined) return ctx.postpone(WAIT_FOR_SENDERS)
    ctx.tag(senderTag(sender))
    if (!isSender) return ctx.drop('agent.stranger', Lifetime.short)
    if (number === FLOW_STATE_KEY) return ctx.drop('agent.flow-state', Lifetime.short)
    const port = this.#places.numbered(number)
    if (port === undefined && !this.#places.known) return ctx.postpone(WAIT_FOR_BINDINGS)
    if (port === undefined) {
      ctx.tag(strayTag(number))
      return ctx.drop('agent.stray-tunnel', Lifetime.short)
    }
    ctx.output(port)
    return Verdict.forward
  }

  #concluded(verdict: Verdict): boolean {
    const { ctx } = this
    if (verdict === Verdict.postpone) return false
    const translator = this.#translator
    if (!translator.translate(ctx)) {
      ctx.waitingFor = translator.waitingFor
      return false
    }
    if (translator.unreachable > 0) this.#dropped('agent.unreachable-port')
    if (verdict === Verdict.drop) this.#dropped(ctx.dropReason)
    this.#forget(ctx.stale)
    for (const { frame, port } of ctx.emitted) this.emit(frame, port)
    if (ctx.cacheable) this.#install(translator.actions)
    return true
  }

  #install(actions: ActionList): void {
    const { ctx } = this
    const { tags, tagCount, ttlMin, lifetime, now } = ctx
    const kept = this.#kept.keep(actions)
    const flow = { actions: kept, ttlMin, lifetime, tags, tagCount, now }
    const id = this.book.add(ctx.arrived.words, ctx.key.mask, flow)
    if (id === 0) this.#dropped('agent.flow-table-full')
    else this.#flowsMade.value++
  }

  // Walks a flow's own key again: does today's topology still give the same outcome?  undefined:
  // it cannot be said yet.  Used for adopted flows and for flows that have grown old.
  recheck(id: number): boolean | undefined {
    const flow = this.book.get(id)
    if (flow === undefined) return true
    if (!this.#places.known) return undefined
    const { ctx } = this
    const mask = this.book.table.mask(id)
    ctx.key.load(this.book.table.key(id), 0)
    if ((mask[Word.ipMisc]! & 0xff00) === 0) ctx.key.words[Word.ipMisc]! |= 0xff00
    ctx.begin(this.#clock.now(), null, 0, 0)
    void ctx.key.inPort
    const verdict = this.#enter(ctx.key.words[Word.inPort]!)
    if (verdict === Verdict.postpone || !this.#translator.translate(ctx)) return undefined
    let wider = 0
    for (let i = 0; i < WORDS; i++) wider |= ctx.key.mask[i]! & ~mask[i]!
    if (!ctx.cacheable || wider !== 0 || ctx.ttlMin !== flow.ttlMin) return false
    if (!this.#translator.actions.equals(flow.actions)) return false
    this.#forget(ctx.stale) // may take this very flow, by the tags it had
    if (this.book.get(id) !== flow) return true
    this.book.retag(id, ctx.tags, ctx.tagCount)
    flow.checkedMs = ctx.now
    return true
  }

  #ttlSuffices(id: number, words: Int32Array, o: number): boolean {
    const { ttlMin } = this.book.get(id)!
    return ttlMin === 0 || ((words[o + Word.ipMisc]! >>> 8) & 255) > ttlMin
  }

  #tooBig(i: number, view: DataView, at: number, end: number): void {
    const d = i * DESCRIPTOR_WORDS
    const mtu = this.#burst.descriptors[d + Descriptor.arg]!
    const ifindex = this.#burst.descriptors[d + Descriptor.ifindex]!
    const id = this.book.table.find(this.#burst.keys, i * WORDS)
    const actions = this.book.get(id)?.actions
    if (!tooBig(this.#datapath, { view, at, end, mtu, ifindex, actions }))
      this.#dropped('agent.too-big')
  }

  // --- waiting -----------------------------------------------------------------------------------

  #parked(i: number): Parked {
    const { descriptors, bytes, keys } = this.#burst
    const d = i * DESCRIPTOR_WORDS
    const at = descriptors[d + Descriptor.offset]!
    return {
      frame: bytes.slice(at, at + descriptors[d + Descriptor.length]!),
      key: keys.slice(i * WORDS, i * WORDS + WORDS),
      ifindex: descriptors[d + Descriptor.ifindex]!,
      reason: descriptors[d + Descriptor.reason]!,
      gsoSize: descriptors[d + Descriptor.gsoSize]!,
      port: '',
      deadline: 0
    }
  }

  // What the walk learned and asked before it was postponed holds all the same.
  #park(parked: Parked): void {
    const { ctx } = this
    this.#forget(ctx.stale)
    for (const { frame, port } of ctx.emitted) this.emit(frame, port)
    this.waiting.park(ctx.waitingFor, parked, ctx.now)
  }

  #dropped(reason: string): void {
    this.#counters.claim(`drop.${reason}`).value++
  }
}
