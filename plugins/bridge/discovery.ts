// Neighbour discovery under port security: who says that an address is at a MAC must have been
// given both.  Claims are the source, with the link-layer option beside it, and the target of an
// advertisement or of a probe.

import {
  type AllowedAddresses,
  address,
  icmpv6,
  ipv6,
  nd,
  type SimulationContext,
  Verdict,
  vlan
} from '../../src/plugin.ts'
import { macText, mayClaim, refused } from './allowed.ts'

const { Type } = icmpv6
const source = new Int32Array(4)
const target = new Int32Array(4)

/** Its source has been looked at; a router that may be one says what it likes of others. */
export function admitDiscovery(ctx: SimulationContext, addresses: AllowedAddresses): Verdict {
  const raw = ctx.bytes()
  if (raw === undefined) return Verdict.forward
  const { view, at, end } = raw
  const l3 = vlan.typeAt(view, at, end) + 2
  const l4 = nd.believed(view, l3, end)
  if (l4 < 0) return refused(ctx, 'nd', () => 'neighbour discovery that is not sound')
  const l4End = ipv6.payloadEnd(view, l3)
  const type = icmpv6.type(view, l4)
  if (type === Type.redirect) return Verdict.forward
  ipv6.readSrc(view, l3, source, 0)
  const claimed = claimOf(view, l4, type)
  let options = 0
  let wrong = ctx.key.ethSrc
  const isTrue = nd.everyLinkLayer(view, l4, l4End, mac => {
    options++
    wrong = mac
    return mayClaim(addresses, mac, 6, claimed)
  })
  const isBare = options === 0 && claimed === target
  if (isTrue && (!isBare || mayClaim(addresses, ctx.key.ethSrc, 6, claimed))) return Verdict.forward
  return refused(ctx, 'nd', () => `${address.formatIpv6(claimed, 0)} at ${macText(wrong)}`)
}

// The address the message says somebody has: that of its sender, or one which the sender has or is
// about to take.
function claimOf(view: DataView, l4: number, type: number): Int32Array {
  const isProbe = type === Type.neighbourSolicitation && source.every(word => word === 0)
  if (type !== Type.neighbourAdvertisement && !isProbe) return source
  nd.readTarget(view, l4, target, 0)
  return target
}
