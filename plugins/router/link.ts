// What a router port says and hears on its link: ARP (RFC 826, RFC 5227) and neighbour discovery
// (RFC 4861, RFC 4862).  It answers for its own addresses only, and believes a neighbour only
// about an address in a subnet of the port.

import {
  address,
  arp,
  ethernet,
  type FlowKey,
  frames,
  icmpv6,
  ipv6,
  nd,
  type Service,
  type SimulationContext,
  type Verdict,
  Word
} from '../../src/plugin.ts'
import type { RouterCounters } from './counters.ts'
import type { Neighbours } from './neighbours.ts'
import type { RouterPort } from './ports.ts'

const { Type } = icmpv6
const ALL_NODES = Int32Array.of(0xff02_0000 | 0, 0, 0, 1)
const L3 = ethernet.LENGTH

/** A router's port, and who is to be found by it. */
export interface Link {
  readonly port: RouterPort
  readonly neighbours: Neighbours
  readonly counters: RouterCounters
  /** Its addresses on this link are answered for too. */
  readonly balancer: Service | null
}

function answersFor({ port, balancer }: Link, family: 4 | 6, words: Int32Array, at = 0): boolean {
  if (port.owns(family, words, at)) return true
  return (
    balancer?.owns?.(family, words, at) === true && port.onLink(family, words, at) !== undefined
  )
}

// --- ARP ---

/** An ARP message at a router's port: learns, answers, and ends there. */
export function hearArp(ctx: SimulationContext, link: Link): Verdict {
  const { key } = ctx
  const { port } = link
  const isGroup = address.macIsGroup(key.ethDst)
  if (!isGroup && key.ethDst !== port.port.mac) return ctx.drop('router.not-for-us')
  // Most of what a router hears on a shared link asks for others.  The key shows that much, so
  // the answer to it can be a flow.
  const isQuestion = key.ipProto === arp.Operation.request && key.ipv4Src !== key.ipv4Dst
  if (isQuestion && !answersFor(link, 4, key.words, Word.ipDst))
    return ctx.drop('router.arp-not-for-us')
  const frame = ctx.frame()
  if (frame !== undefined && !ctx.dryRun) readArp(ctx, link, frame)
  return ctx.consume()
}

function readArp(ctx: SimulationContext, link: Link, frame: Uint8Array): void {
  const view = viewOf(frame)
  if (!arp.fits(view, L3, frame.length)) return
  const { port, counters } = link
  const operation = arp.operation(view, L3)
  const sender = ipv4Of(arp.senderIp(view, L3))
  const target = ipv4Of(arp.targetIp(view, L3))
  const mac = arp.senderMac(view, L3)
  if (!address.macIsStation(mac)) {
    counters.refused.value++
    return
  }
  const isForUs = answersFor(link, 4, target.words)
  const isOurs = operation === arp.Operation.request || arp.targetMac(view, L3) === port.port.mac
  if (arp.isGratuitous(view, L3) || (isForUs && isOurs)) hear(link, sender, mac)
  if (operation !== arp.Operation.request || !isForUs || answersFor(link, 4, sender.words)) return
  // A probe (RFC 5227 §2.1.1) has no sender address yet, and must hear that this one is taken.
  const isProbe = sender.words[3] === 0
  if (!isProbe && port.onLink(4, sender.words) === undefined) return
  counters.answers.value++
  const { mac: ours } = port.port
  ctx.emit(frames.arpReply(ours, target.words[3]!, mac, sender.words[3]!), port.id)
}

// --- neighbour discovery ---

/** True for a neighbour solicitation or advertisement that may be meant for this port. */
export function isDiscovery(key: FlowKey, link: Link): boolean {
  if (key.ipProto !== ipv6.Protocol.icmpv6) return false
  const type = key.icmpType
  if (type !== Type.neighbourSolicitation && type !== Type.neighbourAdvertisement) return false
  if (address.ipv6IsMulticast(key.ipDstWord(0))) return true
  for (let i = 1; i < 4; i++) key.ipDstWord(i)
  return answersFor(link, 6, key.words, Word.ipDst)
}

