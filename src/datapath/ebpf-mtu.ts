// What fits a tunnel.  The kernel compares a packet with its flow's MTU before any action runs, so
// what goes up for being too big is the frame as it arrived; packet-outs are compared here.
//
// Sizes count what stands behind the addresses and the type of the MAC header: tags and payload.

import { type ActionList, ActionType, TunnelKind } from '../flow/actions.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vlan from '../wire/vlan.ts'

// Outer IPv4, then UDP and VXLAN or GRE with its key, then the inner MAC header.
const OVERHEAD = { [TunnelKind.vxlan]: 20 + 8 + 8 + 14, [TunnelKind.gre]: 20 + 8 + 14 } as const

const overhead = (kind: number): number =>
  kind === TunnelKind.gre ? OVERHEAD[TunnelKind.gre] : OVERHEAD[TunnelKind.vxlan]

// The least room any tunnel of the list leaves; 0 when there is no tunnel.  `underlayMtu` gives an
// interface's MTU.  Tags that the actions push on the way take room of their own.
export function roomOf(actions: ActionList, underlayMtu: (ifindex: number) => number): number {
  let least = 0
  let pushed = 0
  for (let i = 0; i < actions.count; i++) {
    const type = actions.type(i)
    if (type === ActionType.pushVlan) pushed += vlan.LENGTH
    else if (type === ActionType.popVlan) pushed = Math.max(0, pushed - vlan.LENGTH)
    else if (type === ActionType.tunnel) {
      const room = underlayMtu(actions.w(i, 3)) - overhead(actions.flags(i)) - pushed
      if (room > 0 && (least === 0 || room < least)) least = room
    }
  }
  return least
}

export interface BodySize {
  size: number // of the largest segment
  tags: number // of that, tags
}

// What the frame at [at, end) needs, of a GSO frame its largest segment.
export function bodySize(view: DataView, at: number, end: number, gsoSize: number): BodySize {
  if (!ethernet.fits(view, at, end)) return { size: 0, tags: 0 }
  const body = at + ethernet.LENGTH
  const l3 = vlan.typeAt(view, at, end) + 2
  const size = gsoSize === 0 ? end - body : headerLength(view, l3, end) + (l3 - body) + gsoSize
  return { size, tags: l3 - body }
}

// Network and transport header of a GSO frame, which the kernel has seen to be sound.
function headerLength(view: DataView, l3: number, end: number): number {
  const v4 = ipv4.fits(view, l3, end)
  if (!v4 && !ipv6.fits(view, l3, end)) return 0
  const protocol = v4 ? ipv4.protocol(view, l3) : ipv6.nextHeader(view, l3)
  const l4 = l3 + (v4 ? ipv4.headerLength(view, l3) : ipv6.LENGTH)
  if (protocol === ipv4.Protocol.tcp && end - l4 >= tcp.LENGTH_MIN)
    return l4 - l3 + tcp.headerLength(view, l4)
  return l4 - l3 + udp.LENGTH
}
