// Walks a flow's own key again, without a packet: to see whether its outcome still holds, or, when
// the topology has changed under it, to find the new one before its next packet comes.  When a
// gateway dies, the thousand flows that left by it are thus in the kernel again within
// milliseconds; left to their packets, they came up all at once, more than ports may send up, and
// what was lost was sent again by TCP after 200, 600, 1400 ms: all at once again.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { sameLimits } from '../../flow/size.ts'
import type { FlowTable } from '../../flow/table.ts'
import type { Tag } from '../../flow/tag.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { Verdict } from '../../simulation/verdict.ts'
import * as ethernet from '../../wire/ethernet.ts'
import type { HostEvents } from '../events.ts'
import type { Flow, FlowCache } from '../flows/flow-cache.ts'
import type { Ingress } from '../ports/ingress.ts'
import type { FlowState } from '../replication/flow-state.ts'
import type { Conclusion } from './conclusion.ts'
import type { Drops } from './drops.ts'

interface Parts {
  readonly ctx: SimulationContext
  readonly cache: FlowCache
  readonly ingress: Ingress
  readonly conclusion: Conclusion
  readonly drops: Drops
  readonly flowState: FlowState
  readonly clock: Clock
  readonly counters: Counters
  readonly events: HostEvents
}

/**
 * What a walk says of a flow: the outcome is the same; it would be, but nobody knows its connection
 * any more; it is another; the walk lacks something, or ends for want of an answer that may yet
 * come.
 */
export type Standing = 'holds' | 'forgotten' | 'differs' | 'unknown' | 'unresolved'

// A flow that has to be found anew.
interface Outdated {
  readonly id: number
  readonly flow: Flow
}

const OUTDATED_MAX = 4096 // the rest is left to packets
const RENEWED_AT_ONCE = 512 // some 10 ms; then packets have their turn
const IN_USE_MS = 5000

/** Walks the keys of flows again, without packets. */
export class Revalidator {
  readonly #parts: Parts
  readonly #renewed: Counter
  readonly #stale: Counter
  #outdated: Outdated[] = []

  constructor(parts: Parts) {
    this.#parts = parts
    this.#stale = parts.counters.claim('flows.stale')
    this.#renewed = parts.counters.claim('flows.renewed', 'Flows found anew without a packet')
  }

  /**
   * Flows that carry these tags are stale.  Those in use stay until they are walked again, in the
   * next turn: whoever takes flows away by their tags does not find them any more.
   */
  outdate(tags: readonly Tag[]): void {
    const { cache, clock } = this.#parts
    const since = clock.now() - IN_USE_MS
    for (const tag of tags)
      for (const id of cache.tags.flows(tag)) {
        if (this.#outdated.length >= OUTDATED_MAX) return
        const flow = cache.get(id)!
        if (flow.usedMs < since || flow.actions.count === 0 || cache.isHeld(id)) continue
        if (!isUnicastIp(cache.table, id)) continue
        cache.tags.remove(id)
        this.#outdated.push({ id, flow })
      }
  }

  /** Walks the next few flows again. Gives whether there are more. */
  renew(isReady: boolean): boolean {
    if (this.#outdated.length === 0) return false
    for (const { id, flow } of this.#outdated.splice(0, RENEWED_AT_ONCE)) {
      if (this.#parts.cache.get(id) !== flow) continue // it has gone, or a packet was there first
      this.#stale.value++
      if (isReady && this.#renew(id)) this.#renewed.value++
      else this.#parts.cache.remove(id)
    }
    return this.#outdated.length > 0
  }

  // As a dry run: no device learns from a packet that was not there.  Whatever is missing, or
  // would have to be written, is left to the packet.
  #renew(id: number): boolean {
    const { ctx, cache, conclusion } = this.#parts
    const { egress } = conclusion
    const { actions } = cache.get(id)!
    let isFound = this.#finds(id)
    const isElsewhere = ctx.passedOver && !(isFound && egress.actions.equals(actions))
    if (isElsewhere) {
      const isSame = (): boolean => this.#finds(id) && egress.actions.equals(actions)
      isFound = this.#keepingWay(isSame) || this.#finds(id)
    }
    if (isFound) this.#replace(id)
    return isFound
  }

  #finds(id: number): boolean {
    const { ctx, cache, conclusion, flowState } = this.#parts
    const { egress } = conclusion
    const mask = cache.table.mask(id)
    ctx.dryRun = true
    const verdict = this.#walk(cache.table.key(id), mask)
    ctx.dryRun = false
    if (verdict !== Verdict.forward || !egress.translate(ctx)) return false
    if (egress.unreachable > 0 || ctx.outcome.emitted.length > 0 || ctx.outcome.stale.length > 0)
      return false
    if (!ctx.outcome.cacheable || ctx.isOpening || ctx.state.pendingCount > 0) return false
    flowState.mustHold = false
    return !this.#isWider(mask) && flowState.prepare(ctx)
  }

  // In its place, when it asks the same of packets.
  #replace(id: number): void {
    const { ctx, cache, conclusion } = this.#parts
    if (cache.hasMask(id, ctx.key.mask)) return cache.replace(id, conclusion.flow())
    cache.remove(id)
    if (cache.table.find(ctx.arrived.words, 0) === 0)
      cache.add(ctx.arrived.words, ctx.key.mask, conclusion.flow())
  }

  #isWider(mask: Int32Array): boolean {
    let wider = 0
    for (let i = 0; i < WORDS; i++) wider |= this.#parts.ctx.key.mask[i]! & ~mask[i]!
    return wider !== 0
  }

