// A datapath around another that passes everything on. What observes or disturbs a datapath
// (capture.ts, trace.ts, faults.ts) extends it and overrides what it is about.
// decorators.test.ts holds it.

import type { ActionList } from '../../flow/actions.ts'
import type { RawFrame } from '../../wire/frames.ts'
import type {
  Burst,
  Datapath,
  DatapathLimits,
  FlowBatch,
  PhysicalPort,
  StatsBatch
} from '../datapath.ts'
import type { PortPunt } from '../punt.ts'

/** Passes every call on to `inner`; subclasses override what they are about. */
export class DatapathDecorator implements Datapath {
  protected readonly inner: Datapath

  constructor(inner: Datapath) {
    this.inner = inner
  }

  get kind(): Datapath['kind'] {
    return this.inner.kind
  }

  get limits(): DatapathLimits {
    return this.inner.limits
  }

  attach(port: PhysicalPort): void {
    this.inner.attach(port)
  }

  attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    this.inner.attachSoon(port, done)
  }

  detach(ifindex: number): void {
    this.inner.detach(ifindex)
  }

  punt(ifindex: number, rules: PortPunt | null): void {
    this.inner.punt(ifindex, rules)
  }

  setPeers(addresses: readonly number[]): void {
    this.inner.setPeers(addresses)
  }

  detachOthers(): void {
    this.inner.detachOthers()
  }

  receive(burst: Burst, watch?: boolean): number {
    return this.inner.receive(burst, watch)
  }

  onReadable(fire: () => void): void {
    this.inner.onReadable(fire)
  }

  execute(burst: Burst, frame: number, actions: ActionList): void {
    this.inner.execute(burst, frame, actions)
  }

  inject(frame: Uint8Array, actions: ActionList, gsoSize?: number): void {
    this.inner.inject(frame, actions, gsoSize)
  }

  dropped(frame: RawFrame | undefined, reason: string): void {
    this.inner.dropped?.(frame, reason)
  }

  flush(): void {
    this.inner.flush()
  }

  install(batch: FlowBatch): void {
    this.inner.install(batch)
  }

  remove(batch: FlowBatch): void {
    this.inner.remove(batch)
  }

  stats(batch: StatsBatch, cursor: number): void {
    this.inner.stats(batch, cursor)
  }

  statsOf(batch: StatsBatch): void {
    this.inner.statsOf(batch)
  }

  adopt(into: FlowBatch): boolean {
    return this.inner.adopt(into)
  }

  audit(isOurs: (id: number, keys: Int32Array, at: number) => boolean): number {
    return this.inner.audit(isOurs)
  }

  counters(): Record<string, number> {
    return this.inner.counters()
  }

  close(keep: boolean): void {
    this.inner.close(keep)
  }
}
