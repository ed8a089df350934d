// A datapath without a kernel: the flow table and the action interpreter in TypeScript, for tests
// and for machines without root.  It behaves as the kernel does: a hit never comes up, a miss
// comes up once per packet, bounded by its port's credits.

import { fail } from '../../core/errors.ts'
import { type ActionList, ActionType } from '../../flow/actions.ts'
import { extract } from '../../flow/extract.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { FrameEditor } from '../../flow/rewrite.ts'
import { exceeds, measure } from '../../flow/size.ts'
import { FlowTable } from '../../flow/table.ts'
import { further, nextOf } from '../../flow/tcp-stream.ts'
import * as tcp from '../../wire/tcp.ts'
import {
  Burst,
  type Datapath,
  type DatapathLimits,
  DESCRIPTOR_WORDS,
  Descriptor,
  type FlowBatch,
  type PhysicalPort,
  PortClass,
  Reason,
  SHARED_CREDITS,
  type StatsBatch
} from '../datapath.ts'
import { readActions, type StoredFlow } from './memory-flow.ts'

/** Where frames leave. Addresses are int32. */
export interface MemoryWire {
  /** A frame leaves by an interface. */
  output(ifindex: number, frame: Uint8Array): void
  /** A frame leaves by a tunnel. */
  tunnel(to: TunnelHeader, frame: Uint8Array): void
}
/** What is outside of a tunnel's frame. */
export interface TunnelHeader {
  /** TunnelKind. */
  readonly kind: number
  /** VXLAN's VNI, or GRE's key. */
  readonly key: number
  /** Underlay IPv4 of the receiver, int32. */
  readonly remote: number
  /** Underlay IPv4 of the sender, int32. */
  readonly local: number
}

/** What a memory datapath is made of. */
export interface MemoryOptions extends Partial<DatapathLimits> {
  /** Clock.now(). */
  readonly now: () => number
}

interface Upcall {
  readonly frame: Uint8Array
  readonly ifindex: number
  readonly key: Int32Array
  readonly reason: number
  readonly arg: number
}

