// Logs what crosses the datapath's interface: frames that come up, what is done with them, flows
// that are installed and removed. For a developer's eyes: a line each, up to a rate.
// decorators.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Fields, Log } from '../../core/log.ts'
import { ACTION_WORDS, ActionList } from '../../flow/actions.ts'
import { describeActions, describeKey } from '../../flow/describe.ts'
import { WORDS } from '../../flow/key.ts'
import type { RawFrame } from '../../wire/frames.ts'
import {
  type Burst,
  type Datapath,
  DESCRIPTOR_WORDS,
  Descriptor,
  type FlowBatch,
  type PhysicalPort,
  reasonName
} from '../datapath.ts'
import { DatapathDecorator } from './decorator.ts'

const LINES_PER_SECOND_MAX = 1000
const WHOLE = new Int32Array(WORDS).fill(-1)

/** Logs what crosses the datapath's interface, up to a rate. */
export class TraceDatapath extends DatapathDecorator {
  readonly #log: Log
  readonly #clock: Clock
  #secondEndsMs = 0
  #lines = 0
  #leftOut = 0

  constructor(inner: Datapath, log: Log, clock: Clock) {
    super(inner)
    this.#log = log
    this.#clock = clock
  }

  override attach(port: PhysicalPort): void {
    this.#tell({ ...port }, 'interface attached')
    super.attach(port)
  }

  override attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    super.attachSoon(port, isThere => {
      this.#tell({ ...port, isThere }, 'interface attached')
      done(isThere)
    })
  }

  override detach(ifindex: number): void {
    this.#tell({ ifindex }, 'interface detached')
    super.detach(ifindex)
  }

  override receive(burst: Burst, watch?: boolean): number {
    const count = super.receive(burst, watch)
    for (let i = 0; i < count; i++) {
      const word = (which: number): number => burst.descriptors[i * DESCRIPTOR_WORDS + which]!
      const reason = reasonName(word(Descriptor.reason))
      const flowKey = keyAt(burst.keys, WHOLE, i)
      this.#tell({ i, reason, bytes: word(Descriptor.length), flowKey }, 'frame came up')
    }
    return count
  }

  override execute(burst: Burst, frame: number, actions: ActionList): void {
    this.#tell({ i: frame, actions: describeActions(actions) }, 'frame sent on')
    super.execute(burst, frame, actions)
  }

  override inject(frame: Uint8Array, actions: ActionList, gsoSize?: number): void {
    this.#tell({ bytes: frame.length, actions: describeActions(actions) }, 'frame sent')
    super.inject(frame, actions, gsoSize)
  }

  override dropped(frame: RawFrame | undefined, reason: string): void {
    const bytes = frame === undefined ? 0 : frame.end - frame.at
    this.#tell({ bytes, reason }, 'frame dropped')
    super.dropped(frame, reason)
  }

  override install(batch: FlowBatch): void {
    super.install(batch)
    for (let i = 0; i < batch.count; i++) {
      const flowKey = keyAt(batch.keys, batch.masks.subarray(i * WORDS, (i + 1) * WORDS), i)
      const flow = { id: batch.ids[i], flowKey, actions: actionsAt(batch, i) }
      this.#tell({ ...flow, result: batch.result[i] }, 'flow installed')
    }
  }

  override remove(batch: FlowBatch): void {
    super.remove(batch)
    for (let i = 0; i < batch.count; i++) this.#tell({ id: batch.ids[i] }, 'flow removed')
  }

  override counters(): Record<string, number> {
    return { ...super.counters(), 'trace-left-out': this.#leftOut }
  }

  #tell(fields: Fields, message: string): void {
    const now = this.#clock.now()
    if (now >= this.#secondEndsMs) {
      this.#secondEndsMs = now + 1000
      this.#lines = 0
    }
    if (++this.#lines > LINES_PER_SECOND_MAX) this.#leftOut++
    else this.#log.info(fields, message)
  }
}

const keyAt = (keys: Int32Array, mask: Int32Array, i: number): string =>
  describeKey(keys.subarray(i * WORDS, (i + 1) * WORDS), mask).join(',')

function actionsAt({ actionAt, actionCount, actions }: FlowBatch, i: number): string[] {
  const list = new ActionList()
  const from = actionAt[i]! * ACTION_WORDS
  list.words = actions.slice(from, from + actionCount[i]! * ACTION_WORDS)
  list.count = actionCount[i]!
  return describeActions(list)
}
