// A learning bridge: remembers by which port each address was last heard, forwards by that, and
// floods the rest.  Its ports are trunks, which carry tagged frames as they are, or access ports of
// one VLAN; inside, every VLAN has addresses of its own.

import {
  address,
  CachePolicy,
  type Clock,
  type DeviceId,
  derive,
  deviceTag,
  ethernet,
  type LiveDevice,
  type Models,
  type SimulationContext,
  type Tag,
  Verdict,
  type Walks
} from '../../src/plugin.ts'
import { answerArp, answerNd, isNeighbourDiscovery } from './answer.ts'
import type { BridgeCounters } from './counters.ts'
import { MAC_AGE_MS, MACS_MAX } from './limits.ts'
import { Macs } from './macs.ts'
import { type Member, Members } from './members.ts'
import type { BridgeModel } from './model.ts'
import { Neighbours } from './neighbours.ts'
import { admit } from './security.ts'

const VID = 0xfff
const RESERVED_FIRST = 0x0180_c200_0000
const RESERVED_LAST = 0x0180_c200_000f
const NEVER_RELAYED = 0x0180_c200_0002

/** What a bridge is made of. */
export interface BridgeServices {
  readonly clock: Clock
  readonly walks: Walks
  readonly counters: BridgeCounters
}

/** A virtual switch: learns addresses, forwards by them, floods what it does not know. */
export class Bridge implements LiveDevice {
  readonly id: DeviceId
  readonly #tag: Tag
  readonly #floodTag: Tag
  readonly #walks: Walks
  readonly #counters: BridgeCounters
  readonly #macs: Macs
  readonly #neighbours: Neighbours
  readonly #vlans = new Set([0]) // whose addresses some flow may have asked for
  #members: Members
  #up = true
  #relaysReserved = false
  #inFilter: string | null = null
  #outFilter: string | null = null
  #visit: SimulationContext | null = null // the walk that is learning

