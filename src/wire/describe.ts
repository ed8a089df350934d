// One line about a frame, in the manner of tcpdump, for traces, logs and failing tests:
//
//   02:..:01 > 02:..:02 vlan 10 IPv4 10.0.1.1 > 10.0.2.3 ttl 63 UDP 1234 > 53 length 20
//
// Any bytes whatever give a line: each header is read only after it fits, and what carries
// another packet (tunnels, ICMP errors) is followed a bounded number of times.

import { formatIpv4, formatIpv6, formatMac } from './address.ts'
import * as arp from './arp.ts'
import * as ethernet from './ethernet.ts'
import * as gre from './gre.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as nd from './nd.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'
import * as vlan from './vlan.ts'
import * as vxlan from './vxlan.ts'

const NESTING_MAX = 3

export function describe(view: DataView, at: number, end: number): string {
  if (end > view.byteLength || at < 0) return `frame [${at}, ${end}) outside of its buffer`
  return frame(view, at, end, 0)
}

/** A whole frame in one line, each layer by its main fields; broken ones are said to be so. */
export const describeFrame = (bytes: Uint8Array): string =>
  describe(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength)

function frame(view: DataView, at: number, end: number, depth: number): string {
  if (!ethernet.fits(view, at, end)) return `truncated Ethernet, ${Math.max(0, end - at)} bytes`
  const typeAt = vlan.typeAt(view, at, end)
  let text = `${formatMac(ethernet.src(view, at))} > ${formatMac(ethernet.dst(view, at))}`
  for (let tag = at + 12; tag < typeAt; tag += vlan.LENGTH) text += vlanTag(view, tag)
  return `${text} ${network(view, view.getUint16(typeAt), typeAt + 2, end, depth)}`
}

function vlanTag(view: DataView, tag: number): string {
  const name = vlan.tpid(view, tag) === ethernet.Type.qinq ? 'qinq' : 'vlan'
  const priority = vlan.pcp(view, tag)
  return ` ${name} ${vlan.vid(view, tag)}${priority === 0 ? '' : ` pcp ${priority}`}`
}

function network(view: DataView, type: number, at: number, end: number, depth: number): string {
  switch (type) {
    case ethernet.Type.ipv4:
      return describeIpv4(view, at, end, depth)
    case ethernet.Type.ipv6:
      return describeIpv6(view, at, end, depth)
    case ethernet.Type.arp:
      return describeArp(view, at, end)
    case ethernet.Type.transparentEthernet:
      return nested(view, at, end, depth)
    default:
      return type < ethernet.TYPE_MIN
        ? `802.3 length ${type}`
        : `type ${hex16(type)} length ${end - at}`
  }
}

const nested = (view: DataView, at: number, end: number, depth: number): string =>
  depth < NESTING_MAX ? `| ${frame(view, at, end, depth + 1)}` : '| …'

function describeArp(view: DataView, at: number, end: number): string {
  if (!arp.fits(view, at, end)) return `ARP not for IPv4 over Ethernet, ${end - at} bytes`
  const sender = formatIpv4(arp.senderIp(view, at))
  const target = formatIpv4(arp.targetIp(view, at))
  switch (arp.operation(view, at)) {
    case arp.Operation.request:
      return `ARP who-has ${target} tell ${sender}`
    case arp.Operation.reply:
      return `ARP ${sender} is-at ${formatMac(arp.senderMac(view, at))} to ${target}`
    default:
      return `ARP operation ${arp.operation(view, at)} from ${sender} about ${target}`
  }
}

function describeIpv4(view: DataView, at: number, end: number, depth: number): string {
  if (!ipv4.headerFits(view, at, end)) return `malformed IPv4, ${end - at} bytes`
  const stop = Math.min(end, ipv4.payloadEnd(view, at))
  let text = `IPv4 ${formatIpv4(ipv4.src(view, at))} > ${formatIpv4(ipv4.dst(view, at))}`
  text += ` ttl ${ipv4.ttl(view, at)}`
  if (ipv4.payloadEnd(view, at) > end) text += ' truncated'
  if (!ipv4.checksumValid(view, at)) text += ' bad-checksum'
  const offset = ipv4.fragmentOffset(view, at)
  const more = ipv4.moreFragments(view, at)
  text += fragmentText(ipv4.isFragment(view, at), ipv4.id(view, at), offset, more)
  const payload = ipv4.payload(view, at)
  if (offset !== 0) return `${text} ${rest(ipv4.protocol(view, at), payload, stop)}`
  return `${text} ${transport(view, ipv4.protocol(view, at), payload, stop, depth)}`
}

