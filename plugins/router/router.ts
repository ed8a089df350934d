// A router: a frame for its MAC is filtered, routed, loses one hop, is filtered again, and leaves
// with a new Ethernet header.  IPv4 and IPv6 take the same way; where they differ, a line says so.
//
//   frame ─► for us? ─► in-filter ─► route ─┬─► port: TTL ─► out-filter ─► next hop ─► out
//              │ARP, ND: link.ts            ├─► local: ping
//                                           └─► none, reject, blackhole: errors.ts

import {
  address,
  CachePolicy,
  type DeviceId,
  deviceTag,
  echoReply,
  ethernet,
  FlowKey,
  type Forwarder,
  Fragment,
  icmp,
  icmpv6,
  ipv4,
  type LiveDevice,
  type LocalEndpoint,
  type Models,
  type NextHop,
  type PortId,
  type Service,
  type SimulationContext,
  type Tag,
  Verdict,
  vlan,
  Word,
  waitForDevice
} from '../../src/plugin.ts'
import { type Attachment, Attachments } from './attachments.ts'
import { badHeader, type ErrorKind, type ErrorSender, Errors, tooBig } from './errors.ts'
import { hearArp, hearDiscovery, isDiscovery } from './link.ts'
import type { RouterModel } from './models.ts'
import { NEIGHBOUR_NONE, NEIGHBOUR_PENDING, type NeighbourNeeds, policyOf } from './neighbours.ts'
import { Options, readOptions } from './options.ts'
import { type LearnedChange, LearnedRoutes } from './routing/learned.ts'
import type { Route } from './routing/route.ts'
import { RouteTable } from './routing/table.ts'
import { learnedTable } from './token.ts'

const BALANCER = 'load-balancer'
const { Type } = ethernet
const { Protocol } = ipv4
const ALL = -1
const TOP_8 = 0xff00_0000 | 0
const TOP_16 = 0xffff_0000 | 0

/** What a router is made of. */
export interface RouterNeeds extends NeighbourNeeds {
  /** Sends its ICMP errors. */
  readonly errors: ErrorSender
}

/** A virtual router: the longest matching route, next hops, errors, echo. */
export class Router implements Forwarder, LiveDevice, LocalEndpoint {
  readonly id: DeviceId
  readonly #tag: Tag
  readonly #given: RouterNeeds
  readonly #attachments: Attachments
  readonly #table: RouteTable
  readonly #entered = new FlowKey() // the packet as it came in
  readonly #asked = new FlowKey() // a ping while its answer is looked at
  readonly #own = new FlowKey() // a packet it sends itself
  #cameBy: PortId = '' // the packet
  #model: RouterModel
  readonly #learned: LearnedRoutes

  constructor(id: DeviceId, models: Models, given: RouterNeeds) {
    this.id = id
    this.#tag = deviceTag(id)
    this.#given = given
    this.#attachments = new Attachments(given)
    this.#table = new RouteTable(this.#tag)
    this.#model = models.get<RouterModel>('router', id)!
    const { counters, clock } = given
    const learned = models.table(learnedTable(id))
    this.#learned = new LearnedRoutes(id, learned, counters, clock, each => this.#relearn(each))
    this.update(models)
  }

  // --- the packet ---

