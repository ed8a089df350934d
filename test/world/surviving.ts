// A memory datapath that outlives its agent, as the kernel's does: its ports stay attached, its
// flows in place, and the one of the next agent is told of them.

import { FlowBatch, type PhysicalPort } from '../../src/datapath/datapath.ts'
import { MemoryDatapath } from '../../src/datapath/memory/memory.ts'
import { readActions } from '../../src/datapath/memory/memory-flow.ts'
import type { ActionList } from '../../src/flow/actions.ts'
import { WORDS } from '../../src/flow/key.ts'
import type { Limits } from '../../src/flow/size.ts'

const INHERITED = 0x4000_0000

interface Kept {
  readonly id: number
  readonly key: Int32Array
  readonly mask: Int32Array
  readonly ttlMin: number
  readonly actions: ActionList
  readonly stateful: boolean
  readonly limits: Limits
}

export class SurvivingDatapath extends MemoryDatapath {
  readonly #attached = new Map<number, PhysicalPort>()
  readonly #flows = new Map<string, Kept>() // by key and mask
  readonly #names = new Map<number, string>() // of those, by id
  readonly #others = new Set<number>() // interfaces that this agent has not spoken of
  #left: Kept[] = []
  /** Whether flows are kept for the next agent; the bench has none, and measures without. */
  keeps = true

  override attach(port: PhysicalPort): void {
    super.attach(port)
    this.#attached.set(port.ifindex, port)
    this.#others.delete(port.ifindex)
  }

  override detach(ifindex: number): void {
    super.detach(ifindex)
    this.#attached.delete(ifindex)
  }

  override detachOthers(): void {
    for (const ifindex of this.#others) this.detach(ifindex)
    this.#others.clear()
  }

  override install(batch: FlowBatch): void {
    super.install(batch)
    if (!this.keeps) return
    for (let i = 0; i < batch.count; i++) if (batch.result[i] !== 0) this.#keep(keptOf(batch, i))
  }

  override remove(batch: FlowBatch): void {
    super.remove(batch)
    if (!this.keeps) return
    for (const id of batch.ids.subarray(0, batch.count)) {
      const name = this.#names.get(id)
      if (name === undefined) continue
      this.#names.delete(id)
      this.#flows.delete(name)
    }
  }

  override adopt(into?: FlowBatch): boolean {
    for (let kept = this.#left.shift(); kept !== undefined; kept = this.#left.shift()) {
      const { id, key, mask, ttlMin, actions, stateful, limits } = kept
      if (into?.add(id, key, mask, ttlMin, actions, 0, stateful, limits) === true) continue
      this.#left.unshift(kept)
      return true
    }
    return false
  }

  /** Takes over what the agent before left. */
  inherit(from: SurvivingDatapath): void {
    for (const port of from.#attached.values()) {
      this.attach(port)
      this.#others.add(port.ifindex)
    }
    // Under ids that the next agent gives to no flow of its own.
    this.#left = [...from.#flows.values()].map((kept, i) => ({ ...kept, id: INHERITED + i }))
    const batch = new FlowBatch(1)
    for (const { id, key, mask, ttlMin, actions, stateful, limits } of this.#left) {
      batch.clear()
      batch.add(id, key, mask, ttlMin, actions, 0, stateful, limits)
      this.install(batch)
    }
  }

  #keep(kept: Kept): void {
    const name = `${kept.key} ${kept.mask}`
    const before = this.#flows.get(name)
    if (before !== undefined) this.#names.delete(before.id)
    this.#flows.set(name, kept)
    this.#names.set(kept.id, name)
  }
}

function keptOf(batch: FlowBatch, i: number): Kept {
  const words = (of: Int32Array): Int32Array => of.slice(i * WORDS, (i + 1) * WORDS)
  return {
    ...{ id: batch.ids[i]!, key: words(batch.keys), mask: words(batch.masks) },
    ...{ ttlMin: batch.ttlMin[i]!, actions: readActions(batch, i) },
    stateful: batch.stateful[i] === 1,
    limits: { mtu: batch.mtu[i]!, room: batch.room[i]! }
  }
}