function describeIpv6(view: DataView, at: number, end: number, depth: number): string {
  if (!ipv6.headerFits(view, at, end)) return `malformed IPv6, ${end - at} bytes`
  const words = new Int32Array(8)
  ipv6.readSrc(view, at, words, 0)
  ipv6.readDst(view, at, words, 4)
  let text = `IPv6 ${formatIpv6(words, 0)} > ${formatIpv6(words, 4)}`
  text += ` hops ${ipv6.hopLimit(view, at)}`
  if (ipv6.payloadEnd(view, at) > end) text += ' truncated'
  const stop = Math.min(end, ipv6.payloadEnd(view, at))
  if (!ipv6.walk(view, at, end)) return `${text} malformed extension headers`
  const { protocol, l4, fragmentAt, fragmentOffset, moreFragments } = ipv6.walked
  const id = fragmentAt === 0 ? 0 : ipv6.fragmentId(view, fragmentAt)
  text += fragmentText(fragmentAt !== 0, id, fragmentOffset, moreFragments)
  if (fragmentOffset !== 0) return `${text} ${rest(protocol, l4, stop)}`
  return `${text} ${transport(view, protocol, l4, stop, depth)}`
}

const fragmentText = (is: boolean, id: number, offset: number, more: boolean): string =>
  is ? ` frag ${id}@${offset}${more ? '+' : ''}` : ''

const rest = (protocol: number, at: number, end: number): string =>
  `protocol ${protocol} length ${end - at}`

function transport(
  view: DataView,
  protocol: number,
  at: number,
  end: number,
  depth: number
): string {
  switch (protocol) {
    case ipv4.Protocol.udp:
      return describeUdp(view, at, end, depth)
    case ipv4.Protocol.tcp:
      return describeTcp(view, at, end)
    case ipv4.Protocol.icmp:
      return describeIcmp(view, at, end, depth)
    case ipv4.Protocol.icmpv6:
      return describeIcmpv6(view, at, end, depth)
    case ipv4.Protocol.gre:
      return describeGre(view, at, end, depth)
    default:
      return rest(protocol, at, end)
  }
}

const ports = (view: DataView, at: number): string =>
  `${udp.srcPort(view, at)} > ${udp.dstPort(view, at)}`

function describeUdp(view: DataView, at: number, end: number, depth: number): string {
  if (!udp.portsFit(view, at, end)) return 'truncated UDP'
  if (!udp.fits(view, at, end)) return `UDP ${ports(view, at)} truncated`
  const body = udp.payload(at)
  if (udp.dstPort(view, at) === vxlan.PORT && vxlan.fits(view, body, end)) {
    const vni = vxlan.vni(view, body)
    return `UDP ${ports(view, at)} VXLAN ${vni} ${nested(view, vxlan.payload(body), end, depth)}`
  }
  return `UDP ${ports(view, at)} length ${end - body}`
}

function describeTcp(view: DataView, at: number, end: number): string {
  if (!tcp.portsFit(view, at, end)) return 'truncated TCP'
  if (!tcp.fits(view, at, end)) return `TCP ${ports(view, at)} truncated`
  const mss = tcp.mss(view, at)
  const flags = tcpFlagLetters(tcp.flags(view, at))
  let text = `TCP ${ports(view, at)} [${flags}] seq ${tcp.sequence(view, at)}`
  if (tcp.flags(view, at) & tcp.Flag.ack) text += ` ack ${tcp.acknowledgement(view, at)}`
  if (mss !== 0) text += ` mss ${mss}`
  return `${text} length ${end - tcp.payload(view, at)}`
}

// As tcpdump prints them, the acknowledgement as a dot, and in its order.
const TCP_LETTERS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'] as const

/** Flags as letters, SYN and ACK as `SA`; `none` without any. */
export const tcpFlagLetters = (flags: number): string =>
  TCP_LETTERS.filter((_, bit) => (flags >>> bit) & 1).join('') || 'none'

const ICMP_NAMES: Record<number, string> = {
  [icmp.Type.unreachable]: 'unreachable',
  [icmp.Type.redirect]: 'redirect',
  [icmp.Type.timeExceeded]: 'time-exceeded',
  [icmp.Type.parameterProblem]: 'parameter-problem'
}

