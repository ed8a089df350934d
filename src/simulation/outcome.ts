// What leaves a walk: plain data, and no function to call. The context fills it in, the host acts
// on it when it stands. It is reused from walk to walk, so whoever keeps something of it copies it.

import { ActionList } from '../flow/actions.ts'
import type { Tag } from '../flow/tag.ts'
import type { Port, PortId } from './device.ts'
import { CachePolicy } from './verdict.ts'

/** A frame of a device's own making. */
export interface Emitted {
  /** The bytes of it. */
  readonly frame: Uint8Array
  /** It leaves by this port, as a walk of its own. */
  readonly port: PortId
}

/** Counts packets, or what they stand for: a Counter, or a table of numbers. */
export interface Countable {
  /** One more. `of` says of which, where there are several. */
  count(of: number): void
}

/** Something that is counted when the outcome stands. */
export interface Count {
  /** The counter. */
  readonly by: Countable
  /** Which of its numbers. */
  readonly of: number
}

/** Whoever takes frames in on this host. */
export interface FrameReceiver {
  /** Takes a frame, after the walk. */
  receive(frame: Uint8Array): void
}

/** A frame for somebody in this process. */
export interface Delivery {
  /** The bytes of it. */
  readonly frame: Uint8Array
  /** Who takes it. */
  readonly to: FrameReceiver
}

const TAGS_MAX = 4096 // a flood tags every port it meets
const DEDUPE_MAX = 64 // looking for doubles in a flood's tags would be quadratic
const EACH_MAX = 64 // frames, counts and deliveries of one walk

/** What a walk leaves: plain data, which nothing was done with yet. */
export class Outcome {
  /** What is to be done with the packet; outputs name ports by number. */
  readonly actions = new ActionList(64)
  /** The ports of the outputs, in order. */
  readonly outPorts: Port[] = []
  /** What it depended on: the first `tagCount`. */
  readonly tags: Tag[] = []
  /** How many `tags` there are. */
  tagCount = 0
  /** Whether the packets after this one may be treated likewise, as a flow. */
  cacheable = true
  /** Of the flow: see CachePolicy. */
  cachePolicy: number = CachePolicy.normal
  /** `room.why`, counted as drop.room.why; '' when nothing was dropped. */
  dropReason = ''
  /** What a postponed packet waits for; '' for none. */
  waitingFor = ''
  /** What the packet's TTL must exceed for this outcome to hold. */
  ttlMin = 0
  /** What the walk changed for others. It holds for postponed packets, too, as do frames sent. */
  readonly stale: Tag[] = []
  /** Frames that devices made, to leave by their ports. */
  readonly emitted: Emitted[] = []
  /** Counted when the outcome stands, and is no drop: a packet may be walked several times. */
  readonly counts: Count[] = []
  /** Likewise. */
  readonly deliveries: Delivery[] = []

  /** Forgets the walk before. */
  begin(): void {
    this.actions.clear()
    this.tagCount = this.ttlMin = 0
    this.cacheable = true
    this.cachePolicy = CachePolicy.normal
    this.dropReason = this.waitingFor = ''
    if (this.outPorts.length > 0) this.outPorts.length = 0
    if (this.stale.length > 0) this.stale.length = 0
    if (this.emitted.length > 0) this.emitted.length = 0
    if (this.counts.length > 0) this.counts.length = 0
    if (this.deliveries.length > 0) this.deliveries.length = 0
  }

  /**
   * A branch ends so. Of several drops all have to be for want of an answer: what one refuses is
   * refused.
   */
  drop(reason: string, cachePolicy: number): void {
    const isFirst = this.dropReason === ''
    this.dropReason = reason
    if (isFirst) this.cachePolicy = Math.max(cachePolicy, this.cachePolicy)
    else if (this.cachePolicy !== cachePolicy) this.cachePolicy = CachePolicy.short
  }

  /** It is a drop, and only for want of an answer that may yet come. */
  get isUnresolved(): boolean {
    return this.cachePolicy === CachePolicy.unresolved
  }

  /** Depends on this, too. With more tags than there is room for it is not kept as a flow. */
  tag(tag: Tag): void {
    if (this.tagCount < DEDUPE_MAX && this.#isTagged(tag)) return
    if (this.tagCount === TAGS_MAX) this.cacheable = false
    else this.tags[this.tagCount++] = tag
  }

  /** What the walk asked before, it asked of the old state; what it asks from now on is true. */
  invalidate(tag: Tag): void {
    if (this.#isTagged(tag)) this.cacheable = false
    this.stale.push(tag)
  }

  /** A frame of a device's own making leaves by a port. */
  emit(frame: Uint8Array, port: PortId): void {
    if (this.emitted.length < EACH_MAX) this.emitted.push({ frame, port })
  }

  /** Counts something when the outcome stands. */
  count(by: Countable, of: number): void {
    if (this.counts.length < EACH_MAX) this.counts.push({ by, of })
  }

  /** Hands a frame to somebody in this process when the outcome stands. */
  deliver(frame: Uint8Array, to: FrameReceiver): void {
    if (this.deliveries.length < EACH_MAX) this.deliveries.push({ frame, to })
  }

  #isTagged(tag: Tag): boolean {
    for (let i = 0; i < this.tagCount; i++) if (this.tags[i] === tag) return true
    return false
  }
}
