// Walks a flow's own key again, without a packet.

import type { Clock } from '../core/clock.ts'
import { WORDS, Word } from '../flow/key.ts'
import type { Tag } from '../flow/tag.ts'
import { type SimulationContext, Verdict } from '../simulation/context.ts'
import type { FlowBook } from './book.ts'
import type { Entry } from './entry.ts'
import type { FlowState } from './flow-state.ts'
import type { Translator } from './translate.ts'

interface Parts {
  readonly ctx: SimulationContext
  readonly book: FlowBook
  readonly entry: Entry
  readonly translator: Translator
  readonly flowState: FlowState
  readonly clock: Clock
  readonly forget: (tags: readonly Tag[]) => void
}

export class Rechecks {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  // True: the outcome is the same, and the flow now carries the tags of today.  undefined: it
  // cannot be said yet.
  recheck(id: number): boolean | undefined {
    const { ctx, book, translator, flowState } = this.#parts
    const flow = book.get(id)
    if (flow === undefined) return true
    const mask = book.table.mask(id)
    const verdict = this.#walk(id, mask)
    if (verdict === Verdict.postpone || !translator.translate(ctx)) return undefined
    if (!flowState.prepare(ctx)) return undefined
    if (ctx.state.pendingCount > 0) return false // its state is gone
    let wider = 0
    for (let i = 0; i < WORDS; i++) wider |= ctx.key.mask[i]! & ~mask[i]!
    if (!ctx.cacheable || wider !== 0 || ctx.ttlMin !== flow.ttlMin) return false
    if (!translator.actions.equals(flow.actions)) return false
    this.#parts.forget(ctx.stale) // may take this very flow, by the tags it had
    if (book.get(id) !== flow) return true
    book.retag(id, ctx.tags, ctx.tagCount)
    flow.links = flowState.links(ctx)
    flow.checkedMs = ctx.now
    return true
  }

  #walk(id: number, mask: Int32Array): Verdict {
    const { ctx, book, entry, clock } = this.#parts
    ctx.key.load(book.table.key(id), 0)
    if ((mask[Word.ipMisc]! & 0xff00) === 0) ctx.key.words[Word.ipMisc]! |= 0xff00
    ctx.begin(clock.now(), null, 0, 0)
    void ctx.key.inPort
    return entry.enter(ctx, ctx.key.words[Word.inPort]!)
  }
}