  process(ctx: SimulationContext): Verdict {
    const { key } = ctx
    ctx.tag(this.#tag)
    const attached = this.#attachments.get(ctx.inPort.id)
    if (attached === undefined) return ctx.drop('router.no-such-port', CachePolicy.short)
    if (key.vlanOuter !== 0) return ctx.drop('router.vlan')
    const type = key.ethType
    const family = type === Type.ipv4 ? 4 : 6
    if (family === 6 && type !== Type.ipv6 && type !== Type.arp) return ctx.drop('router.not-ip')
    this.#entered.copy(key)
    if (this.#model.adminStateUp === false) {
      this.#tell(ctx, Errors.prohibited)
      return ctx.drop('router.down')
    }
    const balancer = this.#balancer(ctx)
    if (balancer === undefined)
      return ctx.postpone(waitForDevice(BALANCER, this.#model.loadBalancer!))
    attached.balancer = balancer
    if (type === Type.arp) return hearArp(ctx, attached)
    const dst = key.ethDst
    const isGroup = address.macIsGroup(dst)
    if (!isGroup && dst !== attached.port.port.mac) return ctx.drop('router.not-for-us')
    if (family === 6 && isDiscovery(key, attached)) return hearDiscovery(ctx, attached)
    if (isGroup) return ctx.drop('router.group')
    if (isUnread(key, family)) return ctx.drop('router.bad-header')
    if (family === 4 && key.hasOptions) {
      const taken = this.#takeOptions(ctx)
      if (taken !== Verdict.forward) return taken
    }
    const taken = balancer?.take(ctx, this) ?? null
    if (taken === Verdict.forward) return this.#route(ctx, family, null)
    if (taken !== null) return taken
    const passed = this.#filter(ctx, this.#model.inFilter)
    return passed === Verdict.forward ? this.#route(ctx, family, balancer) : passed
  }

  // Whoever sends options is looked at packet by packet: they are not in the key.
  #takeOptions(ctx: SimulationContext): Verdict {
    const raw = ctx.bytes()
    if (raw === undefined) return ctx.drop('router.bad-header', CachePolicy.short)
    const { view, at } = raw
    const l3 = vlan.typeAt(view, at, raw.end) + 2
    if (!ipv4.checksumValid(view, l3)) return ctx.drop('router.bad-header', CachePolicy.short)
    const { options, pointer } = readOptions(view, l3)
    if (options === Options.fine) return Verdict.forward
    if (options === Options.sourceRoute) return ctx.drop('router.source-route', CachePolicy.short)
    return this.#fail(ctx, 'router.bad-options', badHeader(pointer))
  }

  // undefined: not known yet; null: it has none.
  #balancer(ctx: SimulationContext): Service | undefined | null {
    const { loadBalancer } = this.#model
    if (loadBalancer === undefined) return null
    ctx.tag(deviceTag(loadBalancer))
    return ctx.topology.device(BALANCER, loadBalancer) as Service | undefined | null
  }

  /**
   * Asked by the walk when a port said no. At the way in nothing has happened to the packet in
   * here; at the way out it is the one that `process` saw last.
   */
  refuse(ctx: SimulationContext): void {
    if (ctx.outPort === null) this.#entered.copy(ctx.key)
    this.#tell(ctx, Errors.prohibited)
  }

  /** Asked at the end of the walk: where the packet leaves is too small for it. */
  tooBig(ctx: SimulationContext, mtu: number): void {
    this.#tell(ctx, tooBig(mtu), this.#cameBy)
  }

  #filter(ctx: SimulationContext, chain: string | undefined): Verdict {
    const passed = ctx.filter(chain ?? null)
    if (passed !== Verdict.reject) return passed
    this.#tell(ctx, Errors.prohibited)
    return ctx.drop(ctx.outcome.dropReason, CachePolicy.short)
  }

  // `balancer`: whom the answers of its servers are shown to.
  #route(ctx: SimulationContext, family: 4 | 6, balancer: Service | null): Verdict {
    const { key } = ctx
    if (isMartian(key, family)) return ctx.drop('router.martian')
    if (family === 6 && touchesLinkLocal(key)) return this.#onLinkOnly(ctx)
    const route = this.#table.lookup(key, family, ctx.keepsWay)
    if (this.#table.passedOver) ctx.passedOver = true
    ctx.tag(this.#table.regionTag)
    if (this.#table.isCoarse) this.#given.counters.regionsFull.value++
    if (ctx.trace !== null) ctx.trace.step(`route ${route?.text ?? 'none'}`)
    if (route === undefined) return this.#fail(ctx, 'router.no-route', Errors.noRoute)
    switch (route.kind) {
      case 'local':
        return this.#local(ctx, family)
      case 'blackhole':
        return ctx.drop('router.blackhole')
      case 'reject':
        return this.#fail(ctx, 'router.reject', Errors.prohibited)
      case 'port':
        return this.#send(ctx, route, balancer)
    }
  }

  #send(ctx: SimulationContext, route: Route, balancer: Service | null): Verdict {
    const attached = this.#attachments.get(route.port!.id)!
    const out = attached.port.port
    if (!ctx.decrementTtl()) return this.#fail(ctx, 'router.ttl-expired', Errors.ttlExpired)
    ctx.tag(out.tag)
    ctx.outPort = out
    ctx.forwarder = this
    this.#cameBy = ctx.inPort.id
    const passed = balancer?.undo?.(ctx) ?? this.#filter(ctx, this.#model.outFilter)
    if (passed !== Verdict.forward) return passed
    const next = nextHop(ctx.key, route)
    if (
      route.gateway === null &&
      route.family === 4 &&
      attached.port.isSubnetBroadcast(next.words[3]!)
    )
      return ctx.drop('router.subnet-broadcast')
    const mac = this.#macOf(ctx, attached, next)
    if (mac === NEIGHBOUR_PENDING) return ctx.postpone(attached.neighbours.waitingFor(next))
    if (mac < 0) {
      this.#tell(ctx, route.gateway === null ? Errors.hostUnreachable : Errors.noRoute)
      return ctx.drop('router.no-neighbour', policyOf(mac))
    }
    ctx.key.ethSrc = out.mac
    ctx.key.ethDst = mac
    return ctx.forward(out.id)
  }

  #macOf(ctx: SimulationContext, { port, peer, neighbours }: Attachment, next: address.Ip): number {
    // At the other end of the link is a router: it is the only neighbour, and we know it.
    if (peer !== null) {
      ctx.tag(peer.port.tag)
      return peer.owns(next.family, next.words) ? peer.port.mac : NEIGHBOUR_NONE
    }
    if (port.onLink(next.family, next.words) === undefined) return NEIGHBOUR_NONE
    ctx.tag(neighbours.tag(next))
    return neighbours.find(next, ctx.dryRun)
  }

