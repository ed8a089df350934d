// Writes every frame that comes up to a pcapng file, with what became of it as its comment: the
// actions, the reason of its drop, or that it waits. Frames that leave later (they waited, or are
// of the agent's own making) are written again as outgoing ones, as they were before the actions.
// decorators.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { ActionList } from '../../flow/actions.ts'
import { describeActions } from '../../flow/describe.ts'
import type { RawFrame } from '../../wire/frames.ts'
import {
  type Burst,
  type Datapath,
  DESCRIPTOR_WORDS,
  Descriptor,
  type PhysicalPort,
  reasonName
} from '../datapath.ts'
import type { CaptureSink } from './capture-file.ts'
import { DatapathDecorator } from './decorator.ts'
import { Direction, interfaceBlock, packetBlock, sectionBlock } from './pcapng.ts'

const AGENT = 0 // the ifindex that no interface has: what the agent makes or kept comes from there

/** Writes every frame that comes up to a capture, with what became of it. */
export class CaptureDatapath extends DatapathDecorator {
  readonly #sink: CaptureSink
  readonly #clock: Clock
  readonly #names = new Map<number, string>([[AGENT, 'agent']])
  readonly #numbers = new Map<number, number>() // of interface blocks, by ifindex
  #burst: Burst | null = null
  readonly #outcomes: string[] = [] // of the frames of #burst
  #leftOut = 0

  constructor(inner: Datapath, sink: CaptureSink, clock: Clock) {
    super(inner)
    this.#sink = sink
    this.#clock = clock
    sink.write(sectionBlock())
  }

  override attach(port: PhysicalPort): void {
    this.#names.set(port.ifindex, port.name)
    super.attach(port)
  }

  override attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    this.#names.set(port.ifindex, port.name)
    super.attachSoon(port, done)
  }

  override receive(burst: Burst, watch?: boolean): number {
    this.#conclude()
    const count = super.receive(burst, watch)
    this.#burst = burst
    return count
  }

  override execute(burst: Burst, frame: number, actions: ActionList): void {
    this.#outcomes[frame] = describeActions(actions).join(', ')
    super.execute(burst, frame, actions)
  }

  override inject(frame: Uint8Array, actions: ActionList, gsoSize?: number): void {
    this.#write(AGENT, frame, Direction.out, describeActions(actions).join(', '))
    super.inject(frame, actions, gsoSize)
  }

  override dropped(frame: RawFrame | undefined, reason: string): void {
    if (frame !== undefined) this.#dropped(frame, `drop ${reason}`)
    super.dropped(frame, reason)
  }

  override counters(): Record<string, number> {
    return { ...super.counters(), 'capture-left-out': this.#leftOut }
  }

  override close(keep: boolean): void {
    this.#conclude()
    this.#sink.close()
    super.close(keep)
  }

  #dropped(frame: RawFrame, comment: string): void {
    const i = this.#indexOf(frame)
    if (i >= 0) this.#outcomes[i] = comment
    else this.#write(AGENT, bytesOf(frame), Direction.in, comment)
  }

  #indexOf({ view, at }: RawFrame): number {
    const burst = this.#burst
    if (burst === null || view.buffer !== burst.buffer) return -1
    for (let i = 0; i < burst.count; i++)
      if (burst.descriptors[i * DESCRIPTOR_WORDS + Descriptor.offset] === at) return i
    return -1
  }

  // Before the burst's buffer is filled again.
  #conclude(): void {
    const burst = this.#burst
    if (burst === null) return
    for (let i = 0; i < burst.count; i++) {
      const word = (which: number): number => burst.descriptors[i * DESCRIPTOR_WORDS + which]!
      const at = word(Descriptor.offset)
      const bytes = burst.bytes.subarray(at, at + word(Descriptor.length))
      const cause = reasonName(word(Descriptor.reason))
      const outcome = this.#outcomes[i] ?? 'nothing yet: answered, or waits'
      this.#write(word(Descriptor.ifindex), bytes, Direction.in, `${cause}: ${outcome}`)
    }
    this.#outcomes.length = 0
    this.#burst = null
  }

  #write(ifindex: number, bytes: Uint8Array, direction: number, comment: string): void {
    const on = this.#numberOf(ifindex)
    const packet = { on, atMs: this.#clock.wall(), bytes, direction, comment }
    if (on < 0 || !this.#sink.write(packetBlock(packet))) this.#leftOut++
  }

  // -1: its block could not be written.
  #numberOf(ifindex: number): number {
    const known = this.#numbers.get(ifindex)
    if (known !== undefined) return known
    if (!this.#sink.write(interfaceBlock(this.#names.get(ifindex) ?? `ifindex ${ifindex}`)))
      return -1
    const number = this.#numbers.size
    this.#numbers.set(ifindex, number)
    return number
  }
}

const bytesOf = ({ view, at, end }: RawFrame): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, end - at)
