// The agent's part in the conformance test: takes what comes up, and keeps account of the flows.

import {
  Burst,
  type Datapath,
  DESCRIPTOR_WORDS,
  Descriptor,
  FlowBatch,
  StatsBatch
} from '../../src/datapath/datapath.ts'
import type { ActionList } from '../../src/flow/actions.ts'
import { WORDS } from '../../src/flow/key.ts'
import { NO_LIMITS } from '../../src/flow/size.ts'

export interface Upcall {
  readonly ifindex: number
  readonly reason: number
  readonly arg: number
  readonly key: Int32Array
  readonly bytes: Uint8Array
}

export const mask = (words: Readonly<Record<number, number>>): Int32Array =>
  Int32Array.from({ length: WORDS }, (_, i) => words[i] ?? 0)

interface Ground {
  readonly datapath: Datapath
  until(done: () => boolean): Promise<void>
}

export class Taker {
  isPaused = false
  answer: ActionList | null = null // what is done with a frame that comes up
  readonly #ground: Ground
  readonly #burst = new Burst()
  readonly #seen: Upcall[] = []

  constructor(ground: Ground) {
    this.#ground = ground
    ground.datapath.onReadable(() => this.drain())
  }

  // What came up since the last call, once there are `count`.
  async upcalls(count: number): Promise<Upcall[]> {
    await this.#ground.until(() => this.#seen.length >= count)
    return this.#seen.splice(0)
  }

  clear(): void {
    this.#seen.length = 0
  }

  drain(): void {
    if (this.isPaused) return
    const { datapath } = this.#ground
    while (datapath.receive(this.#burst) > 0) {
      for (let i = 0; i < this.#burst.count; i++) this.#take(i)
      datapath.flush()
    }
  }

  #take(i: number): void {
    const { descriptors, bytes, keys } = this.#burst
    const d = i * DESCRIPTOR_WORDS
    const at = descriptors[d + Descriptor.offset]!
    this.#seen.push({
      ifindex: descriptors[d + Descriptor.ifindex]!,
      reason: descriptors[d + Descriptor.reason]!,
      arg: descriptors[d + Descriptor.arg]!,
      key: keys.slice(i * WORDS, (i + 1) * WORDS),
      bytes: bytes.slice(at, at + descriptors[d + Descriptor.length]!)
    })
    if (this.answer !== null) this.#ground.datapath.execute(this.#burst, i, this.answer)
  }
}

export class Installer {
  readonly #datapath: Datapath
  readonly #batch = new FlowBatch(1)
  readonly #ids = new Map<string, number>() // key and mask → id
  readonly #free: number[] = []
  #top = 0
  #last = 0

  constructor(datapath: Datapath) {
    this.#datapath = datapath
  }

  // 1 in place, 2 in the place of another, 0 refused.
  install(
    key: Int32Array,
    bits: Int32Array,
    actions: ActionList,
    ttlMin = 0,
    stateful = false,
    limits = NO_LIMITS
  ): number {
    const name = `${key.map((word, i) => word & bits[i]!)}/${bits}`
    const before = this.#ids.get(name)
    const own = this.#freeId()
    const id = own ?? before ?? 1
    this.#batch.clear()
    this.#batch.add(id, key, bits, ttlMin, actions, 0, stateful, limits)
    this.#datapath.install(this.#batch)
    const result = this.#batch.result[0]!
    if (result === 0) {
      if (own !== undefined) this.#free.push(own)
      return 0
    }
    if (before !== undefined && own !== undefined) this.#free.push(before)
    this.#ids.set(name, id)
    this.#last = id
    return result
  }

  // Ids are 1..flowsMax; a flow that takes the place of another has a new one while there are some.
  #freeId(): number | undefined {
    if (this.#free.length > 0) return this.#free.pop()
    return this.#top < this.#datapath.limits.flowsMax ? ++this.#top : undefined
  }

  // Removes every flow.
  clear(): void {
    for (const [name, id] of this.#ids) {
      const [key, bits] = name.split('/').map(words => Int32Array.from(words.split(','), Number))
      this.#batch.clear()
      this.#batch.add(id, key!, bits!, 0, null)
      this.#datapath.remove(this.#batch)
      this.#free.push(id)
    }
    this.#ids.clear()
  }

  // The same, asked for by its id: it may have been removed since.
  lastUse(): { packets: number; tcpFlags: number; usedMs: number; tcpNext: number } {
    const stats = new StatsBatch(1)
    stats.ids[0] = this.#last
    stats.count = 1
    this.#datapath.statsOf(stats)
    return {
      packets: stats.packets[0]!,
      tcpFlags: stats.tcpFlags[0]!,
      usedMs: stats.usedMs[0]!,
      tcpNext: stats.tcpNext[0]!
    }
  }

  // How the flow installed last was used.
  statsOf(): { packets: number; bytes: number; tcpFlags: number } | undefined {
    const stats = new StatsBatch()
    let cursor = 0
    do {
      this.#datapath.stats(stats, cursor)
      for (let i = 0; i < stats.count; i++)
        if (stats.ids[i] === this.#last)
          return {
            packets: stats.packets[i]!,
            bytes: stats.bytes[i]!,
            tcpFlags: stats.tcpFlags[i]!
          }
      cursor = stats.next
    } while (cursor !== 0)
    return undefined
  }
}
