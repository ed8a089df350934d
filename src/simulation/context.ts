// One packet's walk.  A device reads and edits `key`, then ends with one sentence:
// forward, flood, drop, reject, consume or postpone.  The context is reused; what leaves the visit
// is in `outcome`. simulate.test.ts holds it.

import { ActionList, diff } from '../flow/actions.ts'
import { FlowKey, Word } from '../flow/key.ts'
import { rewrite } from '../flow/rewrite.ts'
import { stateTag, type Tag } from '../flow/tag.ts'
import { StateAccess } from '../state/access.ts'
import type { RawFrame } from '../wire/frames.ts'
import type { Quoted } from '../wire/quoted.ts'
import { Branches } from './branches.ts'
import { Connection, type ConnectionState } from './connection.ts'
import type { Forwarder, Port, PortId, Puller, Topology } from './device.ts'
import { FragmentMemory, type Whole } from './fragments.ts'
import { agentPort } from './local-delivery.ts'
import { type Countable, type FrameReceiver, Outcome } from './outcome.ts'
import { Quotation } from './quotation.ts'
import { describeRecord } from './state-text.ts'
import type { Trace } from './trace.ts'
import { CachePolicy, Verdict } from './verdict.ts'
import { WAIT_FOR_FIRST, waitForDevice } from './waits.ts'

/** One walk of one packet: its key, what devices ask and say, what it comes to. */
export class SimulationContext {
  /** What the walk leaves. */
  readonly outcome = new Outcome()
  /** As devices left it. */
  readonly key = new FlowKey()
  /** As the wire left it. */
  readonly arrived = new FlowKey()
  readonly #emittedKey = new FlowKey() // as the last output left it
  readonly #branches = new Branches()
  /** The flow state it has met, and would write. */
  readonly state: StateAccess
  readonly #connection = new Connection()
  /** Of all walks of a worker. */
  readonly fragments: FragmentMemory
  readonly #quotation = new Quotation()

  topology: Topology
  /** Milliseconds, Clock.now(). */
  now = 0
  /** Where the packet entered the current device. */
  inPort!: Port
  /** Where it is about to leave; null while flooding is undecided. */
  outPort: Port | null = null
  /** Where the device sent it; '' before it did. */
  outPortId: PortId = ''
  /** Where the packet came from outside; '' for one of a device's making. */
  entry: PortId = ''
  /** The port where it entered the virtual topology. */
  entryPort: Port | null = null
  /** Somebody asked, and the packet opens a connection. */
  isOpening = false
  /** What is walked stands for the packets after it: a SYN is none any more. */
  isLater = false
  /** The last port, which would not let the packet out. */
  refusedBy: Port | null = null
  /** Its answers, as it leaves, are to be known as such. */
  tracksAnswers = false
  /** A device's own word that wants an answer. */
  asksHost = false
  /** The last router on the way. */
  forwarder: Forwarder | null = null
  puller: Puller | null = null
  /** Other hosts have been asked for the state of this packet. */
  pulled = false
  /** Devices it has met. */
  hops = 0
  /** Made by a device, not received. */
  generated = false
  /** Of a known flow: it may stay with a gateway whose agent is gone. */
  keepsWay = false
  /** Such a gateway was, for one whose agent is there. */
  passedOver = false
  /** A trace: devices look, but learn nothing and ask nobody. */
  dryRun = false
  trace: Trace | null = null

  #view: DataView | null = null
  #at = 0
  #end = 0

  constructor(topology: Topology, state = new StateAccess(), fragments?: FragmentMemory) {
    this.topology = topology
    this.state = state
    this.fragments = fragments ?? new FragmentMemory()
  }

  /**
   * Call after `key` has been filled. `view` is null when only a key is walked (a flow checked
   * against today's topology); a device that needs the bytes then makes the outcome uncacheable.
   */
  begin(now: number, view: DataView | null, at: number, end: number): void {
    this.arrived.copy(this.key)
    this.#view = view
    this.#at = at
    this.#end = end
    this.now = now
    this.generated = this.pulled = this.isLater = false
    this.restart()
  }

  /** Begins the walk again, as the packet came. */
  restart(): void {
    this.key.copy(this.arrived)
    this.#emittedKey.copy(this.arrived)
    this.#branches.clear()
    this.hops = 0
    this.outPortId = this.entry = ''
    this.outPort = this.entryPort = this.refusedBy = this.forwarder = null
    this.isOpening = this.passedOver = this.tracksAnswers = this.asksHost = false
    this.#quotation.begin()
    this.state.begin()
    this.fragments.begin()
    this.#connection.begin()
    this.outcome.begin()
  }

