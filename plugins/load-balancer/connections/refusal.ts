// What the client of a VIP hears when no member is there for it: what a host says whose port is
// closed, a reset or port unreachable, from the address of the VIP.  So many a second and host.
// balancer.test.ts holds it.

import {
  Allowance,
  ethernet,
  icmp,
  icmpError,
  icmpv6,
  mayAnswerWithError,
  type SimulationContext,
  tcpReset
} from '../../../src/plugin.ts'
import type { LoadBalancerCounters } from '../counters.ts'
import type { Vip } from '../parts.ts'
import { isOpen } from './choose.ts'

const BURST_MAX = 1000
const PER_SECOND = 1000
const TCP = 6

/**
 * What is in the way of a packet: `cut`: its connection's member is gone for good; `none`: its pool
 * is empty; `asleep`: no member takes connections; `passing`: what may be over soon.
 */
export type Obstacle = 'cut' | 'none' | 'asleep' | 'passing'

/** Of a packet for a VIP that finds no member. */
export function lackOf({ pool, family }: Vip): Obstacle {
  if (pool.members.length === 0) return 'none'
  const takes = pool.members.some(each => isOpen(each) && each.family === family)
  return takes ? 'passing' : 'asleep'
}

const TELLS: Readonly<Record<Vip['onNoMember'], readonly Obstacle[]>> = {
  'reset-if-empty': ['cut', 'none'],
  reset: ['cut', 'none', 'asleep'],
  silent: []
}

/** Refuses connections by a RST or an ICMP error. */
export class Refusals {
  readonly #allowance = new Allowance(BURST_MAX, PER_SECOND)
  readonly #counters: LoadBalancerCounters

  constructor(counters: LoadBalancerCounters) {
    this.#counters = counters
  }

  /** The packet is dropped: its sender is told, if the VIP tells. */
  tell(ctx: SimulationContext, vip: Vip, obstacle: Obstacle): void {
    if (!TELLS[vip.onNoMember].includes(obstacle) || ctx.generated) return
    const { cacheable } = ctx.outcome
    const frame = ctx.frame()
    const answer = frame === undefined ? undefined : answerTo(frame, vip)
    const counters = this.#counters
    if (answer === undefined) {
      ctx.outcome.cacheable = cacheable
      return
    }
    if (!ctx.dryRun && !this.#allowance.take(ctx.now)) {
      counters.refusalsLimited.value++
      return
    }
    if (ctx.trace !== null)
      ctx.trace.step(`     told: ${vip.protocol === TCP ? 'reset' : 'port unreachable'}`)
    if (!ctx.dryRun) counters.refusals.value++
    ctx.emit(answer, ctx.inPort.id)
  }
}

function answerTo(frame: Uint8Array, vip: Vip): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (vip.protocol === TCP) return tcpReset(view, 0, frame.length)
  if (!mayAnswerWithError(view, 0, frame.length)) return undefined
  const [type, code] =
    vip.family === 4
      ? [icmp.Type.unreachable, icmp.Unreachable.port]
      : [icmpv6.Type.unreachable, icmpv6.Unreachable.port]
  const srcMac = ethernet.dst(view, 0)
  return icmpError({ type, code, src: vip.words, srcMac }, view, 0, frame.length)
}
