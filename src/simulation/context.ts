// One packet's walk.  A device reads and edits `key`, then ends with one sentence:
// forward, flood, drop, reject, consume or postpone.  The context is reused; nothing in it
// outlives the visit but what `outcome` has copied.

import { ActionList, diff } from '../flow/actions.ts'
import { FlowKey, Word } from '../flow/key.ts'
import { rewrite } from '../flow/rewrite.ts'
import { stateTag, type Tag } from '../flow/tag.ts'
import { StateAccess } from '../state/access.ts'
import { NoState } from '../state/no-state.ts'
import { keyHash } from '../state/record.ts'
import type { RawFrame } from '../wire/frames.ts'
import type { Quoted } from '../wire/quoted.ts'
import { Branches } from './branches.ts'
import type { Emitted, Forwarder, Puller } from './company.ts'
import { Connection, type ConnectionState } from './connection.ts'
import type { Port, PortId, Topology } from './device.ts'
import { waitForDevice } from './device.ts'
import { FragmentMemory, type Whole } from './fragments.ts'
import { agentPort } from './local-delivery.ts'
import { Quotation } from './quotation.ts'
import { describeRecord } from './state-text.ts'
import type { Trace } from './trace.ts'

export const Verdict = {
  forward: 1,
  drop: 2,
  reject: 3,
  consume: 4,
  postpone: 5,
  branched: 6
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

// How long the outcome may be kept: `short` for drops that should be looked at again soon.
export const CachePolicy = { normal: 0, short: 1 } as const

const TAGS_MAX = 4096 // a flood tags every port it meets
const DEDUPE_MAX = 64 // looking for doubles in a flood's tags would be quadratic
const EMITTED_MAX = 64

// What a walk waits for that would rather ask other hosts than do without state.
export const WAIT_FOR_PULL = 'pull'

export class SimulationContext {
  readonly key = new FlowKey() // as devices left it
  readonly arrived = new FlowKey() // as the wire left it
  readonly #emittedKey = new FlowKey() // as the last output left it
  readonly #branches = new Branches()
  readonly state: StateAccess
  readonly #connection = new Connection()
  readonly fragments: FragmentMemory // of all walks of a worker
  readonly #quotation = new Quotation()

  topology: Topology
  now = 0 // milliseconds, Clock.now()
  inPort!: Port // where the packet entered the current device
  outPort: Port | null = null // where it is about to leave; null while flooding is undecided
  outPortId: PortId = ''
  entry: PortId = '' // where the packet came from outside; '' for one of a device's making
  entryPort: Port | null = null
  isOpening = false // somebody asked, and the packet opens a connection
  isLater = false // what is walked stands for the packets after it: a SYN is none any more
  refusedBy: Port | null = null // the last port, which would not let the packet out
  tracksAnswers = false // its answers, as it leaves, are to be known as such
  asksHost = false // a device's own word that wants an answer
  forwarder: Forwarder | null = null // the last router on the way
  puller: Puller | null = null
  pulled = false // other hosts have been asked for the state of this packet
  hops = 0
  chainDepth = 0
  cacheable = true
  generated = false // made by a device, not received
  keepsWay = false // of a known flow: it may stay with a gateway whose agent is gone
  passedOver = false // such a gateway was, for one whose agent is there
  dryRun = false // a trace: devices look, but learn nothing and ask nobody
  cachePolicy: number = CachePolicy.normal
  dropReason = ''
  waitingFor = ''
  ttlMin = 0 // what the packet's TTL must exceed for this outcome to hold
  readonly actions = new ActionList(64) // outputs name ports by number
  readonly outPorts: Port[] = [] // the ports of the outputs, in order
  readonly tags: Tag[] = [] // what this outcome depended on
  tagCount = 0
  readonly stale: Tag[] = [] // what this visit changed for others
  readonly emitted: Emitted[] = []
  readonly afterwards: (() => void)[] = []
  trace: Trace | null = null

  #view: DataView | null = null
  #at = 0
  #end = 0

  constructor(topology: Topology, state = new StateAccess(NoState), fragments?: FragmentMemory) {
    this.topology = topology
    this.state = state
    this.fragments = fragments ?? new FragmentMemory()
  }

  // Call after `key` has been filled.  `view` is null when only a key is walked (a flow checked
  // against today's topology); a device that needs the bytes then makes the outcome uncacheable.
  begin(now: number, view: DataView | null, at: number, end: number): void {
    this.arrived.copy(this.key)
    this.#view = view
    this.#at = at
    this.#end = end
    this.now = now
    this.generated = this.pulled = this.isLater = false
    this.restart()
  }

  restart(): void {
    this.key.copy(this.arrived)
    this.#emittedKey.copy(this.arrived)
    this.#branches.clear()
    this.hops = this.chainDepth = this.ttlMin = this.tagCount = 0
    this.cacheable = true
    this.cachePolicy = CachePolicy.normal
    this.dropReason = this.waitingFor = this.outPortId = this.entry = ''
    this.outPort = this.entryPort = this.refusedBy = this.forwarder = null
    this.isOpening = this.passedOver = this.tracksAnswers = this.asksHost = false
    this.#quotation.begin()
    this.state.begin()
    this.fragments.begin()
    this.#connection.begin()
    this.actions.clear()
    if (this.outPorts.length > 0) this.outPorts.length = 0
    if (this.stale.length > 0) this.stale.length = 0
    if (this.emitted.length > 0) this.emitted.length = 0
    if (this.afterwards.length > 0) this.afterwards.length = 0
  }

  // --- the sentences --------------------------------------------------------------------------

  forward(port: PortId): Verdict {
    this.outPortId = port
    return Verdict.forward
  }

  // To each port of the list but the one it came in by, which the devices' own rules may exclude.
  flood(ports: readonly PortId[]): Verdict {
    const from = this.inPort.id
    for (const port of ports) if (port !== from) this.#branch(port)
    return Verdict.branched
  }

  // `reason` is `room.why`; it is counted as drop.room.why.
  drop(reason: string, cachePolicy: number = CachePolicy.normal): Verdict {
    this.dropReason = reason
    if (cachePolicy > this.cachePolicy) this.cachePolicy = cachePolicy
    return Verdict.drop
  }

  // A filter's drop that the sender is told of, where the device can.
  reject(reason: string): Verdict {
    this.dropReason = reason
    this.cachePolicy = CachePolicy.short
    return Verdict.reject
  }

  // The device keeps the packet.  Whoever sends the like must be heard again, so no flow is kept.
  consume(): Verdict {
    this.cacheable = false
    return Verdict.consume
  }

  // `waitingFor` names what `Walks.wake` will be called with.
  postpone(waitingFor: string): Verdict {
    this.waitingFor = waitingFor
    return Verdict.postpone
  }

  // --- what a device may do besides --------------------------------------------------------------

  tag(tag: Tag): void {
    if (this.tagCount < DEDUPE_MAX && this.#tagged(tag)) return
    if (this.tagCount === TAGS_MAX) this.cacheable = false
    else this.tags[this.tagCount++] = tag
  }

  // A device has learned better: every flow that depended on `tag` must be walked again.  What
  // this walk has asked before, it asked of the old state; what it asks from now on is true.
  invalidate(tag: Tag): void {
    if (this.#tagged(tag)) this.cacheable = false
    this.stale.push(tag)
  }

  #tagged(tag: Tag): boolean {
    for (let i = 0; i < this.tagCount; i++) if (this.tags[i] === tag) return true
    return false
  }

  // To the agent of a host, for whoever waits there for what came to an address of a device.
  deliver(host: string): Verdict {
    this.#put(agentPort(host))
    if (this.trace !== null) this.trace.step(`send agent of host ${host}`)
    return Verdict.branched
  }

  // A frame of the device's own making; it leaves by `port`, after this visit, as a new visit.
  emit(frame: Uint8Array, port: PortId): void {
    if (this.emitted.length < EMITTED_MAX) this.emitted.push({ frame, port })
  }

  // Runs when the outcome stands, and is no drop: a packet may be walked several times, and is
  // counted once.
  after(run: () => void): void {
    if (this.afterwards.length < EMITTED_MAX) this.afterwards.push(run)
  }

  // --- flow state --------------------------------------------------------------------------------

  // Whether the packet goes against the direction in which its connection was opened.
  get isReturnFlow(): boolean {
    return this.#connection.isReturn(this)
  }

  // The same, of what somebody else has had written down: asking does not track the packet.
  get isKnownReturn(): boolean {
    return this.#connection.isKnownReturn(this)
  }

  // Somebody who filters this direction, or the other, by connections wants to know of it.
  track(): void {
    this.#connection.track(this)
  }

  // The filter of the last port does not let the packet out.
  refusedAt(port: Port): void {
    if (this.generated) return
    this.refusedBy = port
    this.#connection.refused(this, port.device)
  }

  get connectionState(): ConnectionState {
    return this.#connection.state(this)
  }

  // Looks a key up, for `state.record` and `state.isReturn`.  The outcome depends on it, also when
  // there is nothing: should it come later, from another host, the packet is walked again.
  findState(key: Int32Array): boolean {
    this.tag(stateTag(keyHash(key)))
    const found = this.state.find(key)
    if (this.trace !== null)
      this.trace.step(
        `     state ${found ? describeRecord(this.state.record, this.state.isReturn) : 'none'}`
      )
    return found
  }

  // Written when the packet leaves, and only then; other hosts have it before the packet does.
  putState(record: Int32Array): void {
    this.state.put(record)
    if (this.trace !== null) this.trace.step(`     state + ${describeRecord(record, false)}`)
  }

  // Whether other hosts may be asked for the state that was not found, by postponing for
  // WAIT_FOR_PULL.  Worth it for packets that cannot be the first of a connection.
  get mayPull(): boolean {
    return !this.pulled && !this.dryRun && this.puller?.canPull(this) === true
  }

  // The packet an ICMP error quotes, as devices have left it; null: this is none, or only a key is
  // walked.  Whoever changes it calls `requote`.
  quote(): Quoted | null {
    return this.#quotation.current(this)
  }

  quoteArrived(): Quoted | null {
    return this.#quotation.arrived(this)
  }

  // It is an ICMP error, and the state it met is of what that is about: it is no use of it.
  get isOnlyAbout(): boolean {
    return this.#quotation.isMet
  }

  requote(): void {
    this.#quotation.isChanged = true
  }

  get quoteChanged(): boolean {
    return this.#quotation.isChanged
  }

  // Asks of the packet as it arrived, whatever devices have made of it since.
  askArrived(word: number, bits: number): number {
    this.key.mark(word, bits)
    return this.arrived.words[word]! & bits
  }

  // Of the packet as it arrived; nothing is asked, so it may only be written down.
  get tcpFlagsUnseen(): number {
    return this.arrived.words[Word.l4Misc]! & 255
  }

  // A later fragment takes over what its first one said of transport.  False: that was not seen.
  adoptTransport(whole: Whole): boolean {
    if (!this.fragments.find(this.entryPort?.device, this.arrived.words, whole, this.now))
      return false
    for (const { words } of [this.arrived, this.key, this.#emittedKey])
      if (words[Word.l4Ports] === 0) this.fragments.adopt(words)
    return true
  }

  // Runs a chain.  Verdict.forward lets the packet pass.
  filter(chain: string | null): Verdict {
    if (chain === null) return Verdict.forward
    const device = this.topology.device('chain', chain)
    if (device === undefined) return this.postpone(waitForDevice('chain', chain))
    if (device === null) return this.drop('simulation.no-such-chain', CachePolicy.short)
    return device.process(this)
  }

  // One hop.  False when the TTL runs out here: such a packet never becomes a flow.
  decrementTtl(): boolean {
    if (!this.key.decrementTtl()) {
      this.cacheable = false
      return false
    }
    if (-this.key.ttlDelta > this.ttlMin) this.ttlMin = -this.key.ttlDelta
    return true
  }

  // The bytes as they arrived.  They are not in the key, so asking for them forbids a flow.
  // Undefined when only a key is walked.
  bytes(): RawFrame | undefined {
    this.cacheable = false
    return this.raw()
  }

  // The same, for whoever does not decide by them where packets go.
  raw(): RawFrame | undefined {
    if (this.#view === null) return undefined
    return { view: this.#view, at: this.#at, end: this.#end }
  }

  // A copy of the frame as it stands now, with every edit of the walk applied.
  frame(): Uint8Array | undefined {
    const raw = this.bytes()
    if (raw === undefined) return undefined
    const edits = new ActionList()
    diff(this.arrived, this.key, edits)
    const { view, at, end } = raw
    return rewrite(new Uint8Array(view.buffer, view.byteOffset + at, end - at), edits)
  }

  get length(): number {
    return this.#end - this.#at
  }

  // --- for the walk ---------------------------------------------------------------------------

  output(port: Port): void {
    this.#connection.leaves(this, port.device)
    this.fragments.leaves(port.device, this.key.words, this.now)
    this.#put(port)
  }

  #put(port: Port): void {
    diff(this.#emittedKey, this.key, this.actions)
    this.#emittedKey.copy(this.key)
    this.actions.output(port.number)
    this.outPorts.push(port)
  }

  #branch(port: PortId): void {
    if (!this.#branches.add(port, this.inPort, this.key, this.hops)) {
      this.dropReason = 'simulation.too-many-branches'
      this.cacheable = false
    }
  }

  // Takes up the next waiting branch: restores its key and says where it leaves.
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