  constructor(id: DeviceId, models: Models, { clock, walks, counters }: BridgeServices) {
    this.id = id
    this.#tag = deviceTag(id)
    this.#floodTag = derive(this.#tag, 1)
    this.#walks = walks
    this.#counters = counters
    this.#members = new Members(models, id)
    this.#macs = new Macs({
      table: models.table(macTable(id), 'lasting'),
      clock,
      counters,
      moved: (mac, vlan) => this.#stale(this.#macTag(mac, vlan))
    })
    this.#neighbours = new Neighbours({
      table: models.table(arpTable(id), 'lasting'),
      counters,
      tag: derive(this.#tag, 2),
      stale: tag => this.#stale(tag)
    })
    this.#configure(models)
    this.#neighbours.update(this.#members)
  }

  admit(ctx: SimulationContext): Verdict {
    return admit(ctx, ctx.inPort.security!)
  }

  process(ctx: SimulationContext): Verdict {
    ctx.tag(this.#tag)
    const { key } = ctx
    const src = key.ethSrc
    if (address.macIsGroup(src)) return ctx.drop('bridge.group-source')
    if (!this.#up) return ctx.drop('bridge.down')
    if (this.#isReserved(key.ethDst)) return ctx.drop('bridge.reserved')
    // Chains of bridges do not look at tagged frames; those of ports do.
    const passed = key.vlanOuter === 0 ? ctx.filter(this.#inFilter) : Verdict.forward
    if (passed === Verdict.postpone) return passed
    if (ctx.inPort.vlan !== 0) {
      if (key.vlanInner !== 0) return ctx.drop('bridge.too-many-tags')
      key.pushVlan(ctx.inPort.vlan)
    }
    const vlan = key.vlanOuter & VID
    this.#learn(ctx, src, vlan) // also from what the filter drops
    if (passed !== Verdict.forward) return passed
    const dst = key.ethDst
    return address.macIsGroup(dst) ? this.#group(ctx, vlan) : this.#unicast(ctx, src, dst, vlan)
  }

  update(models: Models): readonly Tag[] {
    const before = this.#members
    const after = new Members(models, this.id)
    const stale: Tag[] = this.#configure(models) ? [this.#tag] : []
    this.#members = after
    if (before.floodSignature !== after.floodSignature) stale.push(this.#floodTag)
    for (const { port, role } of before.all()) {
      const now = after.get(port.id)
      if (now === undefined) this.#macs.forget(port.id)
      if (now?.role !== role || now.port.vlan !== port.vlan) stale.push(port.tag)
    }
    this.#staleRouters(before, after, stale)
    this.#staleRouters(after, before, stale)
    this.#staleListed(before, after, stale)
    stale.push(...this.#neighbours.update(after))
    return stale
  }

  close(): void {
    this.#macs.close()
    this.#neighbours.close()
  }

  // --- learning ---------------------------------------------------------------------------------

  #learn(ctx: SimulationContext, mac: number, vlan: number): void {
    const isFree = this.#members.router(mac) === undefined
    if (isFree && !ctx.dryRun && this.#members.mayHave(mac, ctx.inPort, vlan)) {
      this.#visit = ctx
      const heard = this.#macs.hear(mac, vlan, ctx.inPort.id, ctx.now)
      this.#visit = null
      if (!heard) ctx.outcome.cachePolicy = CachePolicy.short // there may be room soon
    }
    ctx.tag(this.#asked(mac, vlan)) // if this address moves, it must be learned again
  }

  // Both ways, for a walk that learns and is then postponed forgets what it said.
  #stale(tag: Tag): void {
    this.#visit?.invalidate(tag)
    this.#walks.invalidate([tag])
  }

  // IEEE 802.1Q §8.6.3: what is for the other end of a link goes no further.  A bridge that is to
  // relay it keeps three to itself all the same, as Linux does: spanning tree, pause frames, and
  // the slow protocols, which each change the link they are on.
  #isReserved(dst: number): boolean {
    if (dst < RESERVED_FIRST || dst > RESERVED_LAST) return false
    return !this.#relaysReserved || dst <= NEVER_RELAYED
  }

  // --- forwarding -------------------------------------------------------------------------------

  #unicast(ctx: SimulationContext, src: number, dst: number, vlan: number): Verdict {
    ctx.tag(this.#asked(dst, vlan)) // also when it is unknown: it may become known
    if (dst === src) return ctx.drop('bridge.same-port', CachePolicy.short)
    const to = this.#members.router(dst) ?? this.#learned(dst, vlan)
    if (to === undefined) return this.#flood(ctx, vlan, false)
    if (to.port.id === ctx.inPort.id) return ctx.drop('bridge.same-port', CachePolicy.short)
    const { port } = to
    ctx.tag(port.tag)
    if (port.vlan !== 0 && port.vlan !== vlan) return ctx.drop('bridge.other-vlan')
    ctx.outPort = port
    const passed = ctx.key.vlanOuter === 0 ? ctx.filter(this.#outFilter) : Verdict.forward
    if (passed !== Verdict.forward) return passed
    if (port.vlan !== 0) ctx.key.popVlan()
    if (ctx.trace !== null) ctx.trace.step(`     ${address.formatMac(dst)} is at ${port.name}`)
    return ctx.forward(port.id)
  }

  #learned(mac: number, vlan: number): Member | undefined {
    const port = this.#macs.portOf(mac, vlan)
    return port === undefined ? undefined : this.#members.get(port)
  }

  #group(ctx: SimulationContext, vlan: number): Verdict {
    const type = ctx.key.ethType
    const isArp = type === ethernet.Type.arp
    const isNd = type === ethernet.Type.ipv6 && isNeighbourDiscovery(ctx)
    if ((isArp || isNd) && ctx.key.vlanOuter === 0) {
      const answer = isArp ? answerArp : answerNd
      const verdict = answer(ctx, this.#neighbours, this.#counters)
      if (verdict !== 0) return verdict
    }
    return this.#flood(ctx, vlan, isArp || isNd)
  }

  // Routers learn their neighbours from ARP and ND, and get no other flood.
  #flood(ctx: SimulationContext, vlan: number, withRouters: boolean): Verdict {
    const members = this.#members
    ctx.tag(this.#floodTag)
    for (const tag of members.downTags) ctx.tag(tag)
    ctx.outPort = null
    const passed = ctx.key.vlanOuter === 0 ? ctx.filter(this.#outFilter) : Verdict.forward
    if (passed !== Verdict.forward) return passed
    if (ctx.trace !== null) ctx.trace.step('     flood')
    const verdict = ctx.flood(members.trunks(withRouters && vlan === 0))
    if (vlan === 0) return verdict
    ctx.key.popVlan()
    return ctx.flood(members.access(vlan, withRouters))
  }

  // --- what outcomes depend on ------------------------------------------------------------------

  #asked(mac: number, vlan: number): Tag {
    if (vlan !== 0) this.#vlans.add(vlan)
    return this.#macTag(mac, vlan)
  }

  #macTag(mac: number, vlan: number): Tag {
    return derive(this.#tag, address.macHi(mac), address.macLo(mac), vlan)
  }

  // Where an address is listed decides where it is learned.
  #staleListed(before: Members, after: Members, stale: Tag[]): void {
    for (const [these, those] of [[before, after] as const, [after, before] as const]) {
      const listed = new Set(those.listedMacs())
      for (const mac of these.listedMacs())
        if (!listed.has(mac)) for (const vlan of this.#vlans) stale.push(this.#macTag(mac, vlan))
    }
  }

  // Routers' addresses hold in every VLAN.
  #staleRouters(these: Members, those: Members, stale: Tag[]): void {
    for (const [mac, { port }] of these.routers())
      if (those.router(mac)?.port.id !== port.id)
        for (const vlan of this.#vlans) stale.push(this.#macTag(mac, vlan))
  }

  // True when a flow through the bridge may now end otherwise.
  #configure(models: Models): boolean {
    const model = models.get<BridgeModel>('bridge', this.id)
    const { adminStateUp = true, inFilter = null, outFilter = null } = model ?? {}
    const relaysReserved = model?.relayReserved ?? false
    this.#macs.configure(model?.macAgeMs ?? MAC_AGE_MS, model?.macsMax ?? MACS_MAX)
    const isSame =
      this.#up === adminStateUp &&
      this.#relaysReserved === relaysReserved &&
      this.#inFilter === inFilter &&
      this.#outFilter === outFilter
    if (isSame) return false
    this.#up = adminStateUp
    this.#relaysReserved = relaysReserved
    this.#inFilter = inFilter
    this.#outFilter = outFilter
    return true
  }
}

/** The shared table of a bridge's MACs. */
export const macTable = (bridge: DeviceId): string => `mac/${bridge}`
/** The shared table of a bridge's neighbours. */
export const arpTable = (bridge: DeviceId): string => `arp/${bridge}`
