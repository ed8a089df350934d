// A packet comes up that known state may speak of: a SYN or a RST is judged by all that was sent
// before it, and a RST is believed only of who knows how far the connection has come (RFC 5961 §3).
// plugins/firewall/resets.test.ts holds it.

import type { Counter, Counters } from '../../core/counters.ts'
import { Word } from '../../flow/key.ts'
import { stateTag, type Tag } from '../../flow/tag.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { keyHash, RECORD_WORDS, RecordWord, StateFlag } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { RawFrame } from '../../wire/frames.ts'
import * as tcp from '../../wire/tcp.ts'
import type { FlowCache } from '../flows/flow-cache.ts'
import type { FlowLinks } from './record-use.ts'
import { Streams } from './streams.ts'

/**
 * Decides whether a SYN or RST of a known connection is walked, and whether a RST is believed (RFC
 * 5961 §3).
 */
export class Arrival {
  readonly #table: StateTable
  readonly #doubted: Counter
  readonly #record = new Int32Array(RECORD_WORDS)
  /** How far each connection has come, and the packet that `judges` saw last. */
  readonly streams: Streams

  constructor(table: StateTable, counters: Counters) {
    this.#table = table
    this.streams = new Streams(table.capacity)
    this.#doubted = counters.claim('state.resets-doubted', 'RSTs that did not end their connection')
  }

  /**
   * Whether the packet, its key at keys[o], is a SYN or a RST of known state: then no flow speaks
   * for it, and it has to be walked.
   */
  judges(cache: FlowCache, keys: Int32Array, o: number, bytes: RawFrame): boolean {
    const flags = keys[o + Word.l4Misc]! & 255
    const isReset = this.streams.arrives(flags, bytes)
    if (!isReset && !tcp.opens(flags)) return false
    const id = cache.table.find(keys, o)
    const flow = cache.get(id)
    const links = flow?.links ?? null
    if (links === null) return false
    if (!cache.isHeld(id)) cache.catchUp(this.#tagsOf(links))
    if (isReset) this.streams.judge(flow!.tcpNext)
    return !cache.isHeld(id)
  }

  /** The packet's TCP flags as a record may take them: a doubtful RST ends no connection. */
  flagsFor(ctx: SimulationContext, handle: number, stamp: number): number {
    const flags = ctx.tcpFlagsUnseen
    if ((flags & tcp.Flag.rst) === 0 || !this.streams.doubts(handle, stamp)) return flags
    if (!this.#read(handle, stamp)) return flags
    if ((this.#record[RecordWord.flags]! & StateFlag.assured) === 0) return flags
    this.#doubted.value++
    return flags & ~tcp.Flag.rst
  }

  // Of all flows that owe to the same state.
  #tagsOf({ met }: FlowLinks): Tag[] {
    const tags: Tag[] = []
    for (let i = 0; i < met.length; i += 2)
      if (this.#read(met[i]!, met[i + 1]!))
        for (const key of [RecordWord.a, RecordWord.b])
          tags.push(stateTag(keyHash(this.#record, key)))
    return tags
  }

  #read(handle: number, stamp: number): boolean {
    const id = handle >>> 1
    return this.#table.stamp(id) === stamp && this.#table.read(id, this.#record)
  }
}
