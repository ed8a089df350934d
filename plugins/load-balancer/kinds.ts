// What kind of packet it is that a load balancer has before it.

import { ethernet, Fragment, icmp, icmpv6, ipv4, type SimulationContext } from '../../src/plugin.ts'

const { Protocol } = ipv4

/** The version of a packet that is IP. */
export const familyOf = ({ key }: SimulationContext): 4 | 6 =>
  key.ethType === ethernet.Type.ipv4 ? 4 : 6

/** Whether it is ICMP of that version. */
export const isIcmp = ({ key }: SimulationContext, family: 4 | 6): boolean =>
  key.ipProto === (family === 4 ? Protocol.icmp : Protocol.icmpv6)

/** Whether it is an echo request. */
export function isPing(ctx: SimulationContext, family: 4 | 6): boolean {
  if (!isIcmp(ctx, family)) return false
  const { echoRequest } = family === 4 ? icmp.Type : icmpv6.Type
  return ctx.key.icmpType === echoRequest
}

/** Whether it is an ICMP error. */
export function isIcmpError(ctx: SimulationContext, family: 4 | 6): boolean {
  if (!isIcmp(ctx, family) || ctx.key.fragment === Fragment.later) return false
  const type = ctx.key.icmpType
  return family === 4 ? icmp.isError(type) : icmpv6.isError(type)
}