  // --- the sentences --------------------------------------------------------------------------

  /** The verdict of a device that sends it out by this port. */
  forward(port: PortId): Verdict {
    this.outPortId = port
    return Verdict.forward
  }

  /**
   * To each port of the list but the one it came in by, which the devices' own rules may exclude.
   */
  flood(ports: readonly PortId[]): Verdict {
    const from = this.inPort.id
    for (const port of ports) if (port !== from) this.#branch(port)
    return Verdict.branched
  }

  /** `reason` is `room.why`; it is counted as drop.room.why. */
  drop(reason: string, cachePolicy: number = CachePolicy.normal): Verdict {
    this.outcome.drop(reason, cachePolicy)
    return Verdict.drop
  }

  /** A filter's drop that the sender is told of, where the device can. */
  reject(reason: string): Verdict {
    this.outcome.drop(reason, CachePolicy.short)
    return Verdict.reject
  }

  /** The device keeps the packet. Whoever sends the like must be heard again: no flow is kept. */
  consume(): Verdict {
    this.outcome.cacheable = false
    return Verdict.consume
  }

  /** `waitingFor` names what `Walks.wake` will be called with. */
  postpone(waitingFor: string): Verdict {
    this.outcome.waitingFor = waitingFor
    return Verdict.postpone
  }

  // --- what a device may do besides --------------------------------------------------------------

  /** The outcome depends on this: a change of it makes the flow stale. */
  tag(tag: Tag): void {
    this.outcome.tag(tag)
  }

  /** A device has learned better: every flow that depended on `tag` must be walked again. */
  invalidate(tag: Tag): void {
    this.outcome.invalidate(tag)
  }

  /** To the agent of a host, for whoever waits there for what came to an address of a device. */
  deliver(host: string): Verdict {
    this.#put(agentPort(host))
    if (this.trace !== null) this.trace.step(`send agent of host ${host}`)
    return Verdict.branched
  }

  /** A frame of the device's own making; it leaves by `port`, after this visit, as a new visit. */
  emit(frame: Uint8Array, port: PortId): void {
    this.outcome.emit(frame, port)
  }

  /**
   * Counts when the outcome stands, and is no drop: a packet may be walked several times, and is
   * counted once. `of` says of what, where `by` counts several things.
   */
  count(by: Countable, of = 0): void {
    this.outcome.count(by, of)
  }

  /** Gives a frame to somebody on this host, as the above counts: once, when the outcome stands. */
  hand(frame: Uint8Array, to: FrameReceiver): void {
    this.outcome.deliver(frame, to)
  }

  // --- flow state --------------------------------------------------------------------------------

  /** Whether the packet goes against the direction in which its connection was opened. */
  get isReturnFlow(): boolean {
    return this.#connection.isReturn(this)
  }

  /** The same, of what somebody else has had written down: asking does not track the packet. */
  get isKnownReturn(): boolean {
    return this.#connection.isKnownReturn(this)
  }

  /** Somebody who filters this direction, or the other, by connections wants to know of it. */
  track(): void {
    this.#connection.track(this)
  }

  /** The filter of the last port does not let the packet out. */
  refusedAt(port: Port): void {
    if (this.generated) return
    this.refusedBy = port
    this.#connection.refused(this, port.device)
  }

  /** What the packet is to the connections that are known. */
  get connectionState(): ConnectionState {
    return this.#connection.state(this)
  }

  /**
   * Looks a key up, for `state.record` and `state.isReturn`. The outcome depends on it, also when
   * there is nothing: should it come later, from another host, the packet is walked again.
   */
  findState(key: Int32Array): boolean {
    this.tag(stateTag(this.state.hashOf(key)))
    const found = this.state.find(key)
    if (this.trace !== null)
      this.trace.step(
        `     state ${found ? this.#told(this.state.record, this.state.isReturn) : 'none'}`
      )
    return found
  }

  /** Written when the packet leaves, and only then; other hosts have it before the packet does. */
  putState(record: Int32Array): void {
    this.state.put(record)
    if (this.trace !== null) this.trace.step(`     state + ${this.#told(record, false)}`)
  }

