// What the client of a VIP hears when no member is there for it: what a host says whose port is
// closed, a reset or port unreachable, from the address of the VIP.  So many a second and host.

import {
  Allowance,
  ethernet,
  icmp,
  icmpError,
  icmpv6,
  mayAnswerWithError,
  type SimulationContext,
  tcpReset
} from '../../src/plugin.ts'
import type { LoadBalancerCounters } from './counters.ts'
import type { Vip } from './parts.ts'

const BURST_MAX = 1000
const PER_SECOND = 1000
const TCP = 6

export class Refusals {
  readonly #allowance = new Allowance(BURST_MAX, PER_SECOND)
  readonly #counters: LoadBalancerCounters

  constructor(counters: LoadBalancerCounters) {
    this.#counters = counters
  }

  /** The packet is dropped: its sender is told, if the VIP tells. */
  tell(ctx: SimulationContext, vip: Vip): void {
    const { onNoMember, pool } = vip
    const tells = onNoMember === 'reset' || (onNoMember !== 'silent' && pool.members.length === 0)
    if (!tells || ctx.generated) return
    const { cacheable } = ctx
    const frame = ctx.frame()
    const answer = frame === undefined ? undefined : answerTo(frame, vip)
    const counters = this.#counters
    if (answer === undefined) {
      ctx.cacheable = cacheable
      return
    }
    if (!ctx.rehearsal && !this.#allowance.take(ctx.now)) {
      counters.refusalsLimited.value++
      return
    }
    if (ctx.trace !== null)
      ctx.trace.step(`     told: ${vip.protocol === TCP ? 'reset' : 'port unreachable'}`)
    if (!ctx.rehearsal) counters.refusals.value++
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