  /** Another gateway's traffic may come to leave by this port: its next hops stay known. */
  expect(id: PortId): void {
    const attached = this.#attachments.get(id)
    if (attached === undefined || attached.peer !== null) return
    const { port, neighbours } = attached
    for (const ip of this.#attachments.gateways(id))
      if (port.onLink(ip.family, ip.words) !== undefined) neighbours.find(ip)
  }

  // --- packets of its own ---

  owns(family: 4 | 6, words: Int32Array, at = 0): boolean {
    return this.#attachments.owns(family, words, at)
  }

  nextHopTo(family: 4 | 6, words: Int32Array): NextHop | undefined | null {
    const key = this.#own
    key.clear()
    key.words.set(words, Word.ipDst)
    const route = this.#table.lookup(key, family)
    if (route?.kind !== 'port' || this.#model.adminStateUp === false) return null
    const { port, peer, neighbours } = this.#attachments.get(route.port!.id)!
    const next = nextHop(key, route)
    const isNear = peer?.owns(family, next.words) ?? port.onLink(family, next.words) !== undefined
    const src = port.sourceFor(family, words)
    if (!isNear || src === undefined) return null
    const mac = peer === null ? neighbours.find(next) : peer.port.mac
    if (mac === NEIGHBOUR_PENDING) return undefined
    if (mac < 0) return null
    return { port: port.id, srcMac: port.port.mac, dstMac: mac, src: src.words }
  }

  // --- the packet, once more ---

  // For an address of the router, whichever port has it.
  #local(ctx: SimulationContext, family: 4 | 6): Verdict {
    if (!isPing(ctx.key, family)) return ctx.drop('router.local', CachePolicy.short)
    const frame = this.#given.errors.frameOf(ctx, this.#entered)
    if (frame === undefined) return ctx.consume()
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const reply = echoReply(view, 0, frame.length)
    if (reply === undefined) return ctx.drop('router.bad-ping', CachePolicy.short)
    const passed = this.#filterReply(ctx, family)
    if (passed !== Verdict.forward) return passed
    this.#given.counters.echoReplies.value++
    ctx.emit(reply, ctx.inPort.id)
    return ctx.consume()
  }

  // A reply leaves past the out-filter, as an answer.  It comes from where the request was sent to
  // before anybody translated it, so the filter may only say whether it goes.
  #filterReply(ctx: SimulationContext, family: 4 | 6): Verdict {
    const { outFilter } = this.#model
    if (outFilter === undefined) return Verdict.forward
    const { key, generated, dryRun } = ctx
    this.#asked.copy(key)
    turn(key, family)
    ctx.generated = ctx.dryRun = true // nothing comes of it but an opinion
    ctx.outPort = ctx.inPort
    const passed = ctx.filter(outFilter)
    key.copy(this.#asked)
    ctx.generated = generated
    ctx.dryRun = dryRun
    ctx.outPort = null
    return passed === Verdict.reject ? ctx.drop(ctx.outcome.dropReason, CachePolicy.short) : passed
  }

  // RFC 4291 §2.5.6: a packet with a link-local address does not leave its link.
  #onLinkOnly(ctx: SimulationContext): Verdict {
    const { key, inPort } = ctx
    for (let i = 0; i < 4; i++) key.ipDstWord(i)
    const { port } = this.#attachments.get(inPort.id)!
    if (port.owns(6, key.words, Word.ipDst)) return this.#local(ctx, 6)
    return ctx.drop('router.link-local')
  }

