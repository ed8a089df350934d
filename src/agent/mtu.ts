// A frame that does not fit the tunnel it should leave by.  A sender that may not be fragmented is
// told the MTU (RFC 1191, RFC 8201), in the name of the address it spoke to, as the kernel's own
// tunnels do; an IPv4 packet that may be is fragmented here.

import type { Datapath } from '../datapath/datapath.ts'
import { ActionList } from '../flow/actions.ts'
import { icmpError, mayAnswerWithError } from '../wire/errors.ts'
import * as ethernet from '../wire/ethernet.ts'
import { fragmentIpv4 } from '../wire/fragments.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as vlan from '../wire/vlan.ts'

export interface TooBig {
  readonly view: DataView
  readonly at: number
  readonly end: number
  readonly mtu: number // of the inner IP packet
  readonly ifindex: number // where the frame came in
  readonly actions: ActionList | undefined // of its flow
}

// False when nothing could be done: the frame is lost.
export function tooBig(datapath: Datapath, big: TooBig): boolean {
  const { view, at, end } = big
  if (!ethernet.fits(view, at, end)) return false
  const typeAt = vlan.typeAt(view, at, end)
  const type = view.getUint16(typeAt)
  const l3 = typeAt + 2
  if (type === ethernet.Type.ipv4 && ipv4.fits(view, l3, end)) {
    if (!ipv4.dontFragment(view, l3)) return fragmented(datapath, big, l3)
    const src = new Int32Array([0, 0, 0, ipv4.dst(view, l3)])
    return told(datapath, big, src, icmp.Type.unreachable, icmp.Unreachable.fragmentationNeeded)
  }
  if (type === ethernet.Type.ipv6 && ipv6.fits(view, l3, end)) {
    const src = new Int32Array(4)
    ipv6.readDst(view, l3, src, 0)
    return told(datapath, big, src, icmpv6.Type.packetTooBig, 0)
  }
  return false
}

function told(
  datapath: Datapath,
  { view, at, end, mtu, ifindex }: TooBig,
  src: Int32Array,
  type: number,
  code: number
): boolean {
  if (!mayAnswerWithError(view, at, end)) return false
  const srcMac = ethernet.dst(view, at)
  const error = icmpError({ type, code, param: mtu, src, srcMac }, view, at, end)
  if (error === undefined) return false
  const back = new ActionList(1)
  back.output(ifindex)
  datapath.inject(error, back)
  return true
}

function fragmented(datapath: Datapath, big: TooBig, l3: number): boolean {
  const { view, at, end, mtu, actions } = big
  if (actions === undefined) return false
  const frame = new Uint8Array(view.buffer, view.byteOffset + at, end - at).slice()
  const pieces = fragmentIpv4(frame, l3 - at, mtu, ipv4.id(view, l3))
  for (const piece of pieces) datapath.inject(piece, actions)
  return pieces.length > 0
}
