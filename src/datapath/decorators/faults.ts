// A datapath that fails by chance, from a seed: frames are lost on their way up, flows are refused
// as by a full table, and flows go that stood. What Mezzo promises must hold all the same.
// decorators.test.ts holds it.

import type { Random } from '../../core/random.ts'
import { WORDS } from '../../flow/key.ts'
import { type Burst, type Datapath, DESCRIPTOR_WORDS, FlowBatch } from '../datapath.ts'
import { DatapathDecorator } from './decorator.ts'

/** Each 0 to 1000: of a thousand, so many. */
export interface DatapathFaults {
  /** Frames that do not come up. */
  readonly lostPerMille: number
  /** Flows that are refused when they are installed. */
  readonly refusedPerMille: number
  /** Installed flows that the datapath loses without a word. */
  readonly vanishedPerMille: number
}

/** A datapath that fails by chance, from a seed. */
export class FaultyDatapath extends DatapathDecorator {
  readonly #faults: DatapathFaults
  readonly #random: Random
  readonly #counts = { 'fault-lost': 0, 'fault-refused': 0, 'fault-vanished': 0 }

  constructor(inner: Datapath, faults: DatapathFaults, random: Random) {
    super(inner)
    this.#faults = faults
    this.#random = random
  }

  /** Another burst when all of one is lost: to receive none would mean that none is there. */
  override receive(burst: Burst, watch?: boolean): number {
    let count = super.receive(burst, watch)
    while (count > 0 && this.#lose(burst, count) === 0) count = super.receive(burst, false)
    return burst.count
  }

  override install(batch: FlowBatch): void {
    super.install(batch)
    const gone = new FlowBatch(batch.count)
    for (let i = 0; i < batch.count; i++) {
      const isRefused = this.#happens(this.#faults.refusedPerMille)
      const vanishes = !isRefused && this.#happens(this.#faults.vanishedPerMille)
      if (batch.result[i] === 0 || !(isRefused || vanishes)) continue
      const mask = batch.masks.subarray(i * WORDS, (i + 1) * WORDS)
      gone.add(batch.ids[i]!, batch.keys, mask, batch.ttlMin[i]!, null, i * WORDS)
      if (isRefused) batch.result[i] = 0
      this.#counts[isRefused ? 'fault-refused' : 'fault-vanished']++
    }
    if (gone.count > 0) super.remove(gone)
  }

  override counters(): Record<string, number> {
    return { ...super.counters(), ...this.#counts }
  }

  #lose(burst: Burst, count: number): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      if (this.#happens(this.#faults.lostPerMille)) this.#counts['fault-lost']++
      else move(burst, i, kept++)
    }
    return (burst.count = kept)
  }

  #happens(perMille: number): boolean {
    return perMille > 0 && this.#random.chance(perMille / 1000)
  }
}

function move({ descriptors, keys }: Burst, from: number, to: number): void {
  if (from === to) return
  const d = from * DESCRIPTOR_WORDS
  descriptors.copyWithin(to * DESCRIPTOR_WORDS, d, d + DESCRIPTOR_WORDS)
  keys.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS)
}
