// Fills a key from a frame.  Must agree bit for bit with native/bpf/parse.h: the conformance test
// sends the same frames through both.  A header that does not hold together leaves its own fields
// and all deeper ones at 0; of IP and ARP the key says so (Fragment.unread), for a rule that asks
// for a packet that could not be read must not be let through by it.

import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as vlan from '../wire/vlan.ts'
import { Fragment, IP_AH, IP_OPTIONS, VLAN_PRESENT, WORDS, Word } from './key.ts'

const Protocol = ipv4.Protocol

/**
 * Writes WORDS words at `words[o]` from the frame at [at, end). `tunnelKey` and `tunnelSrc` are 0
 * for a frame from an interface. False when the frame is too short to be Ethernet.
 */
export function extract(
  words: Int32Array,
  o: number,
  inPort: number,
  tunnelKey: number,
  tunnelSrc: number,
  view: DataView,
  at: number,
  end: number
): boolean {
  for (let i = 0; i < WORDS; i++) words[o + i] = 0
  if (!ethernet.fits(view, at, end)) return false
  words[o + Word.inPort] = inPort
  words[o + Word.tunnelKey] = tunnelKey
  words[o + Word.tunnelSrc] = tunnelSrc
  words[o + Word.ethDstHi] = view.getInt32(at)
  words[o + Word.ethMid] = view.getInt32(at + 4)
  words[o + Word.ethSrcLo] = view.getInt32(at + 8)
  let l3 = at + ethernet.LENGTH
  let type = ethernet.type(view, at)
  if (vlan.isTag(type) && end - l3 >= vlan.LENGTH) {
    let vlans = (view.getUint16(l3) | VLAN_PRESENT) << 16
    type = view.getUint16(l3 + 2)
    l3 += vlan.LENGTH
    if (vlan.isTag(type) && end - l3 >= vlan.LENGTH) {
      vlans |= view.getUint16(l3) | VLAN_PRESENT
      type = view.getUint16(l3 + 2)
      l3 += vlan.LENGTH
    }
    words[o + Word.vlans] = vlans
  }
  words[o + Word.typeId] = type << 16
  if (type === ethernet.Type.ipv4) extractIpv4(words, o, view, l3, end)
  else if (type === ethernet.Type.ipv6) extractIpv6(words, o, view, l3, end)
  else if (type === ethernet.Type.arp) extractArp(words, o, view, l3, end)
  return true
}

function unread(words: Int32Array, o: number): void {
  words[o + Word.ipMisc] = Fragment.unread
}

function extractArp(words: Int32Array, o: number, view: DataView, l3: number, end: number): void {
  if (!arp.fits(view, l3, end)) return unread(words, o)
  words[o + Word.ipMisc] = (arp.operation(view, l3) & 255) << 24
  words[o + Word.ipSrc + 3] = arp.senderIp(view, l3)
  words[o + Word.ipDst + 3] = arp.targetIp(view, l3)
}

function extractIpv4(words: Int32Array, o: number, view: DataView, l3: number, end: number): void {
  if (!ipv4.fits(view, l3, end)) return unread(words, o)
  if (ipv4.headerLength(view, l3) > ipv4.LENGTH_MIN) words[o + Word.l4Misc] = IP_OPTIONS
  else if (!ipv4.checksumValid(view, l3)) return unread(words, o)
  words[o + Word.ipSrc + 3] = ipv4.src(view, l3)
  words[o + Word.ipDst + 3] = ipv4.dst(view, l3)
  const stop = ipv4.payloadEnd(view, l3)
  ipv4.findTransport(view, l3, stop)
  const { protocol, l4, isAuthenticated } = ipv4.transport
  if (isAuthenticated) words[o + Word.l4Misc]! |= IP_AH
  const fragment =
    ipv4.fragmentOffset(view, l3) !== 0
      ? Fragment.later
      : ipv4.moreFragments(view, l3)
        ? Fragment.first
        : Fragment.none
  words[o + Word.ipMisc] =
    (protocol << 24) | (ipv4.tos(view, l3) << 16) | (ipv4.ttl(view, l3) << 8) | fragment
  if (fragment !== Fragment.later) extractL4(words, o, protocol, view, l4, stop)
}

function extractIpv6(words: Int32Array, o: number, view: DataView, l3: number, end: number): void {
  if (!ipv6.fits(view, l3, end)) return unread(words, o)
  ipv6.readSrc(view, l3, words, o + Word.ipSrc)
  ipv6.readDst(view, l3, words, o + Word.ipDst)
  const whole = ipv6.walk(view, l3, end)
  const { walked } = ipv6
  if (walked.isAuthenticated) words[o + Word.l4Misc] = IP_AH
  const fragment =
    walked.fragmentOffset !== 0
      ? Fragment.later
      : walked.moreFragments
        ? Fragment.first
        : Fragment.none
  words[o + Word.ipMisc] =
    (walked.protocol << 24) |
    (ipv6.trafficClass(view, l3) << 16) |
    (ipv6.hopLimit(view, l3) << 8) |
    fragment
  if (whole && fragment !== Fragment.later)
    extractL4(words, o, walked.protocol, view, walked.l4, ipv6.payloadEnd(view, l3))
}

function extractL4(
  words: Int32Array,
  o: number,
  protocol: number,
  view: DataView,
  l4: number,
  end: number
): void {
  if (protocol === Protocol.tcp) {
    if (end - l4 < tcp.LENGTH_MIN) return
    words[o + Word.l4Ports] = view.getInt32(l4)
    words[o + Word.l4Misc]! |= tcp.flags(view, l4)
  } else if (protocol === Protocol.udp) {
    if (end - l4 >= 8) words[o + Word.l4Ports] = view.getInt32(l4)
  } else if (protocol === Protocol.icmp || protocol === Protocol.icmpv6) {
    if (end - l4 < icmp.LENGTH) return
    const type = icmp.type(view, l4)
    words[o + Word.l4Ports] = (type << 16) | icmp.code(view, l4)
    const hasId = protocol === Protocol.icmp ? icmp.hasId(type) : icmpv6.isEcho(type)
    if (hasId) words[o + Word.typeId]! |= icmp.id(view, l4)
  }
}