function describeIcmp(view: DataView, at: number, end: number, depth: number): string {
  if (!icmp.fits(view, at, end)) return 'truncated ICMP'
  const type = icmp.type(view, at)
  const code = icmp.code(view, at)
  if (icmp.isEcho(type)) {
    const name = type === icmp.Type.echoRequest ? 'request' : 'reply'
    return `ICMP ${echo(name, icmp.id(view, at), icmp.sequence(view, at), end - at)}`
  }
  if (!icmp.isError(type)) return `ICMP type ${type} code ${code} length ${end - at}`
  const tooBig = type === icmp.Type.unreachable && code === icmp.Unreachable.fragmentationNeeded
  const mtu = tooBig ? ` mtu ${icmp.mtu(view, at)}` : ''
  const about = quoted(view, ethernet.Type.ipv4, icmp.quoted(at), end, depth)
  return `ICMP ${ICMP_NAMES[type] ?? `type ${type}`} code ${code}${mtu} about ${about}`
}

const ICMPV6_NAMES: Record<number, string> = {
  [icmpv6.Type.unreachable]: 'unreachable',
  [icmpv6.Type.packetTooBig]: 'packet-too-big',
  [icmpv6.Type.timeExceeded]: 'time-exceeded',
  [icmpv6.Type.parameterProblem]: 'parameter-problem'
}

function describeIcmpv6(view: DataView, at: number, end: number, depth: number): string {
  if (!icmpv6.fits(view, at, end)) return 'truncated ICMPv6'
  const type = icmpv6.type(view, at)
  if (icmpv6.isEcho(type)) {
    const name = type === icmpv6.Type.echoRequest ? 'request' : 'reply'
    return `ICMPv6 ${echo(name, icmpv6.id(view, at), icmpv6.sequence(view, at), end - at)}`
  }
  if (icmpv6.isNeighbourDiscovery(type) && nd.fits(view, at, end)) return neighbour(view, at, end)
  const code = icmpv6.code(view, at)
  if (!icmpv6.isError(type)) return `ICMPv6 type ${type} code ${code} length ${end - at}`
  const mtu = type === icmpv6.Type.packetTooBig ? ` mtu ${icmpv6.mtu(view, at)}` : ''
  const about = quoted(view, ethernet.Type.ipv6, icmpv6.quoted(at), end, depth)
  return `ICMPv6 ${ICMPV6_NAMES[type] ?? `type ${type}`} code ${code}${mtu} about ${about}`
}

const echo = (name: string, id: number, sequence: number, length: number): string =>
  `echo ${name} id ${id} seq ${sequence} length ${length - icmp.LENGTH}`

const quoted = (view: DataView, type: number, at: number, end: number, depth: number): string =>
  depth < NESTING_MAX ? `{${network(view, type, at, end, depth + 1)}}` : '{…}'

function neighbour(view: DataView, at: number, end: number): string {
  const { Type } = icmpv6
  const type = icmpv6.type(view, at)
  const solicits = type === Type.neighbourSolicitation || type === Type.routerSolicitation
  const option = solicits ? nd.Option.sourceLinkLayer : nd.Option.targetLinkLayer
  const mac = nd.linkLayer(view, at, end, type === Type.routerAdvertisement ? 1 : option)
  const whose = mac < 0 ? '' : ` mac ${formatMac(mac)}`
  if (type === Type.routerSolicitation) return `ICMPv6 router-solicitation${whose}`
  if (type === Type.routerAdvertisement) return `ICMPv6 router-advertisement${whose}`
  const words = new Int32Array(4)
  nd.readTarget(view, at, words, 0)
  const target = formatIpv6(words, 0)
  if (type === Type.redirect) return `ICMPv6 redirect to ${target}${whose}`
  return solicits
    ? `ICMPv6 who-has ${target}${whose}`
    : `ICMPv6 neighbour ${target}${neighbourFlags(nd.flags(view, at))}${whose}`
}

function neighbourFlags(flags: number): string {
  const { router, solicited, override } = nd.Flag
  const letters =
    (flags & router ? 'R' : '') + (flags & solicited ? 'S' : '') + (flags & override ? 'O' : '')
  return letters === '' ? '' : ` [${letters}]`
}

function describeGre(view: DataView, at: number, end: number, depth: number): string {
  if (!gre.fits(view, at, end)) return `malformed GRE, ${end - at} bytes`
  const key = gre.hasKey(view, at) ? ` key ${gre.key(view, at)}` : ''
  const body = gre.payload(view, at)
  if (depth >= NESTING_MAX) return `GRE${key} …`
  return `GRE${key} ${network(view, gre.protocol(view, at), body, end, depth + 1)}`
}

const hex16 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
