// ARP and neighbour solicitations that a bridge answers itself, and announcements it hears.
// Each function gives the verdict when the frame is dealt with, 0 when it is to be flooded.
// The hardware address of ARP and the target of ND are not in the flow key: who reads them reads
// the bytes, and the outcome is not cached.

import {
  address,
  arp,
  frames,
  icmpv6,
  ipv6,
  nd,
  type SimulationContext,
  type Verdict,
  vlan
} from '../../src/plugin.ts'
import type { BridgeCounters } from './counters.ts'
import type { Neighbours } from './neighbours.ts'

const FLOOD = 0
const ipv4Words = new Int32Array(4)
const askerWords = new Int32Array(4)
const target = new Int32Array(4)
const asker = new Int32Array(4)
const ALL_NODES = Int32Array.of(0xff02_0000 | 0, 0, 0, 1)

/** What becomes of a question: a verdict, or it is flooded as any packet. */
export type Answer = Verdict | typeof FLOOD

/** An untagged ARP frame to a group. */
export function answerArp(
  ctx: SimulationContext,
  neighbours: Neighbours,
  counters: BridgeCounters
): Answer {
  const { key } = ctx
  const wanted = key.ipv4Dst
  ipv4Words[3] = wanted
  ctx.tag(neighbours.tagOf(4, ipv4Words))
  const known = neighbours.macOf(4, ipv4Words)
  if (known < 0) return FLOOD
  const sender = key.ipv4Src
  const operation = key.ipProto
  const isRequest = operation === arp.Operation.request
  if (!isRequest && operation !== arp.Operation.reply) return FLOOD
  if (sender === wanted) return announcedByArp(ctx, neighbours)
  if (!isRequest) return FLOOD
  const raw = ctx.bytes()
  if (raw === undefined) return FLOOD
  const asking = arp.senderMac(raw.view, bodyOf(raw))
  // The router would not answer either; let it say so.
  askerWords[3] = sender
  if (!address.macIsStation(asking) || !neighbours.mayAsk(4, ipv4Words, askerWords)) return FLOOD
  // A host that probes for its own address (RFC 5227) must not hear that it is taken.
  if (known === asking || known === key.ethSrc) return FLOOD
  return send(ctx, counters, frames.arpReply(known, wanted, asking, sender))
}

function announcedByArp(ctx: SimulationContext, neighbours: Neighbours): Answer {
  const raw = ctx.bytes() // every announcement must be heard: no flow
  if (raw === undefined || ctx.dryRun) return FLOOD
  neighbours.announced(ctx, 4, ipv4Words, arp.senderMac(raw.view, bodyOf(raw)))
  return FLOOD
}

// A frame that is untagged here may have come with the tag of a VLAN which it has left.
const bodyOf = ({ view, at, end }: Raw): number => vlan.typeAt(view, at, end) + 2
type Raw = NonNullable<ReturnType<SimulationContext['bytes']>>

/** Neighbour discovery rides on ICMPv6. */
export const isNeighbourDiscovery = (ctx: SimulationContext): boolean =>
  ctx.key.ipProto === ipv6.Protocol.icmpv6 && icmpv6.isNeighbourDiscovery(ctx.key.icmpType)

/** An untagged neighbour discovery frame to a group. */
export function answerNd(
  ctx: SimulationContext,
  neighbours: Neighbours,
  counters: BridgeCounters
): Answer {
  const type = ctx.key.icmpType
  const solicits = type === icmpv6.Type.neighbourSolicitation
  if (!solicits && type !== icmpv6.Type.neighbourAdvertisement) return FLOOD
  const raw = ctx.bytes()
  if (raw === undefined) return FLOOD
  const { view, end } = raw
  const l3 = bodyOf(raw)
  const l4 = nd.believed(view, l3, end)
  if (l4 < 0) return FLOOD
  const l4End = ipv6.payloadEnd(view, l3)
  nd.readTarget(view, l4, target, 0)
  if (!solicits) return announcedByNd(ctx, neighbours, view, l4, l4End)
  ipv6.readSrc(view, l3, asker, 0)
  return answerSolicitation(ctx, neighbours, counters)
}

// `target` and `asker` are read.
function answerSolicitation(
  ctx: SimulationContext,
  neighbours: Neighbours,
  counters: BridgeCounters
): Answer {
  const known = neighbours.macOf(6, target)
  const asking = ctx.key.ethSrc
  if (known < 0 || known === asking || !neighbours.mayAsk(6, target, asker)) return FLOOD
  const probe = asker.every(word => word === 0)
  const flags =
    nd.Flag.override |
    (probe ? 0 : nd.Flag.solicited) |
    (neighbours.isRouter(6, target) ? nd.Flag.router : 0)
  // A probe for a duplicate has no source: all nodes are told (RFC 4861 §7.2.4).
  const to = probe
    ? { mac: address.multicastMac6(ALL_NODES[3]!), ip: ALL_NODES }
    : { mac: asking, ip: asker }
  return send(ctx, counters, frames.neighbourAdvertisement(known, target, flags, to))
}

function announcedByNd(
  ctx: SimulationContext,
  neighbours: Neighbours,
  view: DataView,
  l4: number,
  end: number
): Answer {
  const mac = nd.linkLayer(view, l4, end, nd.Option.targetLinkLayer)
  // RFC 4861 §7.2.5: without the override flag it moves nobody.
  const isMove = (nd.flags(view, l4) & (nd.Flag.solicited | nd.Flag.override)) === nd.Flag.override
  if (mac > 0 && isMove && !ctx.dryRun) neighbours.announced(ctx, 6, target, mac)
  return FLOOD
}

function send(ctx: SimulationContext, counters: BridgeCounters, frame: frames.Frame): Verdict {
  if (ctx.trace !== null) ctx.trace.step('     answered by the bridge')
  if (!ctx.dryRun) {
    counters.answered.value++
    ctx.emit(frame, ctx.inPort.id)
  }
  return ctx.consume()
}
