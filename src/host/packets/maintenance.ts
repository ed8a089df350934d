// The maintenance of flows, off the packets' way: reads how much each was used, lets idle ones go,
// walks old ones again so that what they learned stays true, takes over what an earlier agent
// left, and compares the cache with the datapath.  A little at each tick; a packet never waits.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { type Datapath, FlowBatch, StatsBatch } from '../../datapath/datapath.ts'
import { readActions } from '../../datapath/memory/memory-flow.ts'
import { WORDS } from '../../flow/key.ts'
import { CachePolicy } from '../../simulation/verdict.ts'
import { leastUseful } from '../flows/eviction.ts'
import type { FlowState } from '../replication/flow-state.ts'
import type { Worker } from './worker.ts'

/** How often flows are looked at. */
export interface MaintenanceSettings {
  /** Time between two ticks. */
  readonly tickMs: number
  /** How many ticks are one while there is little to do. */
  readonly quietTicks: number
  /** A flow that no packet used for so long is removed. */
  readonly idleMs: number
  /** A flow in use is walked again this often. */
  readonly checkMs: number
  /** A drop that is to be looked at again soon (CachePolicy) is walked again this often. */
  readonly shortMs: number
  /** Flows looked at in one tick. */
  readonly perTickMax: number
}

const MAINTENANCE_DEFAULTS: MaintenanceSettings = {
  tickMs: 250,
  quietTicks: 4,
  idleMs: 60_000,
  checkMs: 60_000,
  shortMs: 5_000,
  perTickMax: 4096
}

// Until a flow whose devices never come, or whose next hop never answers, is let go: the agents of
// other hosts may begin as we do.
const CONFIRM_MS_MAX = 30_000
const LOOK_MS = 3 // of walks in one tick; meanwhile packets wait
const FULL_FRACTION = 0.95 // above this, the flows unused for longest go

/** What maintenance is made of. */
export interface MaintenanceParts {
  readonly worker: Worker
  readonly datapath: Datapath
  readonly flowState: FlowState
  readonly clock: Clock
  readonly counters: Counters
}

/** Lets idle flows go, walks old ones again, adopts and audits, a little at each tick. */
export class FlowMaintenance {
  readonly #parts: MaintenanceParts
  readonly #settings: MaintenanceSettings
  #stats: StatsBatch | null = null // made by the first look
  readonly #adopted = new Map<number, number>() // id → since when it is walked; 0: not yet
  readonly #expired: Counter
  readonly #evicted: Counter
  readonly #revalidated: Counter
  readonly #disowned: Counter
  readonly #kept: Counter
  readonly #strays: Counter
  #statsCursor = 0
  #scan = 1 // the next flow id to look at
  #timer: Timer | null = null

  constructor(parts: MaintenanceParts, settings: Partial<MaintenanceSettings> = {}) {
    this.#parts = parts
    this.#settings = { ...MAINTENANCE_DEFAULTS, ...settings }
    const { counters } = parts
    this.#expired = counters.claim('flows.expired', 'Flows removed because nobody used them')
    this.#evicted = counters.claim('flows.evicted', 'Flows removed to make room')
    this.#revalidated = counters.claim('flows.revalidated', 'Flows walked again and found true')
    this.#disowned = counters.claim('flows.disowned', 'Flows walked again and found wrong')
    this.#strays = counters.claim('flows.strays', 'Flows of the datapath that were not ours')
    this.#kept = counters.claim('flows.adopted', 'Flows taken over from an earlier agent')
  }

  /** How many adopted flows have yet to be confirmed. */
  get unconfirmed(): number {
    return this.#adopted.size
  }

  /** Begins to take over what an earlier agent left. */
  start(): void {
    this.adopt()
    this.#arm()
  }

  /** No further tick. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  /**
   * Takes what an earlier agent left into the cache. Each flow goes on forwarding while its walk is
   * checked; until then it carries no tags.
   */
  adopt(): void {
    const { datapath, worker, clock } = this.#parts
    const batch = new FlowBatch(1024)
    let more = true
    while (more) {
      batch.clear()
      more = datapath.adopt(batch)
      const now = clock.now()
      for (let i = 0; i < batch.count; i++) {
        const id = worker.cache.adopt(batch, i, WORDS, {
          actions: readActions(batch, i),
          ttlMin: batch.ttlMin[i]!,
          limits: { mtu: batch.mtu[i]!, room: batch.room[i]! },
          cachePolicy: CachePolicy.normal,
          stateful: batch.stateful[i] === 1,
          ...{ tags: [], tagCount: 0, now }
        })
        if (id !== 0) this.#adopted.set(id, 0)
      }
    }
    worker.cache.flush()
  }