  #told(record: Int32Array, isReturn: boolean): string {
    return describeRecord(this.state.kinds, record, isReturn)
  }

  /**
   * Whether other hosts may be asked for the state that was not found, by postponing for
   * WAIT_FOR_PULL. Worth it for packets that cannot be the first of a connection.
   */
  get mayPull(): boolean {
    return !this.pulled && !this.dryRun && this.puller?.canPull(this) === true
  }

  /**
   * The packet an ICMP error quotes, as devices have left it; null: this is none, or only a key is
   * walked. Whoever changes it calls `requote`.
   */
  quote(): Quoted | null {
    return this.#quotation.current(this)
  }

  /** What the ICMP error quoted when it came; null: it is none. */
  quoteArrived(): Quoted | null {
    return this.#quotation.arrived(this)
  }

  /** It is an ICMP error, and the state it met is of what that is about: it is no use of it. */
  get isOnlyAbout(): boolean {
    return this.#quotation.isMet
  }

  /** The quoted packet was changed: it is to be written again. */
  requote(): void {
    this.#quotation.isChanged = true
  }

  /** Whether it was. */
  get quoteChanged(): boolean {
    return this.#quotation.isChanged
  }

  /** Asks of the packet as it arrived, whatever devices have made of it since. */
  askArrived(word: number, bits: number): number {
    this.key.mark(word, bits)
    return this.arrived.words[word]! & bits
  }

  /** Of the packet as it arrived; nothing is asked, so it may only be written down. */
  get tcpFlagsUnseen(): number {
    return this.arrived.words[Word.l4Misc]! & 255
  }

  /** A later fragment takes over what its first one said of transport. False: that was not seen. */
  adoptTransport(whole: Whole): boolean {
    if (!this.fragments.find(this.entryPort?.device, this.arrived.words, whole, this.now))
      return false
    for (const { words } of [this.arrived, this.key, this.#emittedKey])
      if (words[Word.l4Ports] === 0) this.fragments.adopt(words)
    return true
  }

  /** Runs the packet through a filter. Verdict.forward lets it pass. */
  filter(id: string | null): Verdict {
    if (id === null) return Verdict.forward
    const { topology } = this
    const device = topology.device(topology.filterKind, id)
    if (device === undefined) return this.postpone(waitForDevice(topology.filterKind, id))
    if (device === null) return this.drop('simulation.no-such-filter', CachePolicy.short)
    return this.ofWhole(device.process(this))
  }

  /** What somebody made of the packet. What was guessed for want of its first fragment, waits. */
  ofWhole(verdict: Verdict): Verdict {
    return this.fragments.isLacking && !this.dryRun ? this.postpone(WAIT_FOR_FIRST) : verdict
  }

  /** One hop. False when the TTL runs out here: such a packet never becomes a flow. */
  decrementTtl(): boolean {
    if (!this.key.decrementTtl()) {
      this.outcome.cacheable = false
      return false
    }
    if (-this.key.ttlDelta > this.outcome.ttlMin) this.outcome.ttlMin = -this.key.ttlDelta
    return true
  }

  /**
   * The bytes as they arrived. They are not in the key, so asking for them forbids a flow.
   * Undefined when only a key is walked.
   */
  bytes(): RawFrame | undefined {
    this.outcome.cacheable = false
    return this.raw()
  }

  /** The same, for whoever does not decide by them where packets go. */
  raw(): RawFrame | undefined {
    return this.#view === null ? undefined : { view: this.#view, at: this.#at, end: this.#end }
  }

  /** A copy of the frame as it stands now, with every edit of the walk applied. */
  frame(): Uint8Array | undefined {
    const raw = this.bytes()
    if (raw === undefined) return undefined
    const edits = new ActionList()
    diff(this.arrived, this.key, edits)
    const { view, at, end } = raw
    return rewrite(new Uint8Array(view.buffer, view.byteOffset + at, end - at), edits)
  }

  /** Bytes of the frame. */
  get length(): number {
    return this.#end - this.#at
  }

  // --- for the walk ---------------------------------------------------------------------------

  /** The packet leaves the virtual topology by this port. */
  output(port: Port): void {
    this.#connection.leaves(this, port.device)
    this.fragments.leaves(port.device, this.key.words, this.now)
    this.#put(port)
  }

  #put(port: Port): void {
    diff(this.#emittedKey, this.key, this.outcome.actions)
    this.#emittedKey.copy(this.key)
    this.outcome.actions.output(port.number)
    this.outcome.outPorts.push(port)
  }

  #branch(port: PortId): void {
    if (!this.#branches.add(port, this.inPort, this.key, this.hops)) {
      this.outcome.dropReason = 'simulation.too-many-branches'
      this.outcome.cacheable = false
    }
  }

  /** Takes up the next waiting branch: restores its key and says where it leaves. */
  nextBranch(): boolean {
    const branch = this.#branches.next()
    if (branch === undefined) return false
    const { key } = this
    key.words.set(branch.key.words)
    key.written.set(branch.key.written)
    key.ttlDelta = branch.key.ttlDelta
    this.inPort = branch.inPort
    this.outPortId = branch.port
    this.outPort = null
    this.hops = branch.hops
    return true
  }
}