/** A datapath without a kernel, for tests and for machines without root. */
export class MemoryDatapath implements Datapath {
  readonly kind = 'memory'
  readonly limits: DatapathLimits
  readonly #wire: MemoryWire
  readonly #now: () => number
  readonly #ports = new Map<number, { port: PhysicalPort; credits: number }>()
  readonly #table: FlowTable
  readonly #flows = new Map<number, StoredFlow>() // by the table's id
  readonly #byId = new Map<number, number>() // the caller's id → the table's
  readonly #ended = new Map<number, StoredFlow>() // by the caller's id: removed since an install
  readonly #upcalls: Upcall[] = []
  readonly #owed: number[] = [] // ifindexes whose credits the next receive gives back
  readonly #out: Array<{ frame: Uint8Array; actions: ActionList }> = []
  readonly #key = new Int32Array(WORDS)
  readonly #size = { size: 0, tags: 0 }
  readonly #counters = {
    rx: 0,
    hits: 0,
    misses: 0,
    upcalls: 0,
    'no-credit': 0,
    'packet-out': 0,
    errors: 0
  }
  #fire: (() => void) | null = null

  constructor(wire: MemoryWire, options: MemoryOptions) {
    this.limits = {
      flowsMax: options.flowsMax ?? 65536,
      creditsPerPort: options.creditsPerPort ?? 1024
    }
    this.#wire = wire
    this.#now = options.now
    this.#table = new FlowTable(this.limits.flowsMax)
  }

  attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    this.attach(port)
    done(true)
  }

  attach(port: PhysicalPort): void {
    const shared = port.portClass === PortClass.vm ? 1 : SHARED_CREDITS
    const most = this.limits.creditsPerPort * shared
    const credits = this.#ports.get(port.ifindex)?.credits ?? most
    this.#ports.set(port.ifindex, { port, credits })
  }

  detach(ifindex: number): void {
    this.#ports.delete(ifindex)
  }

  /** Throws UNAVAILABLE: there is no namespace beside it. */
  punt(): never {
    throw fail('UNAVAILABLE', { what: 'punt', reason: 'the memory datapath has no namespaces' })
  }

  /** Does nothing: probes are the kernel's. */
  setPeers(): void {}

  /** Does nothing: no earlier agent can have left programs in memory. */
  detachOthers(): void {}

  /** A frame arrives on an interface, or from a tunnel on the underlay interface. */
  input(ifindex: number, frame: Uint8Array, tunnel?: { key: number; src: number }): void {
    const at = this.#ports.get(ifindex)
    if (at === undefined) return
    const key = this.#key
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const { length } = frame
    if (!extract(key, 0, ifindex, tunnel?.key ?? 0, tunnel?.src ?? 0, view, 0, length)) {
      this.#counters.errors++
      return
    }
    this.#counters.rx++
    const id = this.#table.find(key, 0)
    if (id === 0) {
      this.#counters.misses++
      return this.#upcall(at, frame, key, Reason.miss, 0)
    }
    const flow = this.#flows.get(id)!
    const ttl = (key[Word.ipMisc]! >>> 8) & 255
    if (flow.ttlMin > 0 && ttl <= flow.ttlMin) return this.#upcall(at, frame, key, Reason.ttl, 0)
    const tcpFlags = key[Word.l4Misc]! & 255
    if (flow.stateful && isJudged(tcpFlags)) return this.#upcall(at, frame, key, Reason.syn, 0)
    if (exceeds(measure(this.#size, view, 0, length, 0), flow.limits))
      return this.#upcall(at, frame, key, Reason.mtu, 0)
    this.#counters.hits++
    flow.packets++
    flow.bytes += length
    if (flow.stateful) flow.tcpFlags |= tcpFlags
    if (flow.stateful) flow.tcpNext = further(flow.tcpNext, nextOf(view, 0, length))
    flow.usedMs = this.#now()
    this.#run(frame, flow.actions)
  }

  receive(burst: Burst): number {
    for (const ifindex of this.#owed) {
      const at = this.#ports.get(ifindex)
      if (at !== undefined) at.credits++
    }
    this.#owed.length = 0
    burst.count = 0
    let offset = 0
    while (burst.count < Burst.FRAMES_MAX) {
      const upcall = this.#upcalls[0]
      if (upcall === undefined || offset + upcall.frame.length > burst.bytes.length) break
      this.#upcalls.shift()
      this.#describe(burst, upcall, offset)
      offset += (upcall.frame.length + 63) & ~63
    }
    return burst.count
  }

  onReadable(fire: () => void): void {
    this.#fire = fire
    if (this.#upcalls.length > 0) fire()
  }

  execute(burst: Burst, frame: number, actions: ActionList): void {
    const at = burst.descriptors[frame * DESCRIPTOR_WORDS + Descriptor.offset]!
    const length = burst.descriptors[frame * DESCRIPTOR_WORDS + Descriptor.length]!
    this.inject(burst.bytes.slice(at, at + length), actions)
  }

  inject(frame: Uint8Array, actions: ActionList): void {
    this.#out.push({ frame, actions: actions.snapshot() })
  }

  flush(): void {
    const queued = this.#out.splice(0)
    for (const { frame, actions } of queued) {
      this.#counters['packet-out']++
      this.#run(frame, actions)
    }
  }

  install(batch: FlowBatch): void {
    this.#ended.clear()
    for (let i = 0; i < batch.count; i++) batch.result[i] = this.#install(batch, i)
  }

  remove(batch: FlowBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const id = this.#byId.get(batch.ids[i]!)
      if (id === undefined) continue
      this.#ended.set(batch.ids[i]!, this.#flows.get(id)!)
      this.#byId.delete(batch.ids[i]!)
      this.#flows.delete(id)
      this.#table.remove(id)
    }
  }

  /** The cursor is the table's id to go on from. */
  stats(batch: StatsBatch, cursor: number): void {
    batch.count = 0
    batch.next = 0
    for (let id = Math.max(1, cursor); id < this.#table.top; id++) {
      const flow = this.#flows.get(id)
      if (flow === undefined) continue
      if (batch.count === batch.ids.length) {
        batch.next = id
        break
      }
      describe(batch, batch.count++, flow)
    }
  }

  statsOf(batch: StatsBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const id = batch.ids[i]!
      const flow = this.#flows.get(this.#byId.get(id) ?? 0) ?? this.#ended.get(id)
      describe(batch, i, flow ?? { ...NEVER, id })
    }
  }

  adopt(): boolean {
    return false // nothing outlives the process
  }

  audit(): number {
    return 0 // nobody else writes it
  }

  counters(): Record<string, number> {
    return { ...this.#counters, flows: this.#table.size, masks: this.#table.masks }
  }

  close(): void {
    this.#flows.clear()
    this.#upcalls.length = 0
    this.#fire = null
  }

  #upcall(
    at: { port: PhysicalPort; credits: number },
    frame: Uint8Array,
    key: Int32Array,
    reason: number,
    arg: number
  ): void {
    if (at.credits === 0) {
      this.#counters['no-credit']++
      return
    }
    at.credits--
    this.#counters.upcalls++
    const { ifindex } = at.port
    this.#upcalls.push({ frame: frame.slice(), ifindex, key: key.slice(), reason, arg })
    if (this.#upcalls.length === 1) this.#fire?.()
  }

  #describe(burst: Burst, upcall: Upcall, offset: number): void {
    const { frame, ifindex, key, reason, arg } = upcall
    const at = burst.count * DESCRIPTOR_WORDS
    burst.bytes.set(frame, offset)
    burst.keys.set(key, burst.count * WORDS)
    burst.descriptors.fill(0, at, at + DESCRIPTOR_WORDS)
    burst.descriptors[at + Descriptor.offset] = offset
    burst.descriptors[at + Descriptor.length] = frame.length
    burst.descriptors[at + Descriptor.ifindex] = ifindex
    burst.descriptors[at + Descriptor.reason] = reason
    burst.descriptors[at + Descriptor.arg] = arg
    burst.descriptors[at + Descriptor.portClass] =
      this.#ports.get(ifindex)?.port.portClass ?? PortClass.vm
    this.#owed.push(ifindex)
    burst.count++
  }

  #install(batch: FlowBatch, i: number): number {
    const actions = readActions(batch, i)
    const o = i * WORDS
    const known = this.#table.findExact(batch.keys, o, batch.masks, o)
    const id = known !== 0 ? known : this.#table.add(batch.keys, o, batch.masks, o)
    if (id === 0) return 0
    const before = this.#flows.get(id)
    if (before !== undefined) this.#byId.delete(before.id)
    this.#flows.set(id, {
      ...{ id: batch.ids[i]!, actions, ttlMin: batch.ttlMin[i]! },
      stateful: batch.stateful[i] === 1,
      limits: { mtu: batch.mtu[i]!, room: batch.room[i]! },
      ...{ packets: 0, bytes: 0, usedMs: this.#now(), tcpFlags: 0, tcpNext: 0 }
    })
    this.#byId.set(batch.ids[i]!, id)
    return known === 0 ? 1 : 2
  }

  #run(frame: Uint8Array, actions: ActionList): void {
    const editor = new FrameEditor(frame)
    for (let i = 0; i < actions.count; i++) {
      const type = actions.type(i)
      if (type === ActionType.output) this.#wire.output(actions.w(i, 0), editor.frame())
      else if (type === ActionType.tunnel) {
        const [key, remote, local] = [actions.w(i, 0), actions.w(i, 1), actions.w(i, 2)]
        this.#wire.tunnel({ kind: actions.flags(i), key, remote, local }, editor.frame())
      } else editor.apply(actions, i)
    }
  }
}

const NEVER = { packets: 0, bytes: 0, usedMs: Number.NEGATIVE_INFINITY, tcpFlags: 0, tcpNext: 0 }
type Use = typeof NEVER & { readonly id: number }

function describe(batch: StatsBatch, i: number, use: Use): void {
  batch.ids[i] = use.id
  batch.packets[i] = use.packets
  batch.bytes[i] = use.bytes
  batch.usedMs[i] = use.usedMs
  batch.tcpFlags[i] = use.tcpFlags
  batch.tcpNext[i] = use.tcpNext
}

// A TCP packet that opens a connection or ends it at once.
const isJudged = (tcpFlags: number): boolean =>
  tcp.opens(tcpFlags) || (tcpFlags & tcp.Flag.rst) !== 0