  #fail(ctx: SimulationContext, reason: string, error: ErrorKind): Verdict {
    this.#tell(ctx, error)
    return ctx.drop(reason, CachePolicy.short)
  }

  #tell(ctx: SimulationContext, error: ErrorKind, cameBy = ctx.inPort.id): void {
    const attached = this.#attachments.get(cameBy)
    if (attached !== undefined) this.#given.errors.send(ctx, error, attached.port, this.#entered)
  }

  // --- the models ---

  update(models: Models): readonly Tag[] {
    const before = this.#model
    const model = models.get<RouterModel>('router', this.id) ?? before
    this.#model = model
    const stale = this.#routesOf(models)
    const isSame =
      before.inFilter === model.inFilter &&
      before.outFilter === model.outFilter &&
      before.loadBalancer === model.loadBalancer &&
      before.adminStateUp === model.adminStateUp
    return isSame ? stale : [this.#tag]
  }

  // What hosts have learned has changed.
  #relearn(change: LearnedChange): void {
    const { gone, come } = this.#attachments.relearn(change)
    const stale = this.#table.change(gone, come)
    if (stale.length > 0) this.#given.walks.invalidate(stale)
  }

  #routesOf(models: Models): Tag[] {
    return this.#table.replace(this.#attachments.update(this.id, models, this.#learned.models()))
  }

  close(): void {
    this.#learned.close()
    this.#attachments.close()
  }
}

// Addresses that no router forwards from or to (RFC 1812 §5.3.7, RFC 4291 §2.5 and §2.7): IPv4
// 0/8, 127/8 and from 224/4 up; IPv6 groups and ::/16, which holds `::`, `::1` and mapped ones.
function isMartian(key: FlowKey, family: 4 | 6): boolean {
  if (family === 4)
    return isMartian4(key.ipDstWord(3, TOP_8) >>> 24) || isMartian4(key.ipSrcWord(3, TOP_8) >>> 24)
  return isMartian6(key.ipDstWord(0, TOP_16) >>> 16) || isMartian6(key.ipSrcWord(0, TOP_16) >>> 16)
}

// A header that does not hold together, or whose sum is wrong (RFC 1812 §5.2.2), leaves the
// addresses of the key empty; to ask for more of them would only make more flows.
function isUnread(key: FlowKey, family: 4 | 6): boolean {
  const isEmpty =
    family === 4
      ? key.ipDstWord(3, TOP_8) === 0 && key.ipSrcWord(3, TOP_8) === 0
      : key.ipDstWord(0, TOP_16) === 0 && key.ipSrcWord(0, TOP_16) === 0
  return isEmpty && (key.words[Word.ipMisc]! & 0xff) === Fragment.unread
}

const isMartian4 = (octet: number): boolean => octet === 0 || octet === 127 || octet >= 224
const isMartian6 = (top: number): boolean => top === 0 || top >= 0xff00

const touchesLinkLocal = (key: FlowKey): boolean =>
  address.ipv6IsLinkLocal(key.ipDstWord(0, TOP_16)) ||
  address.ipv6IsLinkLocal(key.ipSrcWord(0, TOP_16))

function isPing(key: FlowKey, family: 4 | 6): boolean {
  return family === 4
    ? key.ipProto === Protocol.icmp && key.icmpType === icmp.Type.echoRequest
    : key.ipProto === Protocol.icmpv6 && key.icmpType === icmpv6.Type.echoRequest
}

// A ping's key becomes that of its answer.
function turn(key: FlowKey, family: 4 | 6): void {
  const from = Int32Array.from({ length: 8 }, (_, i) => key.ask(Word.ipSrc + i, ALL))
  if (family === 4) {
    key.ipv4Src = from[7]!
    key.ipv4Dst = from[3]!
    key.l4Src = icmp.Type.echoReply
  } else {
    key.setIpSrc(from, 4)
    key.setIpDst(from, 0)
    key.l4Src = icmpv6.Type.echoReply
  }
}

// With a gateway the destination is not asked for any further.
function nextHop(key: FlowKey, { family, gateway }: Route): address.Ip {
  if (gateway !== null) return { family, words: gateway }
  const words = new Int32Array(4)
  for (let i = family === 4 ? 3 : 0; i < 4; i++) words[i] = key.ipDstWord(i)
  return { family, words }
}