/** A message of neighbour discovery at a router's port: learns, answers, and ends there. */
export function hearDiscovery(ctx: SimulationContext, link: Link): Verdict {
  const frame = ctx.frame()
  if (frame !== undefined && !ctx.dryRun) readDiscovery(ctx, link, frame)
  return ctx.consume()
}

function readDiscovery(ctx: SimulationContext, link: Link, frame: Uint8Array): void {
  const view = viewOf(frame)
  const l4 = nd.believed(view, L3, frame.length)
  if (l4 < 0) {
    link.counters.refused.value++
    return
  }
  const end = ipv6.payloadEnd(view, L3)
  if (icmpv6.type(view, l4) === Type.neighbourSolicitation) solicited(ctx, link, view, l4, end)
  else advertised(link, view, l4, end)
}

function solicited(
  ctx: SimulationContext,
  link: Link,
  view: DataView,
  l4: number,
  end: number
): void {
  const { port, counters } = link
  const { sender, target } = partiesOf(view, l4)
  if (!answersFor(link, 6, target.words) || answersFor(link, 6, sender.words)) return
  const mac = nd.linkLayer(view, l4, end, nd.Option.sourceLinkLayer)
  const isProbe = sender.words.every(word => word === 0)
  if (isProbe) {
    // RFC 4862 §5.4: somebody is about to take our address; everyone hears that it is taken.
    const to = { mac: address.multicastMac6(ALL_NODES[3]!), ip: ALL_NODES }
    return answer(ctx, link, target, nd.Flag.router | nd.Flag.override, to)
  }
  const asking = mac >= 0 ? mac : ethernet.src(view, 0)
  if (port.onLink(6, sender.words) === undefined || !address.macIsStation(asking)) {
    counters.refused.value++
    return
  }
  if (mac >= 0) hear(link, sender, mac)
  const to = { mac: asking, ip: sender.words }
  answer(ctx, link, target, nd.Flag.router | nd.Flag.solicited | nd.Flag.override, to)
}

function answer(
  ctx: SimulationContext,
  { port, counters }: Link,
  target: address.Ip,
  flags: number,
  to: { readonly mac: number; readonly ip: Int32Array }
): void {
  counters.answers.value++
  ctx.emit(frames.neighbourAdvertisement(port.port.mac, target.words, flags, to), port.id)
}

// RFC 4861 §7.2.5: without the override flag an advertisement confirms, but does not move anyone;
// without an option it confirms whoever sends from the address that is known.
function advertised(link: Link, view: DataView, l4: number, end: number): void {
  const { target } = partiesOf(view, l4)
  const option = nd.linkLayer(view, l4, end, nd.Option.targetLinkLayer)
  const mac = option >= 0 ? option : ethernet.src(view, 0)
  const known = link.neighbours.known(target)
  const overrides = option >= 0 && (nd.flags(view, l4) & nd.Flag.override) !== 0
  if (known !== undefined && known !== mac && !overrides) return
  hear(link, target, mac)
}

function hear(link: Link, ip: address.Ip, mac: number): void {
  const { port, neighbours, counters } = link
  const { family, words } = ip
  const isNeighbour =
    port.onLink(family, words) !== undefined &&
    !answersFor(link, family, words) &&
    !(family === 4 && port.isSubnetBroadcast(words[3]!))
  const isStation = address.macIsStation(mac) && mac !== port.port.mac
  if (isNeighbour && isStation) neighbours.learn(ip, mac)
  else counters.refused.value++
}

function partiesOf(view: DataView, l4: number): { sender: address.Ip; target: address.Ip } {
  const sender = new Int32Array(4)
  const target = new Int32Array(4)
  ipv6.readSrc(view, L3, sender, 0)
  nd.readTarget(view, l4, target, 0)
  return { sender: { family: 6, words: sender }, target: { family: 6, words: target } }
}

const ipv4Of = (ip: number): address.Ip => ({ family: 4, words: Int32Array.of(0, 0, 0, ip) })

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)
