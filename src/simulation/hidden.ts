// Frames that hide what they are from whoever asks.  A rule must not be passed by wrapping a packet
// so that nobody here can read it, when its receiver can.
//
//   the network   a third tag, a tag of another maker, IP or ARP in LLC (RFC 1042) or with a header
//                 that does not hold together: no rule about types or addresses could match
//   the transport a first fragment that ends within its header, IPv6 headers that lead to no
//                 transport header: no rule about ports could (RFC 1858 §3, RFC 7112 §5)

import { Fragment } from '../flow/key.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as vlan from '../wire/vlan.ts'
import type { SimulationContext } from './context.ts'

const { Type } = ethernet

// The key has two tags; a type that is a tag's stands behind them, or is none we read.
const TAGS: ReadonlySet<number> = new Set([Type.vlan, Type.qinq, 0x9100, 0x9200, 0x9300])

/** What asks for the type of a packet, or for anything behind it, cannot be answered. */
export function hidesNetwork(ctx: SimulationContext): boolean {
  const { key } = ctx
  const type = key.ethType
  if (isIp(type) || type === Type.arp) return key.fragment === Fragment.unread
  return type < ethernet.TYPE_MIN ? wrapsNetwork(ctx) : TAGS.has(type)
}

const SAP_IP = 0x06
const SAP_ARP = 0x98
const SAP_SNAP = 0xaa
const SNAP_LENGTH = 8 // destination, source, control, organisation 3, type 2
const GROUP_BIT = 1

// The bytes of LLC are not in the key: nothing becomes a flow that is asked for them.
function wrapsNetwork(ctx: SimulationContext): boolean {
  const raw = ctx.bytes()
  if (raw === undefined) return false
  const { view, at, end } = raw
  const llc = vlan.typeAt(view, at, end) + 2
  if (end - llc < 1) return false
  const sap = view.getUint8(llc) & ~GROUP_BIT
  if (sap === SAP_IP || sap === SAP_ARP) return true
  if (sap !== SAP_SNAP || end - llc < SNAP_LENGTH) return false
  const type = view.getUint16(llc + SNAP_LENGTH - 2)
  return isIp(type) || type === Type.arp || TAGS.has(type)
}

const isIp = (type: number): boolean => type === Type.ipv4 || type === Type.ipv6

// Hop-by-hop, routing, fragment, authentication, destination options: the last header in the key
// only when the way through them ended early.
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 44, 51, 60])

const { Protocol } = ipv4

/** What asks for the protocol of an IP packet, or its ports, cannot be answered. */
export function hidesTransport({ key }: SimulationContext): boolean {
  const type = key.ethType
  if (!isIp(type)) return false
  const protocol = key.ipProto
  if (protocol === Protocol.ah || (type === Type.ipv6 && EXTENSIONS.has(protocol)))
    return key.fragment !== Fragment.later
  const hasPorts =
    protocol === Protocol.tcp ||
    protocol === Protocol.udp ||
    (type === Type.ipv6 && protocol === Protocol.icmpv6)
  if (!hasPorts || key.fragment !== Fragment.first) return false
  return key.l4Src === 0 && key.l4Dst === 0
}
