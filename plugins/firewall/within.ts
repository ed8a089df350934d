// Whether an address lies in a network: the packet's own, asking only for the bits of the prefix,
// or that of the packet an ICMP error quotes, which has to be read from the bytes.

import {
  address,
  ethernet,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  type SimulationContext,
  vlan
} from '../../src/plugin.ts'

/** Of a packet's addresses, which. */
export type Side = 'src' | 'dst'

/** An ARP frame has the addresses of its sender and of its target. */
export function within(side: Side, prefix: address.Prefix): (ctx: SimulationContext) => boolean {
  const { family, words, length } = address.networkOf(prefix)
  const word = side === 'src' ? 'ipSrcWord' : 'ipDstWord'
  if (family === 4) {
    const mask = address.maskWord(length)
    return ctx => {
      const type = ctx.key.ethType
      if (type !== ethernet.Type.ipv4 && type !== ethernet.Type.arp) return false
      return ctx.key[word](3, mask) === words[3]
    }
  }
  return ctx => {
    if (ctx.key.ethType !== ethernet.Type.ipv6) return false
    for (let i = 0; i < 4 && length > 32 * i; i++)
      if (ctx.key[word](i, address.maskWord(length - 32 * i)) !== words[i]) return false
    return true
  }
}

/**
 * The bytes are not in the key, so a rule that gets as far as this makes the outcome uncacheable.
 */
export function quotedWithin(
  side: Side,
  prefix: address.Prefix
): (ctx: SimulationContext) => boolean {
  const words = new Int32Array(4)
  const found: address.Ip = { family: prefix.family, words }
  return ctx => {
    const read = prefix.family === 4 ? quotedIpv4 : quotedIpv6
    return read(ctx, side, words) && address.prefixContains(prefix, found)
  }
}

function quotedIpv4(ctx: SimulationContext, side: Side, into: Int32Array): boolean {
  const { key } = ctx
  if (key.ethType !== ethernet.Type.ipv4 || key.ipProto !== ipv4.Protocol.icmp) return false
  if (!icmp.isError(key.icmpType)) return false
  const raw = ctx.bytes()
  if (raw === undefined) return false
  const { view, at, end } = raw
  const l3 = vlan.typeAt(view, at, end) + 2
  if (!ipv4.fits(view, l3, end)) return false
  const quoted = icmp.quoted(l3 + ipv4.headerLength(view, l3))
  if (!ipv4.headerFits(view, quoted, ipv4.payloadEnd(view, l3))) return false
  into[3] = side === 'src' ? ipv4.src(view, quoted) : ipv4.dst(view, quoted)
  return true
}

function quotedIpv6(ctx: SimulationContext, side: Side, into: Int32Array): boolean {
  const { key } = ctx
  if (key.ethType !== ethernet.Type.ipv6 || key.ipProto !== ipv6.Protocol.icmpv6) return false
  if (!icmpv6.isError(key.icmpType)) return false
  const raw = ctx.bytes()
  if (raw === undefined) return false
  const { view, at, end } = raw
  const l3 = vlan.typeAt(view, at, end) + 2
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return false
  const quoted = icmpv6.quoted(ipv6.walked.l4)
  if (!ipv6.headerFits(view, quoted, ipv6.payloadEnd(view, l3))) return false
  const read = side === 'src' ? ipv6.readSrc : ipv6.readDst
  read(view, quoted, into, 0)
  return true
}
