// What moves frames: they come up by bursts and go out by actions.  MemoryDatapath (tests,
// laptops) and EbpfDatapath (the kernel) are the two doors; test/datapath holds the conformance
// test both pass.  Everything crosses in batches and typed arrays: measured 3 ns a packet in a
// batch against 674 ns for a returned object. memory/memory.test.ts holds it.

import { token } from '../core/token.ts'
import { ACTION_WORDS, type ActionList } from '../flow/actions.ts'
import { WORDS } from '../flow/key.ts'
import { type Limits, NO_LIMITS } from '../flow/size.ts'
import type { RawFrame } from '../wire/frames.ts'
import type { PortPunt } from './punt.ts'

/** Why a frame came up. MZ_UP_* in abi.h. */
export const Reason = { miss: 0, ttl: 1, mtu: 2, action: 3, syn: 4 } as const
const reasonNames = Object.keys(Reason)

/** A reason for people; one that is not known by its number. */
export const reasonName = (reason: number): string => reasonNames[reason] ?? `reason ${reason}`

/** Words of one descriptor. */
export const DESCRIPTOR_WORDS = 8
/** A frame's descriptor: where it lies in the burst's buffer and what the kernel says of it. */
export const Descriptor = {
  offset: 0,
  length: 1, // captured bytes, all of the frame
  ifindex: 2,
  reason: 3,
  arg: 4, // of Reason.action
  gsoSize: 5, // 0: not a GSO frame
  gsoSegments: 6,
  portClass: 7
} as const

/** One burst: `count` frames in one shared buffer, each with a descriptor and its extracted key. */
export class Burst {
  /** Frames in one burst. */
  static readonly FRAMES_MAX = 64
  /** 64 GSO frames and their padding. */
  static readonly BYTES = 4 * 1024 * 1024 + 128 * 1024
  readonly buffer: ArrayBuffer
  readonly view: DataView
  /** The buffer as bytes. */
  readonly bytes: Uint8Array
  /** DESCRIPTOR_WORDS for each frame, laid out by Descriptor. */
  readonly descriptors = new Uint32Array(Burst.FRAMES_MAX * DESCRIPTOR_WORDS)
  /** WORDS of FlowKey for each frame. */
  readonly keys = new Int32Array(Burst.FRAMES_MAX * WORDS)
  /** Frames in it. */
  count = 0

  // Less than BYTES is for datapaths whose frames are small: a test makes thousands of them.
  constructor(bytes = Burst.BYTES) {
    this.buffer = new ArrayBuffer(bytes)
    this.view = new DataView(this.buffer)
    this.bytes = new Uint8Array(this.buffer)
  }
}

const FLOWS_AT_FIRST = 32

/**
 * Flows to install, remove or adopt, packed. `masks` is the mask each flow was walked with; a
 * datapath that numbers its masks does so itself. Flow ids are the caller's: 1..flowsMax.
 */
export class FlowBatch {
  /** Flows it takes. */
  readonly capacity: number
  /** All of them grow with what is added, up to the capacity: most batches are small. */
  ids: Uint32Array
  /** WORDS for each flow, masked. */
  keys: Int32Array
  /** WORDS for each flow. */
  masks: Int32Array
  /** A packet with this TTL or less goes up (Reason.ttl); 0: none does. */
  ttlMin: Uint8Array
  /**
   * 1: a TCP packet that opens a connection goes up in spite of the flow (Reason.syn), and the TCP
   * flags of the others are noted (StatsBatch.tcpFlags).
   */
  stateful: Uint8Array
  /** Limits of flow/size.ts: a packet that exceeds them goes up. */
  mtu: Uint16Array
  /** Limit of packets that leave by a tunnel; 0: none. */
  room: Uint16Array
  /** Index of the flow's first action in `actions`. */
  actionAt: Uint32Array
  /** How many actions the flow has; 0: it drops. */
  actionCount: Uint32Array
  /** After install: 1 in place, 2 was there already (and was replaced), 0 refused (table full). */
  result: Uint8Array
  /** ACTION_WORDS for each action, those of all flows. */
  actions: Int32Array
  /** In actions, not words. */
  actionsUsed = 0
  /** Flows in it. */
  count = 0