  /** One round. Public so that tests can move it. */
  tick(): void {
    const { worker, clock } = this.#parts
    const now = clock.now()
    worker.postponed.expire(now)
    this.#readStats()
    this.#parts.flowState.tick()
    this.#confirmAdopted()
    this.#look(now)
    this.#makeRoom()
    worker.cache.flush()
    this.#audit()
  }

  // What the datapath has and the cache has not would forward for ever.
  #audit(): void {
    const { datapath, worker } = this.#parts
    this.#strays.value += datapath.audit((id, keys, at) => worker.cache.holds(id, keys, at))
  }

  // Each tick makes packets wait a little: without adopted flows and with room in the table, a
  // quarter of them is enough.
  #arm(): void {
    const { cache } = this.#parts.worker
    const isBusy = this.#adopted.size > 0 || cache.size > cache.table.capacity / 2
    const { tickMs, quietTicks } = this.#settings
    const delayMs = tickMs * (isBusy ? 1 : quietTicks)
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.tick()
      this.#arm()
    })
  }

  #readStats(): void {
    const { datapath, clock } = this.#parts
    const stats = (this.#stats ??= new StatsBatch())
    const untilMs = clock.now() + LOOK_MS
    do {
      datapath.stats(stats, this.#statsCursor)
      this.#statsCursor = stats.next
      for (let i = 0; i < stats.count; i++) this.#used(stats, i)
    } while (this.#statsCursor !== 0 && clock.now() < untilMs)
  }

  // State lives as long as the flows that use it do: the kernel forwards, and tells of it here.
  #used(stats: StatsBatch, i: number): void {
    const { cache } = this.#parts.worker
    const flow = cache.get(stats.ids[i]!)
    if (flow !== undefined) cache.note(flow, stats, i)
  }

  #confirmAdopted(): void {
    const { clock, worker } = this.#parts
    if (!worker.mayConfirm) return // a store that is away for long takes no flow away
    const until = clock.now() + LOOK_MS
    let left = Math.min(this.#adopted.size, this.#settings.perTickMax)
    for (const [id, since] of this.#adopted) {
      const now = clock.now()
      if (left-- === 0 || now > until) break
      let standing = worker.revalidate(id)
      // All agents may have died before anybody had saved it: the kernel's flow vouches for it.
      if (standing === 'forgotten' && worker.takeUp()) standing = worker.revalidate(id)
      const isOpen = standing === 'unknown' || standing === 'unresolved'
      this.#adopted.delete(id)
      if (isOpen && (since === 0 || now - since < CONFIRM_MS_MAX))
        this.#adopted.set(id, since === 0 ? now : since) // behind all others
      else if (standing === 'holds') this.#kept.value++
      else this.#disown(id)
    }
  }

  // A slice of the cache: what is idle goes, what is old is walked again.
  #look(now: number): void {
    const { clock, worker } = this.#parts
    const untilMs = clock.now() + LOOK_MS
    const end = worker.cache.table.top
    for (let left = Math.min(end - 1, this.#settings.perTickMax); left > 0; left--) {
      // New flows push the end on at every tick; the old ones' turn comes in the same one.
      if (this.#scan >= end) this.#scan = 1
      if (this.#scan % 16 === 0 && clock.now() > untilMs) break
      this.#lookAt(this.#scan++, now)
    }
  }

  #lookAt(id: number, now: number): void {
    const { worker } = this.#parts
    const flow = worker.cache.get(id)
    if (flow === undefined || this.#adopted.has(id)) return
    const { idleMs, shortMs, checkMs } = this.#settings
    if (flow.cachePolicy !== CachePolicy.normal && now - flow.createdMs >= shortMs)
      return this.#expire(id)
    if (now - flow.usedMs >= idleMs) return this.#expire(id)
    if (now - flow.checkedMs < checkMs) return
    const standing = worker.revalidate(id)
    if (standing === 'holds') this.#revalidated.value++
    else if (standing !== 'unknown') this.#disown(id)
  }

  #expire(id: number): void {
    this.#expired.value++
    this.#parts.worker.cache.remove(id)
  }

  #disown(id: number): void {
    this.#disowned.value++
    this.#parts.worker.cache.remove(id)
  }

  // A full table would leave new flows uncached: a tenth of them goes.
  #makeRoom(): void {
    const { cache } = this.#parts.worker
    const { capacity } = cache.table
    if (cache.size <= capacity * FULL_FRACTION) return
    for (const id of leastUseful(cache, Math.ceil(capacity / 10))) {
      this.#evicted.value++
      cache.remove(id)
    }
  }
}
