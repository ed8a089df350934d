// Port security: what comes in by the interface of a port may use the addresses its owner was
// given, and no others, and gives no answers that hosts would believe of anybody.  It is looked at
// before any chain, and before the bridge learns or answers anything.
//
//   source MAC ─► can it be read? ─► ARP   sender, and target of a probe
//                                    ND    source, target, link-layer options (discovery.ts)
//                                    IP    source; `::` for probes, 0.0.0.0 for DHCP questions
//                                    DHCP, router advertisements, redirects: from servers only
//
// What the key has is asked of the key, and so is in the mask of the flow that comes of it.  The
// hardware addresses of ARP, and what ND says, are not: what passes so far never becomes a flow.

import {
  type AllowedAddresses,
  type AllowedNetwork,
  address,
  arp,
  ethernet,
  type FlowKey,
  Fragment,
  hidesNetwork,
  hidesTransport,
  icmpv6,
  ipv4,
  type PortSecurity,
  type SimulationContext,
  Verdict,
  vlan,
  Word
} from '../../src/plugin.ts'
import { isSomebodys, macText, mayClaim, type Networks, refused } from './allowed.ts'
import { admitDiscovery } from './discovery.ts'

const { Protocol } = ipv4
const { Type } = ethernet
const Dhcp = { server: 67, client: 68, client6: 546 } as const

/** Verdict.forward: the frame may enter. */
export function admit(ctx: SimulationContext, security: PortSecurity): Verdict {
  const { key } = ctx
  const { addresses } = security
  const networks = addresses === null ? null : addresses.get(key.ethSrc)
  if (networks === undefined) return refused(ctx, 'mac', () => macText(key.ethSrc))
  if (hidesNetwork(ctx)) return hides(ctx)
  switch (key.ethType) {
    case Type.arp:
      return addresses === null ? Verdict.forward : admitArp(ctx, addresses)
    case Type.ipv4:
      return admitIpv4(ctx, security, networks)
    case Type.ipv6:
      return admitIpv6(ctx, security, networks)
    default:
      return Verdict.forward
  }
}

const hides = (ctx: SimulationContext): Verdict =>
  refused(ctx, 'hidden', () => 'what cannot be read to its end')

// --- ARP ----------------------------------------------------------------------------------------

const ipv4Words = new Int32Array(4)

function admitArp(ctx: SimulationContext, addresses: AllowedAddresses): Verdict {
  const { key } = ctx
  const sender = key.ipv4Src
  // A probe has no sender yet: whoever asks that way claims the target (RFC 5227 §2.1.1).
  const claimed = sender === 0 ? key.ipv4Dst : sender
  ipv4Words[3] = claimed
  const text = (mac: number) => () => `ARP of ${address.formatIpv4(claimed)} at ${macText(mac)}`
  const isProbe = sender === 0 && key.ipProto === arp.Operation.request
  if ((sender === 0 && !isProbe) || !isSomebodys(addresses, 4, ipv4Words))
    return refused(ctx, 'arp', text(key.ethSrc))
  const raw = ctx.bytes()
  if (raw === undefined) return Verdict.forward
  const { view, at, end } = raw
  const mac = arp.senderMac(view, vlan.typeAt(view, at, end) + 2)
  return mayClaim(addresses, mac, 4, ipv4Words) ? Verdict.forward : refused(ctx, 'arp', text(mac))
}

// --- IP -----------------------------------------------------------------------------------------

function admitIpv4(ctx: SimulationContext, security: PortSecurity, networks: Networks): Verdict {
  const { key } = ctx
  if (hidesTransport(ctx)) return hides(ctx)
  if (!comesFrom(key, 4, networks) && !asksDhcp(key))
    return refused(ctx, 'ip', () => `IP from ${address.formatIpv4(key.words[Word.ipSrc + 3]!)}`)
  return admitDhcp(ctx, security, Dhcp.client)
}

function admitIpv6(ctx: SimulationContext, security: PortSecurity, networks: Networks): Verdict {
  const { key } = ctx
  if (hidesTransport(ctx)) return hides(ctx)
  const isIcmp = key.ipProto === Protocol.icmpv6 && key.fragment !== Fragment.later
  const type = isIcmp ? key.icmpType : 0
  if (type === icmpv6.Type.routerAdvertisement || type === icmpv6.Type.redirect)
    if (!security.services.has('ra'))
      return refused(ctx, 'ra', () => 'a router advertisement or redirect')
  if (!comesFrom(key, 6, networks) && !(SPOKEN_BY_NOBODY.has(type) && isFromNobody(key)))
    return refused(ctx, 'ip', () => `IP from ${address.formatIpv6(key.words, Word.ipSrc)}`)
  if (icmpv6.isNeighbourDiscovery(type) && security.addresses !== null)
    return admitDiscovery(ctx, security.addresses)
  return admitDhcp(ctx, security, Dhcp.client6)
}

// What a host says before it has an address, or while it makes sure of one: solicitations of
// neighbours and routers, and which groups it listens to.
const SPOKEN_BY_NOBODY: ReadonlySet<number> = new Set([
  icmpv6.Type.neighbourSolicitation,
  icmpv6.Type.routerSolicitation,
  icmpv6.Type.listenerReport,
  icmpv6.Type.listenerDone,
  icmpv6.Type.listenerReport2
])

function isFromNobody(key: FlowKey): boolean {
  for (let i = 0; i < 4; i++) if (key.ipSrcWord(i) !== 0) return false
  return true
}

const asksDhcp = (key: FlowKey): boolean =>
  key.ipv4Src === 0 &&
  key.ipProto === Protocol.udp &&
  key.fragment === Fragment.none &&
  key.l4Src === Dhcp.client &&
  key.l4Dst === Dhcp.server

// Clients take an answer whatever port it comes from.
function admitDhcp(ctx: SimulationContext, { services }: PortSecurity, client: number): Verdict {
  const { key } = ctx
  if (services.has('dhcp') || key.ipProto !== Protocol.udp) return Verdict.forward
  if (key.fragment === Fragment.later || !isTo(key, client)) return Verdict.forward
  return refused(ctx, 'dhcp', () => 'an answer of a DHCP server')
}

// Most ports differ from it in the upper bits, and only these are asked of them.
const UPPER = 0xfc00
const isTo = (key: FlowKey, port: number): boolean =>
  key.ask(Word.l4Ports, UPPER) === 0 && key.l4Dst === port

// --- whose address it is ------------------------------------------------------------------------

// The packet's own source; of the key, network by network, only the bits of each.
function comesFrom(key: FlowKey, family: 4 | 6, networks: Networks): boolean {
  if (networks === null) return true
  for (const network of networks)
    if (network.family === family && isWithin(key, network)) return true
  return family === 6 && isOwnLinkLocal(key)
}

function isWithin(key: FlowKey, { words, masks }: AllowedNetwork): boolean {
  for (let i = 0; i < 4; i++)
    if (masks[i] !== 0 && key.ipSrcWord(i, masks[i]) !== words[i]) return false
  return true
}

function isOwnLinkLocal(key: FlowKey): boolean {
  const own = address.linkLocal(key.ethSrc)
  for (let i = 0; i < 4; i++) if (key.ipSrcWord(i) !== own[i]) return false
  return true
}