  constructor(capacity = 256) {
    this.capacity = capacity
    const size = Math.min(capacity, FLOWS_AT_FIRST)
    this.ids = new Uint32Array(size)
    this.keys = new Int32Array(size * WORDS)
    this.masks = new Int32Array(size * WORDS)
    this.ttlMin = new Uint8Array(size)
    this.stateful = new Uint8Array(size)
    this.mtu = new Uint16Array(size)
    this.room = new Uint16Array(size)
    this.actionAt = new Uint32Array(size)
    this.actionCount = new Uint32Array(size)
    this.result = new Uint8Array(size)
    this.actions = new Int32Array(FLOWS_AT_FIRST * ACTION_WORDS)
  }

  /** Empties it and keeps its memory. */
  clear(): void {
    this.count = 0
    this.actionsUsed = 0
  }

  /** False when the batch is full. The key's words begin at key[at]. */
  add(
    id: number,
    key: Int32Array,
    mask: Int32Array,
    ttlMin: number,
    actions: ActionList | null,
    at = 0,
    stateful = false,
    { mtu, room }: Limits = NO_LIMITS
  ): boolean {
    if (this.count === this.capacity) return false
    if (this.count === this.ids.length) this.#grow()
    const i = this.count++
    this.ids[i] = id
    for (let w = 0; w < WORDS; w++) {
      this.keys[i * WORDS + w] = key[at + w]! & mask[w]!
      this.masks[i * WORDS + w] = mask[w]!
    }
    this.ttlMin[i] = ttlMin
    this.stateful[i] = stateful ? 1 : 0
    this.mtu[i] = mtu
    this.room[i] = room
    this.actionAt[i] = this.actionsUsed
    this.actionCount[i] = actions === null ? 0 : actions.count
    if (actions !== null) this.#copyActions(actions)
    return true
  }

  #grow(): void {
    const size = Math.min(this.capacity, this.ids.length * 2)
    this.ids = grown(this.ids, size)
    this.keys = grown(this.keys, size * WORDS)
    this.masks = grown(this.masks, size * WORDS)
    this.ttlMin = grown(this.ttlMin, size)
    this.stateful = grown(this.stateful, size)
    this.mtu = grown(this.mtu, size)
    this.room = grown(this.room, size)
    this.actionAt = grown(this.actionAt, size)
    this.actionCount = grown(this.actionCount, size)
    this.result = grown(this.result, size)
  }

  #copyActions(actions: ActionList): void {
    const words = actions.count * ACTION_WORDS
    const at = this.actionsUsed * ACTION_WORDS
    while (at + words > this.actions.length)
      this.actions = grown(this.actions, this.actions.length * 2)
    for (let i = 0; i < words; i++) this.actions[at + i] = actions.words[i]!
    this.actionsUsed += actions.count
  }
}

type Words = Uint8Array | Uint16Array | Uint32Array | Int32Array

function grown<T extends Words>(words: T, length: number): T {
  const wider = new (words.constructor as new (length: number) => T)(length)
  wider.set(words)
  return wider
}

/** What the datapath knows of flows' use, by flow id. */
export class StatsBatch {
  /** Which flow each entry is of. */
  readonly ids: Uint32Array
  /** Packets since it was installed. */
  readonly packets: Float64Array
  /** Bytes since it was installed. */
  readonly bytes: Float64Array
  /** On Clock.now()'s scale. */
  readonly usedMs: Float64Array
  /** Of all its packets, or-ed; 0 but for stateful flows. */
  readonly tcpFlags: Uint8Array
  /** Behind the furthest byte sent; 0: not known, not stateful. */
  readonly tcpNext: Uint32Array
  /** Entries in it. */
  count = 0
  /** Cursor for the next call; 0 = the round is over. */
  next = 0

  constructor(capacity = 4096) {
    this.ids = new Uint32Array(capacity)
    this.packets = new Float64Array(capacity)
    this.bytes = new Float64Array(capacity)
    this.usedMs = new Float64Array(capacity)
    this.tcpFlags = new Uint8Array(capacity)
    this.tcpNext = new Uint32Array(capacity)
  }
}

/**
 * What an interface carries: a VM's frames, a network's beyond ours, tunnels. MZ_CLASS_* in abi.h.
 */
