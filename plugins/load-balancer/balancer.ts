// A load balancer, between the link and the filters of its router:
//   client ─► router ─► take: VIP? ─► member: known, or chosen ─► destination: it ─► route
//   client ◄─ router ◄─ out ◄─ undo: source: the VIP ◄─ connection known? ◄─ route ◄─ member
//
// A connection never leaves its member while that lives: what becomes of a pool concerns new ones.

import {
  CachePolicy,
  type DeviceId,
  deviceTag,
  echoReply,
  Fragment,
  hashWith,
  ipv4,
  isOver,
  type LiveDevice,
  type LocalEndpoint,
  type Models,
  type Service,
  type SimulationContext,
  state,
  type Tag,
  Tuple,
  tupleOf,
  Verdict,
  WAIT_FOR_PULL,
  type Walks,
  Word
} from '../../src/plugin.ts'
import { Addresses } from './addresses.ts'
import { type Call, type ChooseNeeds, choose, isFull, takesKnown } from './connections/choose.ts'
import type { ConnectionCounts } from './connections/connection-counts.ts'
import { Departed } from './connections/departed.ts'
import { lackOf, type Obstacle, type Refusals } from './connections/refusal.ts'
import {
  type BalancerKinds,
  continues,
  OPENING_FLAGS,
  opens,
  Translations
} from './connections/translations.ts'
import type { LoadBalancerCounters } from './counters.ts'
import { HealthChecks } from './health/health-checks.ts'
import type { HealthNeeds } from './health/pool-health.ts'
import { familyOf, isIcmpError, isPing } from './kinds.ts'
import {
  boundOf,
  chanceOf,
  compile,
  type Member,
  type Parts,
  type Pool,
  type Vip
} from './parts.ts'

const { KeyWord, RecordWord } = state
const { Protocol } = ipv4
const NOT_FOR_IT = null

/** What a load balancer is made of. */
export interface BalancerNeeds extends ChooseNeeds {
  readonly connectionCounts: ConnectionCounts
  readonly counters: LoadBalancerCounters
  readonly walks: Walks
  /** What its health checks are made of. */
  readonly health: HealthNeeds
  readonly refusals: Refusals
  readonly kinds: BalancerKinds
  /** It was closed. */
  gone(): void
}

/** Gives connections to virtual addresses to members of pools, for one router. */
export class LoadBalancer implements LiveDevice, Service {
  readonly id: DeviceId
  readonly #tag: Tag
  readonly #given: BalancerNeeds
  readonly #translations: Translations
  readonly #healthChecks: HealthChecks
  readonly #departed = new Departed()
  #parts: Parts
  #vips!: Addresses<Vip>
  #members!: Addresses<Member>
  #poolOf!: ReadonlyMap<number, Pool> // by the word of a member

