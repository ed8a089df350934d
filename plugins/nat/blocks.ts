// The ports a host may translate to.  All hosts translate to the same addresses, so a host takes
// ports only from blocks that are leased to it; the next block is asked for before it is needed.
//
//   pool snat/<device>/<address>   block 0  ports 0-63 · block 1  ports 64-127 · … · block 1023
//
// A port is in use exactly while a record says so.  Nothing is counted, so nothing can leak; and
// towards another destination the same port is free.  Blocks whose ports no record names are given
// back after a while: a sweep over the table marks the others, a few records at a time.
// nat/world.test.ts holds it.

import {
  address,
  type Clock,
  type Leases,
  type SimulationContext,
  state,
  type Timer,
  type Walks
} from '../../src/plugin.ts'
import type { NatCounters } from './counters.ts'
import { Pool, type Wish } from './pool.ts'
import type { NatSettings } from './settings.ts'

const { KeyWord, RECORD_WORDS, RecordWord } = state

/** Ports of one block. */
export const BLOCK_PORTS = 64
const BLOCKS = 1024
/** No port could be had. */
export const NONE = -1
const PROBES_MAX = 1024 // ports looked at for one packet
const CROWDED = 8 // taken ports in a row: the block is nearly used
const POOLS_MAX = 65_536
const DRY_MS = 1000 // before a pool that had nothing is asked again
const ADOPT_MS = 5000 // between attempts to have an old block again
const SWEEP_MS = 250
const SWEEP_RECORDS = 512

/** What blocks of ports are made of. */
export interface BlockNeeds {
  readonly clock: Clock
  readonly leases: Leases
  readonly walks: Walks
  readonly counters: NatCounters
  readonly settings: NatSettings
  /** Of the records that use ports of blocks. */
  readonly kind: number
}

type Table = SimulationContext['state']['table']

/** The blocks of ports that this host holds, of all addresses it translates to. */
export class PortBlocks {
  readonly #given: BlockNeeds
  readonly #pools = new Map<string, Map<number | string, Pool>>() // by device, by address
  readonly #byName = new Map<string, Pool>()
  readonly #byScope = new Map<number, string>() // devices
  readonly #swept = new Int32Array(SWEEP_RECORDS * RECORD_WORDS)
  readonly #idle = new Float64Array(SWEEP_RECORDS)
  #table: Table | null = null
  #timer: Timer | null = null
  #sweepAt = 0
  #sweepBeganMs = 0
  /** How many blocks. */
  held = 0