export const PortClass = { vm: 0, uplink: 1, tunnel: 2 } as const
/** An underlay or an uplink carries the flows of many ports: so many times a VM port's credits. */
export const SHARED_CREDITS = 16

/** An interface the datapath takes frames from. */
export interface PhysicalPort {
  /** Its number in the kernel. */
  readonly ifindex: number
  readonly name: string
  /** A value of PortClass. */
  readonly portClass: number
  /** A veth whose other end is in another namespace: bpf_redirect_peer applies. */
  readonly peerRedirect: boolean
  /** Id of the port behind it; undefined: it is none's. */
  readonly port?: string
}

/** What a datapath has room for. */
export interface DatapathLimits {
  /** Flows at once. */
  readonly flowsMax: number
  /** Upcalls in flight per VM port before the kernel drops its misses. */
  readonly creditsPerPort: number
}

/** Takes frames from interfaces, forwards what it has flows for, hands up the rest. */
export interface Datapath {
  /** Which implementation it is. */
  readonly kind: 'memory' | 'ebpf'
  readonly limits: DatapathLimits
  /** Starts / stops taking frames from an interface. Idempotent. */
  attach(port: PhysicalPort): void
  /**
   * As `attach`, but may take a while, in which others' packets do not wait. Frames may come up
   * before `done` is called, which is called once, perhaps at once; not after `close`.
   */
  attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void
  /** Takes no more frames from the interface. Idempotent. */
  detach(ifindex: number): void
  /**
   * What the port at this interface, which is attached or about to be, has of a control plane
   * beside the walk; null: nothing any more. It outlives the agent with the flows. Throws
   * UNAVAILABLE: then there is none. `refused`: our end of the veth pair got no program, now or
   * later; the same rules once more try it again.
   */
  punt(ifindex: number, rules: PortPunt | null, refused?: () => void): void
  /** The underlay addresses of the other hosts: whose probes are answered. */
  setPeers(addresses: readonly number[]): void
  /** Lets go of interfaces that an earlier agent took frames from and this one does not. */
  detachOthers(): void
  /**
   * Fills the burst with up to FRAMES_MAX upcalls and gives back the credits of the burst before.
   * `watch`: there is nothing else to do; when none is there it may look on for 150 us.
   */
  receive(burst: Burst, watch?: boolean): number
  /**
   * `fire` is called, on this thread's loop, when frames may be waiting; once per silence, which a
   * `receive` that gives none begins.
   */
  onReadable(fire: () => void): void
  /** Queues the frame of a burst (or one of our own making) to leave by physical actions. */
  execute(burst: Burst, frame: number, actions: ActionList): void
  /** Queues a frame of our own making to leave by physical actions; `gsoSize` 0: no GSO frame. */
  inject(frame: Uint8Array, actions: ActionList, gsoSize?: number): void
  /** Told of a frame that the agent drops, for decorators; undefined: a key that has no frame. */
  dropped?(frame: RawFrame | undefined, reason: string): void
  /** Sends what was queued, in order. Frames of a burst must be flushed before the next receive. */
  flush(): void
  /** Idempotent; fills batch.result. */
  install(batch: FlowBatch): void
  /** Takes the flows out that stand; ids of others do no harm. */
  remove(batch: FlowBatch): void
  /** One slice of use statistics; call until batch.next is 0. Never blocks for long. */
  stats(batch: StatsBatch, cursor: number): void
  /**
   * The same of batch.ids, the first `count`: flows that stand, or were removed since the last
   * install.
   */
  statsOf(batch: StatsBatch): void
  /** One slice of what an earlier agent left running; false when there is no more. */
  adopt(into: FlowBatch): boolean
  /**
   * A slice of the flows that stand in the datapath: those that `isOurs` denies are taken out.
   * Gives how many.
   */
  audit(isOurs: (id: number, keys: Int32Array, at: number) => boolean): number
  /** Named numbers: rx, hits, misses, upcalls, ring-full, no-credit, errors, masks …. */
  counters(): Record<string, number>
  /** Keep: leave flows and programs in the kernel for the next agent. */
  close(keep: boolean): void
}
export const Datapath = token<Datapath>('datapath')