  constructor(id: DeviceId, models: Models, given: BalancerNeeds) {
    this.id = id
    this.#tag = deviceTag(id)
    this.#given = given
    this.#translations = new Translations(id, given.kinds)
    this.#healthChecks = new HealthChecks(id, given.health, (pool, member) =>
      this.#judged(pool, member)
    )
    this.#parts = compile(id, models, this.#tag)
    this.#healthChecks.update(this.#parts.pools, models)
    this.#index()
  }

  process(ctx: SimulationContext): Verdict {
    return ctx.drop('load-balancer.no-way') // routers ask it; no port leads here
  }

  owns(family: 4 | 6, words: Int32Array, at: number): boolean {
    return this.#vipsAt(family, words, at).length > 0
  }

  // --- from a client ----------------------------------------------------------------------------

  take(ctx: SimulationContext, router: LocalEndpoint): Verdict | null {
    ctx.tag(this.#tag)
    if (!this.#parts.isUp) return NOT_FOR_IT
    const { key } = ctx
    const family = familyOf(ctx)
    const whom = { members: this.#members, pools: this.#parts.pools }
    const heard = this.#healthChecks.hear(ctx, family, router, whom)
    if (heard !== null) return heard
    const here = this.#vips.find(key, family, Word.ipDst).filter(({ isUp }) => isUp)
    if (here.length === 0) return NOT_FOR_IT
    const { key: tuple, scope } = this.#translations
    switch (tupleOf(ctx, scope, false, tuple)) {
      case Tuple.none:
        return lost(ctx, family)
      case Tuple.error:
        return this.#error(ctx)
    }
    if (isPing(ctx, family)) return this.#ping(ctx, here)
    const vip = this.#vipOf(here)
    return vip === undefined ? NOT_FOR_IT : this.#balance(ctx, vip)
  }

  #balance(ctx: SimulationContext, vip: Vip): Verdict {
    const { pool } = vip
    if (!pool.isUp) return ctx.drop('load-balancer.pool-down', CachePolicy.short)
    const { key: tuple, protocol } = this.#translations
    const asks = opens(protocol, ctx.tcpFlagsUnseen)
    if (!ctx.findState(tuple) || ctx.state.isReturn) {
      if (!asks && ctx.mayPull) return ctx.postpone(WAIT_FOR_PULL)
      const lost = pool.algorithm === 'rendezvous' && continues(ctx.tcpFlagsUnseen)
      return asks || lost
        ? this.#begin(ctx, vip)
        : this.#refuse(ctx, vip, 'load-balancer.no-connection', lackOf(vip))
    }
    const { record } = ctx.state
    const bound = boundOf(pool, record)
    const isNew = protocol === Protocol.tcp && asks && isOver(record[RecordWord.flags]!)
    if (bound !== undefined && !isNew) return this.#forward(ctx, bound)
    const isKept = vip.persistence === '5-tuple' && bound !== undefined && takesKnown(bound)
    if (isNew && isKept && this.#canTake(ctx, bound)) return this.#give(ctx, bound)
    if (!asks) {
      const isCut = this.#departed.has(record)
      return this.#refuse(ctx, vip, 'load-balancer.member-gone', isCut ? 'cut' : 'passing')
    }
    const { rebalanced } = this.#given.counters
    if (!isNew) ctx.count(rebalanced)
    return this.#begin(ctx, vip)
  }

  // A connection that has no member, or has lost it.
  #begin(ctx: SimulationContext, vip: Vip): Verdict {
    const { pool } = vip
    const isSticky = vip.persistence === 'source-address'
    const known = isSticky ? pool.byWord.get(this.#translations.known(ctx, vip)) : undefined
    if (known !== undefined && takesKnown(known) && this.#canTake(ctx, known))
      return this.#give(ctx, known)
    const call: Call = {
      family: vip.family,
      hash: this.#hash(vip),
      isTaken: member => this.#translations.isTaken(ctx, member)
    }
    this.#count(ctx, pool)
    const member = choose(pool, call, this.#given)
    if (typeof member === 'string') return this.#refuse(ctx, vip, member, lackOf(vip))
    if (isSticky) this.#translations.keep(ctx, member)
    return this.#give(ctx, member)
  }

  #refuse(ctx: SimulationContext, vip: Vip, reason: string, obstacle: Obstacle): Verdict {
    this.#given.refusals.tell(ctx, vip, obstacle)
    return refused(ctx, vip.pool, reason)
  }

  #canTake(ctx: SimulationContext, member: Member): boolean {
    if (isFull(member, this.#given)) return false
    return !member.isShared || !this.#translations.isTaken(ctx, member)
  }

  #give(ctx: SimulationContext, member: Member): Verdict {
    this.#translations.bind(ctx, member)
    const { connectionCounts, counters } = this.#given
    ctx.count(counters.connections)
    ctx.count(connectionCounts, member.word)
    return this.#forward(ctx, member)
  }

  #forward(ctx: SimulationContext, member: Member): Verdict {
    const { key } = ctx
    ctx.tag(member.tag)
    if (ctx.trace !== null) ctx.trace.step(`     member ${member.id}`)
    key.setIpDst(member.words)
    if (member.port !== 0 && key.fragment !== Fragment.later) key.l4Dst = member.port
    return Verdict.forward
  }

  // What connections have in common that go together: the client's address, or the 5-tuple.
  #hash({ pool, persistence }: Vip): number {
    const { key, protocol } = this.#translations
    let hash = pool.word
    for (let i = 0; i < 4; i++) hash = hashWith(hash, key[KeyWord.src + i]!)
    if (persistence === 'source-address') return hash
    for (let i = 0; i < 4; i++) hash = hashWith(hash, key[KeyWord.dst + i]!)
    return hashWith(hash, key[KeyWord.ports]!, protocol)
  }

  #count(ctx: SimulationContext, pool: Pool): void {
    const counts =
      pool.algorithm === 'least-connections' ||
      pool.members.some(each => each.connectionsMax !== Number.POSITIVE_INFINITY)
    if (counts) this.#given.connectionCounts.watch(ctx.state.table)
  }

  // An ICMP error of a client, or of somebody on the way to it, about what a member sent.
  #error(ctx: SimulationContext): Verdict | null {
    if (!ctx.findState(this.#translations.key) || ctx.state.isReturn) return NOT_FOR_IT
    const { record } = ctx.state
    const pool = this.#poolOf.get(record[RecordWord.data]!)
    const bound = pool === undefined ? undefined : boundOf(pool, record)
    if (bound === undefined) return ctx.drop('load-balancer.member-gone', CachePolicy.short)
    const quote = ctx.quote()!
    quote.src.set(bound.words)
    const port = record[RecordWord.b + KeyWord.ports]! >>> 16
    quote.ports = (port << 16) | (quote.ports & 0xffff)
    ctx.requote()
    ctx.key.setIpDst(bound.words)
    return Verdict.forward
  }

  #ping(ctx: SimulationContext, here: readonly Vip[]): Verdict | null {
    const answers = here.filter(({ pool }) => pool.isUp && pool.members.some(takesKnown))
    if (answers.length === 0) {
      for (const { pool } of here) ctx.tag(pool.tag)
      return NOT_FOR_IT
    }
    const frame = ctx.frame()
    if (frame === undefined) return ctx.consume()
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const reply = echoReply(view, 0, frame.length)
    if (reply === undefined) return NOT_FOR_IT
    const { pings } = this.#given.counters
    ctx.count(pings)
    ctx.emit(reply, ctx.inPort.id)
    return ctx.consume()
  }

  // --- from a member ----------------------------------------------------------------------------

  undo(ctx: SimulationContext): Verdict | null {
    if (this.#members.size === 0) return NOT_FOR_IT
    const { key } = ctx
    const family = familyOf(ctx)
    const isError = isIcmpError(ctx, family)
    if (!isError && !this.#mayAnswer(ctx, family)) return NOT_FOR_IT
    const { key: tuple, scope } = this.#translations
    if (tupleOf(ctx, scope, false, tuple) === Tuple.none)
      return this.#mayBeOurs(ctx, family) ? lost(ctx, family) : NOT_FOR_IT
    if (!ctx.findState(tuple) || !ctx.state.isReturn) return NOT_FOR_IT
    const { record } = ctx.state
    const vip = this.#vipBehind(record)
    if (vip === undefined) return ctx.drop('load-balancer.down', CachePolicy.short)
    const bound = boundOf(vip.pool, record)
    if (bound === undefined) {
      ctx.tag(vip.pool.tag)
      return ctx.drop('load-balancer.member-gone', CachePolicy.short)
    }
    ctx.tag(bound.tag)
    const port = record[KeyWord.ports]! & 0xffff
    if (isError) {
      const quote = ctx.quote()!
      quote.dst.set(vip.words)
      quote.ports = (quote.ports & ~0xffff) | port
      ctx.requote()
      // A router before the member speaks as the VIP too (RFC 5508 REQ-5).
    } else if (key.fragment !== Fragment.later && bound.port !== 0) key.l4Src = port
    key.setIpSrc(vip.words)
    return Verdict.forward
  }

  // Of what nobody can say which connection it is of: a later fragment, or an error that quotes one
  // for a member.  What an error with a wrong sum quotes is not believed either.
  #mayBeOurs(ctx: SimulationContext, family: 4 | 6): boolean {
    if (ctx.key.fragment === Fragment.later) return true
    const quote = ctx.quote()
    return quote === null || this.#members.at(family, quote.dst, 0).length > 0
  }

  // Comes from a member's address and port.  Most packets do not, and are asked no more.
  #mayAnswer(ctx: SimulationContext, family: 4 | 6): boolean {
    const { key } = ctx
    const here = this.#members.find(key, family, Word.ipSrc)
    if (here.length === 0) return false
    const { ipProto } = key
    const isLater = key.fragment === Fragment.later
    // Headers of IPv6 that are in the first fragment alone: it says what is behind them.
    const isHidden = isLater && ipProto === Protocol.destinationOptions
    if (!isHidden && ipProto !== Protocol.tcp && ipProto !== Protocol.udp) return false
    if (isLater || here.some(({ port }) => port === 0)) return true
    const port = key.l4Src
    return here.some(member => member.port === port)
  }

  // The VIP a connection was made to; undefined when it does not take connections any more.
  #vipBehind(record: Int32Array): Vip | undefined {
    if (!this.#parts.isUp) return undefined
    const family = ((record[KeyWord.type]! >>> 8) & 255) as 4 | 6
    const protocol = record[KeyWord.type]! & 255
    const port = record[KeyWord.ports]! & 0xffff
    return this.#vipsAt(family, record, KeyWord.dst).find(
      vip => vip.protocol === protocol && isWithin(vip, port) && vip.pool.isUp
    )
  }

  // --- the models -------------------------------------------------------------------------------

  update(models: Models): readonly Tag[] {
    const before = this.#parts
    this.#parts = compile(this.id, models, this.#tag)
    this.#departed.note(before, this.#parts)
    this.#healthChecks.update(this.#parts.pools, models)
    this.#index()
    if (before.signature !== this.#parts.signature) return [this.#tag]
    return this.#parts.pools
      .filter((pool, i) => chanceOf(pool) !== chanceOf(before.pools[i]!))
      .map(({ tag }) => tag)
  }

  /** Members are checked, whether packets come or not. */
  get isBusy(): boolean {
    return this.#healthChecks.isBusy
  }

  close(): void {
    this.#healthChecks.close()
    this.#given.gone()
  }

  /** The lease of a pool's checks is gone. */
  lost(lease: string): void {
    this.#healthChecks.lost(lease)
  }

  /** Another host has died, or answers again. */
  hostChanged(host: string): void {
    this.#healthChecks.hostChanged(host)
  }

  // A member went up or down; null: another host checks the pool.
  #judged(id: string, member: string | null): void {
    const pool = this.#parts.pools.find(each => each.id === id)
    const stale: Tag[] = []
    for (const each of pool?.members ?? []) {
      if (each.id !== member) continue
      each.isHealthy = this.#healthChecks.isHealthy(id, member)
      stale.push(each.tag)
    }
    if (pool !== undefined) this.#given.walks.invalidate([...stale, pool.tag])
  }

  #index(): void {
    const { vips, pools } = this.#parts
    this.#vips = new Addresses(vips)
    this.#members = new Addresses(pools.flatMap(({ members }) => members))
    this.#poolOf = new Map(
      pools.flatMap(pool => pool.members.map(({ word }) => [word, pool] as const))
    )
  }

  #vipsAt(family: 4 | 6, words: Int32Array, at: number): readonly Vip[] {
    if (!this.#parts.isUp) return []
    return this.#vips.at(family, words, at).filter(({ isUp }) => isUp)
  }

  #vipOf(here: readonly Vip[]): Vip | undefined {
    const { protocol, dstPort } = this.#translations
    return here.find(vip => vip.protocol === protocol && isWithin(vip, dstPort))
  }
}

// Only packets that ask for no connection, or only those that do, are to be dropped by a flow.
function refused(ctx: SimulationContext, pool: Pool, reason: string): Verdict {
  ctx.tag(pool.tag)
  if (ctx.key.ipProto === Protocol.tcp) ctx.askArrived(Word.l4Misc, OPENING_FLAGS)
  return ctx.drop(reason, CachePolicy.short)
}

// Nobody can say which connection it is of, and so to whom it should go, or from whom it comes.
const lost = (ctx: SimulationContext, family: 4 | 6): Verdict =>
  isIcmpError(ctx, family)
    ? ctx.drop('load-balancer.unreadable-error', CachePolicy.short)
    : ctx.drop('load-balancer.fragment', CachePolicy.short)

const isWithin = (vip: Vip, port: number): boolean => port >= vip.port && port <= vip.portEnd