  constructor(given: BlockNeeds) {
    this.#given = given
    given.leases.onLost((pool, block) => this.#lost(pool, block))
  }

  /** undefined: there are too many. */
  pool(device: string, family: 4 | 6, words: Int32Array, at = 0): Pool | undefined {
    let pools = this.#pools.get(device)
    if (pools === undefined) {
      this.#pools.set(device, (pools = new Map()))
      this.#byScope.set(state.scopeOf(device)[0], device)
    }
    const key = poolKey(family, words, at)
    const known = pools.get(key)
    if (known !== undefined) return known
    if (this.#byName.size >= POOLS_MAX) return undefined
    const pool = new Pool(`snat/${device}/${textOf(family, words, at)}`)
    for (const block of this.#given.leases.held(pool.name)) this.#add(pool, block)
    pools.set(key, pool)
    this.#byName.set(pool.name, pool)
    return pool
  }

  /** A free port of a block we hold, or NONE.  `isFree` of the port given was the last call. */
  allocate(ctx: SimulationContext, pool: Pool, wish: Wish): number {
    this.#table = ctx.state.table
    const now = ctx.now
    const { own, first, last, isFree, hash } = wish
    const kept = own >= first && own <= last ? pool.get(blockOf(own)) : undefined
    if (kept !== undefined && isFree(own)) {
      kept.usedMs = now
      return own
    }
    let probes = 0
    // The newest first: it has the most room.
    for (let b = pool.blocks.length - 1; b >= 0 && probes < PROBES_MAX; b--) {
      const block = pool.blocks[b]!
      const from = Math.max(first, block.index * BLOCK_PORTS)
      const count = Math.min(last, block.index * BLOCK_PORTS + BLOCK_PORTS - 1) - from + 1
      for (let i = 0; i < count; i++, probes++) {
        const port = from + ((hash + i) % count)
        if (!isFree(port)) continue
        block.usedMs = now
        if (i >= CROWDED && b === pool.blocks.length - 1 && !ctx.dryRun) this.ask(pool, wish)
        return port
      }
    }
    return NONE
  }

  /** Asks for another block.  False when there is none to be had for now. */
  ask(pool: Pool, { own, first, last }: Wish): boolean {
    const { clock, leases } = this.#given
    if (pool.asking) return true
    if (pool.dryUntilMs > clock.now()) return false
    pool.asking = true
    const from = blockOf(first)
    const blocks = blockOf(last) + 1
    const took = (block: number | undefined): void => this.#took(pool, block)
    const any = (): void => leases.take(pool.name, blocks, took, undefined, from)
    const wanted = blockOf(own)
    if (own < first || own > last || pool.get(wanted) !== undefined) any()
    else
      leases.take(pool.name, blocks, block => (block === undefined ? any() : took(block)), wanted)
    return true
  }

  /** Looks after them no more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #took(pool: Pool, block: number | undefined): void {
    pool.asking = false
    const { clock, walks, counters } = this.#given
    if (block === undefined) {
      pool.dryUntilMs = clock.now() + DRY_MS
      counters.dry.value++
    } else {
      this.#add(pool, block)
      counters.leased.value++
    }
    walks.wake(pool.waitingFor)
  }

  #add(pool: Pool, block: number): void {
    if (!pool.add(block, this.#given.clock.now())) return
    this.held++
    this.#timer ??= this.#given.clock.after(SWEEP_MS, () => this.#sweep())
  }

  // What was translated stays translated: the records are ours, only the block is not.
  #lost(name: string, block: number): void {
    if (this.#byName.get(name)?.remove(block) === true) {
      this.held--
      this.#given.counters.lost.value++
    }
  }

  #sweep(): void {
    this.#timer = null
    const table = this.#table
    if (this.held === 0) return
    const now = this.#given.clock.now()
    if (table !== null) {
      if (this.#sweepAt === 0) this.#sweepBeganMs = now
      const count = table.scan(this.#sweepAt, this.#swept, this.#idle)
      for (let i = 0; i < count; i++) this.#mark(i * RECORD_WORDS)
      this.#sweepAt = table.next
      if (this.#sweepAt === 0) this.#giveBack()
    }
    this.#timer = this.#given.clock.after(SWEEP_MS, () => this.#sweep())
  }

  #mark(at: number): void {
    const words = this.#swept
    const type = words[at + KeyWord.type]!
    if (type >>> 16 !== this.#given.kind) return
    const device = this.#byScope.get(words[at + KeyWord.scope]!)
    if (device === undefined) return
    const answer = at + RecordWord.b
    const family = ((type >>> 8) & 255) === 6 ? 6 : 4
    const pool = this.pool(device, family, words, answer + KeyWord.dst)
    const index = blockOf(words[answer + KeyWord.ports]! & 0xffff)
    const block = pool?.get(index)
    if (block !== undefined) block.seenMs = this.#sweepBeganMs
    else if (pool !== undefined && index > 0)
      this.#adopt(pool, index, words[at + RecordWord.owner]!)
  }

  // We made the translation, before this agent was started or a session was lost: its block is to
  // be ours again before somebody else gives its ports out.
  #adopt(pool: Pool, index: number, owner: number): void {
    const { clock, leases } = this.#given
    if (owner !== leases.holder || pool.asking || pool.adoptMs > clock.now()) return
    pool.asking = true
    const took = (block: number | undefined): void => {
      if (block !== undefined) return this.#took(pool, block)
      pool.asking = false
      pool.adoptMs = clock.now() + ADOPT_MS
      this.#given.walks.wake(pool.waitingFor)
    }
    leases.take(pool.name, BLOCKS, took, index)
  }

  // A whole round is over: what has not been seen in it, nor used for long, is nobody's.
  #giveBack(): void {
    const { leases, settings, counters } = this.#given
    const before = this.#sweepBeganMs - settings.blockIdleMs
    for (const pool of this.#byName.values())
      for (const { index, usedMs, seenMs } of [...pool.blocks]) {
        if (usedMs > before || seenMs === this.#sweepBeganMs) continue
        pool.remove(index)
        this.held--
        counters.returned.value++
        leases.release(pool.name, index)
      }
  }
}

const blockOf = (port: number): number => Math.trunc(port / BLOCK_PORTS)

const poolKey = (family: 4 | 6, words: Int32Array, at: number): number | string =>
  family === 4 ? words[at + 3]! : address.formatIpv6(words, at)

const textOf = (family: 4 | 6, words: Int32Array, at: number): string =>
  family === 4 ? address.formatIpv4(words[at + 3]!) : address.formatIpv6(words, at)