  /** A flow that holds now carries the tags of today. */
  revalidate(id: number): Standing {
    const standing = this.#standing(id)
    const isOther = standing === 'differs' || standing === 'unresolved'
    const isElsewhere = isOther && this.#parts.ctx.passedOver
    return isElsewhere ? this.#keepingWay(() => this.#standing(id)) : standing
  }

  // Where the agent of a gateway is gone, what went by it goes on so.
  #keepingWay<T>(walk: () => T): T {
    const { ctx } = this.#parts
    ctx.keepsWay = true
    const result = walk()
    ctx.keepsWay = false
    return result
  }

  #standing(id: number): Standing {
    const { ctx, cache, conclusion, flowState, drops } = this.#parts
    const { egress } = conclusion
    const flow = cache.get(id)
    if (flow === undefined) return 'holds'
    const mask = cache.table.mask(id)
    const verdict = this.#walk(cache.table.key(id), mask)
    if (verdict === Verdict.postpone || !egress.translate(ctx)) return 'unknown'
    const isUnresolved = verdict === Verdict.drop && ctx.outcome.isUnresolved
    if (isUnresolved && flow.actions.count > 0) return 'unresolved'
    if (!flowState.prepare(ctx)) return 'unknown'
    if (!ctx.outcome.cacheable || this.#isWider(mask) || ctx.outcome.ttlMin !== flow.ttlMin)
      return 'differs'
    if (!egress.actions.equals(flow.actions)) return 'differs'
    if (ctx.state.pendingCount > 0) return 'forgotten'
    // May take this very flow, by the tags it had.
    if (ctx.outcome.stale.length > 0) this.#parts.events.stale(ctx.outcome.stale)
    if (cache.get(id) !== flow) return 'holds'
    // An agent of before may have known of no limits.
    if (!sameLimits(egress.limits, flow.limits)) {
      cache.replace(id, conclusion.flow())
      return 'holds'
    }
    cache.retag(id, ctx.outcome.tags, ctx.outcome.tagCount)
    flow.links = flowState.links(ctx)
    flow.dropped = drops.ofFlow(egress.actions)
    flow.checkedMs = ctx.now
    return 'holds'
  }

  #walk(key: Int32Array, mask: Int32Array): Verdict {
    const { ctx, ingress, clock } = this.#parts
    ctx.key.load(key, 0)
    if ((mask[Word.ipMisc]! & 0xff00) === 0) ctx.key.words[Word.ipMisc]! |= 0xff00
    ctx.begin(clock.now(), null, 0, 0)
    void ctx.key.inPort
    return ingress.enter(ctx, ctx.key.words[Word.inPort]!)
  }
}

// A flow that did not ask for the type takes IP too.  Of the frames of a group every receiver is
// somebody else, and what is no IP is seldom.
function isUnicastIp(table: FlowTable, id: number): boolean {
  const type = table.word(id, Word.typeId) >>> 16
  const isGroup = (table.word(id, Word.ethDstHi) >>> 24) & 1
  const isAnyOrIp = type === 0 || type === ethernet.Type.ipv4 || type === ethernet.Type.ipv6
  return isGroup === 0 && isAnyOrIp
}
