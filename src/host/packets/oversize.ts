// A packet that does not fit where it should leave.  Whoever forwarded it tells its sender: a
// router that has just routed it (RFC 1812 §5.2.6, RFC 4443 §3.2), or, where the room of a tunnel
// is the reason and no router was on the way, the agent in the name of the address it was sent to,
// as the kernel's own tunnels do.  IPv4 that may be cut is cut.  A bridge does neither: what is
// larger than the interface behind it is lost, and counted.
//
// A flood is looked at output by output: it goes whole where it fits, and nobody is told.
// test/mtu.test.ts holds it.

import type { Datapath } from '../../datapath/datapath.ts'
import { ActionList, ActionType } from '../../flow/actions.ts'
import { type BodySize, exceeds, type Limits, measure } from '../../flow/size.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { icmpError, mayAnswerWithError } from '../../wire/errors.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { fragmentIpv4 } from '../../wire/fragments.ts'
import type { RawFrame } from '../../wire/frames.ts'
import * as icmp from '../../wire/icmp.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import { segments } from '../../wire/segments.ts'
import * as vlan from '../../wire/vlan.ts'
import type { Egress } from '../ports/egress.ts'

/** Outputs of an outcome that take the packet whole (`mtu` 0), or cut to IP packets of this MTU. */
export interface Part {
  /** What this part does. */
  readonly actions: ActionList
  /** Cut to this size first; 0: it fits. */
  readonly mtu: number
}

const MTU_MIN = 68 // RFC 791: every link takes that much
const IPV6_MTU_MIN = 1280

/** What becomes of packets that do not fit where they should leave. */
export class Oversize {
  readonly #datapath: Datapath
  readonly #lost: () => void
  readonly #body: BodySize = { size: 0, tags: 0 } // of this packet
  #ifindex = 0 // where it came in
  /** How this packet leaves that does not fit everywhere; null: as it is. */
  parts: readonly Part[] | null = null

  // `lost`: an output does not get the packet, though others may.
  constructor(datapath: Datapath, lost: () => void) {
    this.#datapath = datapath
    this.#lost = lost
  }

  /** Before a packet is walked. */
  measure(view: DataView, at: number, end: number, gsoSize: number, ifindex: number): void {
    measure(this.#body, view, at, end, gsoSize)
    this.#ifindex = ifindex
    this.parts = null
  }

  /** Whether the packet measured last exceeds none of the limits. */
  fits(limits: Limits): boolean {
    return !exceeds(this.#body, limits)
  }

  /** False: it leaves nowhere, and its sender was told if that may be. */
  judge(ctx: SimulationContext, out: Egress): boolean {
    const raw = this.fits(out.limits) ? undefined : ctx.raw()
    if (raw !== undefined) this.parts = this.#apart(ctx, raw, out)
    return this.parts === null || this.parts.length > 0
  }

  #apart(ctx: SimulationContext, raw: RawFrame, out: Egress): readonly Part[] {
    const body = this.#body
    const isTold = ctx.forwarder !== null
    const parts: Part[] = []
    const fitting: number[] = []
    out.outputs.forEach((limits, i) => {
      if (!exceeds(body, limits)) {
        fitting.push(i)
        return
      }
      const mtu = smaller(limits, body)
      const isTunnel = exceeds(body, { mtu: 0, room: limits.room })
      if ((isTold || isTunnel) && mayBeCut(raw, mtu))
        parts.push({ actions: only(out.actions, [i]), mtu })
      else if (out.outputs.length > 1) this.#lost()
      else if (isTold) ctx.forwarder!.tooBig(ctx, mtu)
      else if (isTunnel) this.#tell(ctx, raw, mtu)
    })
    if (fitting.length > 0) parts.unshift({ actions: only(out.actions, fitting), mtu: 0 })
    return parts
  }

  // Out of the interface it came in by; what came by a tunnel, or was made here, has none.
  #tell(ctx: SimulationContext, { view, at, end }: RawFrame, mtu: number): void {
    if (ctx.entry === '' || !mayAnswerWithError(view, at, end)) return
    const l3 = vlan.typeAt(view, at, end) + 2
    const isV6 = view.getUint16(l3 - 2) === ethernet.Type.ipv6
    const src = new Int32Array(4)
    if (isV6) ipv6.readDst(view, l3, src, 0)
    else src[3] = ipv4.dst(view, l3)
    const kind = isV6
      ? { type: icmpv6.Type.packetTooBig, code: 0, param: Math.max(mtu, IPV6_MTU_MIN) }
      : { type: icmp.Type.unreachable, code: icmp.Unreachable.fragmentationNeeded, param: mtu }
    const error = icmpError({ ...kind, src, srcMac: ethernet.dst(view, at) }, view, at, end)
    if (error === undefined) return
    const back = new ActionList(1)
    back.output(this.#ifindex)
    this.#datapath.inject(error, back)
  }
}

// The IP packet that both limits allow.
const smaller = ({ mtu, room }: Limits, { size, tags }: BodySize): number =>
  room !== 0 && size > room && (mtu === 0 || room - tags < mtu) ? room - tags : mtu

function mayBeCut({ view, at, end }: RawFrame, mtu: number): boolean {
  if (mtu < MTU_MIN || !ethernet.fits(view, at, end)) return false
  const l3 = vlan.typeAt(view, at, end) + 2
  if (view.getUint16(l3 - 2) !== ethernet.Type.ipv4 || !ipv4.fits(view, l3, end)) return false
  if (!ipv4.checksumValid(view, l3)) return false
  return !ipv4.dontFragment(view, l3) && mtu >= ipv4.headerLength(view, l3) + 8
}

/** Frames to send in the place of one, each with an IP packet of at most `mtu` bytes. */
export function pieces(frame: Uint8Array, gsoSize: number, mtu: number): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const l3 = vlan.typeAt(view, 0, frame.length) + 2
  return segments(frame, l3, gsoSize).flatMap(each => {
    const of = new DataView(each.buffer, each.byteOffset, each.byteLength)
    return fragmentIpv4(each, l3, mtu, ipv4.id(of, l3))
  })
}

// The list with these outputs and no others; edits stay, for they build on each other.
function only(actions: ActionList, outputs: readonly number[]): ActionList {
  const list = new ActionList(actions.count)
  let output = 0
  for (let i = 0; i < actions.count; i++) {
    const type = actions.type(i)
    const leaves = type === ActionType.output || type === ActionType.tunnel
    if (!leaves || outputs.includes(output++)) list.append(actions, i)
  }
  return list
}
