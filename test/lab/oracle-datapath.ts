// The kernel's datapath of a host whose packet side runs on a thread that is elsewhere: what is
// done to interfaces is done in the host's namespace. It never calls: the world asks it step by
// step, and sees by `activity` whether anything went on. And it can be told to lie.

import type {
  Burst,
  Datapath,
  DatapathLimits,
  FlowBatch,
  PhysicalPort,
  StatsBatch
} from '../../src/datapath/datapath.ts'
import type { EbpfDatapath } from '../../src/datapath/ebpf/ebpf.ts'
import type { PortPunt } from '../../src/datapath/punt.ts'
import type { ActionList } from '../../src/flow/actions.ts'

// Alters what is installed in the kernel, behind the agent's back.
export type Sabotage = (batch: FlowBatch) => void

export class DatapathInside implements Datapath {
  readonly kind = 'ebpf'
  readonly limits: DatapathLimits
  activity = 0
  isOpen = true
  readonly #kernel: EbpfDatapath
  readonly #inside: <T>(body: () => T) => T
  readonly #sabotage: Sabotage | undefined

  constructor(kernel: EbpfDatapath, inside: <T>(body: () => T) => T, sabotage?: Sabotage) {
    this.#kernel = kernel
    this.limits = kernel.limits
    this.#inside = inside
    this.#sabotage = sabotage
  }

  attach(port: PhysicalPort): void {
    this.#inside(() => this.#kernel.attach(port))
  }

  attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    this.attach(port)
    done(true)
  }

  detach(ifindex: number): void {
    this.#inside(() => this.#kernel.detach(ifindex))
  }

  punt(ifindex: number, rules: PortPunt | null): void {
    this.#inside(() => this.#kernel.punt(ifindex, rules))
  }

  setPeers(addresses: readonly number[]): void {
    this.#inside(() => this.#kernel.setPeers(addresses))
  }

  detachOthers(): void {
    this.#inside(() => this.#kernel.detachOthers())
  }

  receive(burst: Burst): number {
    const count = this.#kernel.receive(burst)
    this.activity += count
    return count
  }

  onReadable(): void {}

  execute(burst: Burst, frame: number, actions: ActionList): void {
    this.activity++
    this.#kernel.execute(burst, frame, actions)
  }

  inject(frame: Uint8Array, actions: ActionList, gsoSize?: number): void {
    this.activity++
    this.#kernel.inject(frame, actions, gsoSize)
  }

  flush(): void {
    this.#kernel.flush()
  }

  install(batch: FlowBatch): void {
    this.#sabotage?.(batch)
    this.#kernel.install(batch)
  }

  remove(batch: FlowBatch): void {
    this.#kernel.remove(batch)
  }

  statsOf(batch: StatsBatch): void {
    this.#kernel.statsOf(batch)
  }

  stats(batch: StatsBatch, cursor: number): void {
    this.#kernel.stats(batch, cursor)
  }

  adopt(into: FlowBatch): boolean {
    return this.#kernel.adopt(into)
  }

  audit(isOurs: (id: number, keys: Int32Array, at: number) => boolean): number {
    return this.#kernel.audit(isOurs)
  }

  counters(): Record<string, number> {
    return this.#kernel.counters()
  }

  close(keep: boolean): void {
    this.isOpen = false
    this.#kernel.close(keep)
  }
}
