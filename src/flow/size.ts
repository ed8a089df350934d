// How large a packet may be that leaves by an outcome.  Two things limit it: the MTU of an
// interface, which counts what stands behind the tags (as Linux and 802.3 have it), and the room
// that a tunnel leaves, tags included.  The kernel compares each packet with its flow's limits
// before any action runs, so what goes up for being too big is the frame as it arrived.

import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vlan from '../wire/vlan.ts'
import { TunnelKind } from './actions.ts'

/** 0: any size goes. */
export interface Limits {
  /** Of the smallest interface, here or at another host. */
  readonly mtu: number
  /** The least room of any tunnel. */
  readonly room: number
}

/** Any size goes. */
export const NO_LIMITS: Limits = { mtu: 0, room: 0 }
const LIMIT_MAX = 0xffff // what the kernel's flow can say; nothing larger is ever sent

/** A limit in bytes; 0 where none is needed. */
export const limit = (bytes: number): number => (bytes > 0 && bytes < LIMIT_MAX ? bytes : 0)
/** The smaller of two limits. */
export const least = (a: number, b: number): number => (a === 0 || (b !== 0 && b < a) ? b : a)

// Outer IPv4, then UDP and VXLAN or GRE with its key, then the inner MAC header.
const OVERHEAD = { [TunnelKind.vxlan]: 20 + 8 + 8 + 14, [TunnelKind.gre]: 20 + 8 + 14 } as const

/** The room of a tunnel, when tags of so many bytes are pushed before it. */
export const tunnelRoom = (kind: number, underlayMtu: number, pushed: number): number =>
  limit(
    underlayMtu - OVERHEAD[kind === TunnelKind.gre ? TunnelKind.gre : TunnelKind.vxlan] - pushed
  )

/** What a frame needs behind its MAC header; of a GSO frame, its largest segment. */
export interface BodySize {
  /** Bytes. */
  size: number
  /** Of that, tags. */
  tags: number
}

/** Whether both refuse the same sizes. */
export const sameLimits = (a: Limits, b: Limits): boolean => a.mtu === b.mtu && a.room === b.room

/** Whether such a frame is too large for one of the limits. */
export const exceeds = ({ size, tags }: BodySize, { mtu, room }: Limits): boolean =>
  (room !== 0 && size > room) || (mtu !== 0 && size - tags > mtu)

/** Measures the frame at [at, end) into `into`; `gsoSize` 0: it is no GSO frame. */
export function measure(
  into: BodySize,
  view: DataView,
  at: number,
  end: number,
  gsoSize: number
): BodySize {
  into.size = into.tags = 0
  if (!ethernet.fits(view, at, end)) return into
  const body = at + ethernet.LENGTH
  const l3 = vlan.typeAt(view, at, end) + 2
  into.size = gsoSize === 0 ? end - body : headerLength(view, l3, end) + (l3 - body) + gsoSize
  into.tags = l3 - body
  return into
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
