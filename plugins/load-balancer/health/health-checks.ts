// The health of all pools of a load balancer: who is watched, and whose answers come by.
// health.test.ts holds it.

import {
  CachePolicy,
  Fragment,
  icmp,
  icmpv6,
  ipv4,
  type LocalEndpoint,
  type Models,
  type SimulationContext,
  type Stored,
  type Verdict,
  Word
} from '../../../src/plugin.ts'
import type { Addresses } from '../addresses.ts'
import { isIcmp, isIcmpError } from '../kinds.ts'
import type { Member, Pool } from '../parts.ts'
import { type HealthNeeds, PoolHealth } from './pool-health.ts'
import { isInRange, isProbePort, PROBE_PORT_BITS, type Target } from './probe-transport.ts'
import { tableOf } from './table.ts'

const { Protocol } = ipv4
const NOT_FOR_IT = null

/** The health of the pools of a load balancer. */
export class HealthChecks {
  readonly #balancer: string
  readonly #needs: HealthNeeds
  readonly #changed: (pool: string, member: string | null) => void
  readonly #pools = new Map<string, PoolHealth>()

  constructor(
    balancer: string,
    needs: HealthNeeds,
    changed: (pool: string, member: string | null) => void
  ) {
    this.#balancer = balancer
    this.#needs = needs
    this.#changed = changed
  }

  /** There are members to be checked. */
  get isBusy(): boolean {
    return this.#pools.size > 0
  }

  /** Pools come, change and go; members are told how they are. */
  update(pools: readonly Pool[], models: Models): void {
    const [router] = models.where<Stored>('router', 'loadBalancer', this.#balancer)
    const gone = new Set(this.#pools.keys())
    for (const pool of pools) {
      const { monitor } = pool
      if (monitor === undefined || router === undefined) continue
      gone.delete(pool.id)
      const health = this.#healthOf(pool.id, models)
      health.set({ monitor, targets: targetsOf(pool, router.id) })
      for (const member of pool.members) member.isHealthy = health.isHealthy(member.id)
    }
    for (const id of gone) {
      this.#pools.get(id)!.close()
      this.#pools.delete(id)
    }
  }

  #healthOf(pool: string, models: Models): PoolHealth {
    let health = this.#pools.get(pool)
    if (health === undefined) {
      const changed = (member: string | null): void => this.#changed(pool, member)
      health = new PoolHealth(pool, models.table(tableOf(pool)), this.#needs, changed)
      this.#pools.set(pool, health)
    }
    return health
  }

  /** Whether the member counts as up; one that is not checked does. */
  isHealthy(pool: string, member: string): boolean {
    return this.#pools.get(pool)?.isHealthy(member) ?? true
  }

  /** A lease of this host's was lost: who checked by it stops. */
  lost(lease: string): void {
    for (const health of this.#pools.values()) health.lost(lease)
  }

  /** Another host has died, or answers again. */
  hostChanged(host: string): void {
    for (const health of this.#pools.values()) health.hostChanged(host)
  }

  /** Ends all checks. */
  close(): void {
    for (const health of this.#pools.values()) health.close()
    this.#pools.clear()
  }

  /** An answer to a check goes to whoever checks; null: it is none. */
  hear(
    ctx: SimulationContext,
    family: 4 | 6,
    router: LocalEndpoint,
    { members, pools }: Whom
  ): Verdict | null {
    if (this.#pools.size === 0) return NOT_FOR_IT
    const isError = isIcmpError(ctx, family)
    const port = isError ? quotedPort(ctx, family, router) : answeredPort(ctx, family)
    if (port === 0) return NOT_FOR_IT
    const { key } = ctx
    const here = isError
      ? members.at(family, ctx.quote()!.dst, 0)
      : members.find(key, family, Word.ipSrc)
    const pool = pools.find(
      each => isInRange(port, each.range) && here.some(({ word }) => each.byWord.has(word))
    )
    if (pool?.monitor === undefined || !isTo(ctx, family, router)) return NOT_FOR_IT
    ctx.tag(pool.tag)
    const checker = this.#pools.get(pool.id)?.checker
    if (checker === undefined) return ctx.drop('load-balancer.no-checker', CachePolicy.short)
    if (checker !== this.#needs.host) return ctx.deliver(checker)
    const frame = ctx.frame()
    if (frame !== undefined) ctx.hand(frame, this.#needs.transport)
    return ctx.consume()
  }
}

interface Whom {
  readonly members: Addresses<Member>
  readonly pools: readonly Pool[]
}

// What is to be checked where; a member without a port has that of the VIP.
function targetsOf(pool: Pool, router: string): Map<string, Target> {
  const { monitor, range } = pool
  const targets = new Map<string, Target>()
  for (const { id, family, words, port } of pool.members) {
    const at = monitor?.type === 'ping' ? 0 : (monitor?.port ?? (port || pool.defaultPort))
    if (at !== 0 || monitor?.type === 'ping')
      targets.set(id, { router, family, words, port: at, range })
  }
  return targets
}

// The port or id that a check may be known by, 0 when it is none.  Most packets are asked for seven
// bits.
function answeredPort(ctx: SimulationContext, family: 4 | 6): number {
  const { key } = ctx
  if (key.ipProto === Protocol.tcp || key.ipProto === Protocol.udp) {
    if (key.fragment !== Fragment.none) return 0
    return isProbePort(key.ask(Word.l4Ports, PROBE_PORT_BITS)) ? key.l4Dst : 0
  }
  if (!isIcmp(ctx, family)) return 0
  const { echoReply } = family === 4 ? icmp.Type : icmpv6.Type
  if (key.icmpType !== echoReply) return 0
  return isProbePort(key.ask(Word.typeId, PROBE_PORT_BITS)) ? key.icmpId : 0
}

// The same of the packet that an error to the router is about.
function quotedPort(ctx: SimulationContext, family: 4 | 6, router: LocalEndpoint): number {
  if (!isTo(ctx, family, router)) return 0
  const port = (ctx.quote()?.ports ?? 0) >>> 16
  return isProbePort(port) ? port : 0
}

function isTo({ key }: SimulationContext, family: 4 | 6, router: LocalEndpoint): boolean {
  for (let i = family === 4 ? 3 : 0; i < 4; i++) key.ipDstWord(i)
  return router.owns(family, key.words, Word.ipDst)
}
