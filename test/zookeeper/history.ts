// What sessions on a store did while things went wrong, and whether that can have been: of what was
// acknowledged all is there, of what was refused nothing, once each; no epoch of a lease was given
// out twice, none that is older than one before; and no block has two holders.

import assert from 'node:assert/strict'
import { sleep } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import type { Random } from '../../src/core/random.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import type { Lease } from '../../src/topology/store.ts'
import { all, assertSame, Replica, TableReplica } from '../store/ground.ts'
import { create, update } from '../store/models.ts'
import { clock, eventually } from './clients.ts'

const POOL = 'ports'
const BLOCKS = 3
const KEYS = 20
const PAUSE_MS = 20
const ELECTION_MS = 90_000 // of a leader, on a machine that does much else

interface Grant {
  readonly session: string
  readonly block: number
  readonly epoch: number
}

/** One session that writes, learns, and takes and gives leases, until it is told to stop. */
class Actor {
  readonly made = new Set<string>() // hosts, acknowledged
  readonly refused = new Set<string>()
  readonly unknown = new Set<string>() // may be there or not
  readonly grants: Grant[] = []
  readonly hosts: Replica
  readonly table: TableReplica
  learned = 0
  readonly #store: SqliteStore
  readonly #random: Random
  readonly #held = new Map<number, Lease>()
  readonly #learning = new Set<Promise<void>>()
  #isStopped = false

  constructor(store: SqliteStore, random: Random) {
    this.#store = store
    this.#random = random
    this.hosts = new Replica(store, { kind: 'host' })
    this.table = new TableReplica(store.table('learned'))
  }

  async run(counter: string): Promise<void> {
    while (!this.#isStopped) {
      const what = this.#random.below(4)
      if (what === 0) await this.#make()
      else if (what === 1) await this.#lease()
      else if (what === 2) await this.#count(counter)
      else this.#learn()
      await sleep(clock, PAUSE_MS)
    }
    await Promise.all(this.#learning)
  }

  stop(): void {
    this.#isStopped = true
  }

  async #make(): Promise<void> {
    const host = create('host', { name: `h${this.#random.below(1 << 30)}` })
    const name = String(host.value.name)
    await this.#store.write([host]).then(
      () => this.made.add(name),
      error => {
        assert.ok(isFailure(error, 'STORE_UNAVAILABLE'), String(error))
        const isUnknown = /is not known/.test(error.message)
        ;(isUnknown ? this.unknown : this.refused).add(name)
      }
    )
  }

  // A compare-and-set that may lose, and may not be done twice.
  async #count(id: string): Promise<void> {
    try {
      const { value, version } = (await this.#store.read('team', id))!
      const size = (Number(value.size) + 1) % 10
      await this.#store.write([update('team', { ...value, size }, version)])
    } catch (error) {
      assert.ok(isFailure(error, 'STORE_UNAVAILABLE') || isFailure(error, 'CONFLICT'), `${error}`)
    }
  }

  async #lease(): Promise<void> {
    const block = this.#random.below(BLOCKS)
    try {
      const held = this.#held.get(block)
      if (held !== undefined) {
        this.#held.delete(block)
        await held.release()
        return
      }
      const lease = await this.#store.lease(POOL, BLOCKS, { block })
      if (lease === undefined) return
      this.#held.set(block, lease)
      this.grants.push({ session: this.#store.session, block, epoch: lease.epoch })
    } catch (error) {
      const isExpected = isFailure(error, 'STORE_UNAVAILABLE') || isFailure(error, 'SESSION_LOST')
      assert.ok(isExpected, String(error))
    }
  }

  // Patient: it is stored when it can be.
  #learn(): void {
    const key = `k${this.#random.below(KEYS)}`
    const put = this.#store.table('learned').put(key, this.#store.session)
    this.#learning.add(put)
    void put.then(() => {
      this.#learning.delete(put)
      this.learned++
    })
  }
}

export class History {
  readonly #stores: readonly SqliteStore[]
  readonly #actors: Actor[] = []
  readonly #runs: Promise<void>[] = []

  private constructor(stores: readonly SqliteStore[]) {
    this.#stores = stores
  }

  /** Everybody begins. */
  static async begin(stores: readonly SqliteStore[], random: Random): Promise<History> {
    const history = new History(stores)
    const team = create('team', { members: [], size: 0 })
    await stores[0]!.write([team])
    for (const store of stores) {
      const actor = new Actor(store, random)
      await Promise.all([actor.hosts.ready, actor.table.ready])
      history.#actors.push(actor)
    }
    for (const actor of history.#actors) history.#runs.push(actor.run(team.value.id))
    return history
  }

  /** Rows that were stored so far: it goes on when this grows. */
  get stored(): number {
    return this.#actors.reduce((sum, { learned, made }) => sum + learned + made.size, 0)
  }

  /** Waits until something more was stored. */
  async goesOn(): Promise<void> {
    const before = this.stored
    const isMore = (): void => assert.ok(this.stored > before + 3, 'nothing is stored any more')
    await eventually(isMore, ELECTION_MS)
  }

  /** Everybody stops. */
  async stop(): Promise<void> {
    for (const actor of this.#actors) actor.stop()
    await Promise.all(this.#runs)
  }

  /** Everybody stops, and what was done is judged; says how much it was. */
  async judge(): Promise<string> {
    await this.stop()
    await this.#allSee()
    await this.#hostsAreOnce()
    this.#epochsAreOnce()
    const { length } = this.#actors.flatMap(({ grants }) => grants)
    const refused = this.#actors.reduce((sum, actor) => sum + actor.refused.size, 0)
    return `${this.stored} stored, ${refused} refused, ${length} leases`
  }

  // Each one's copy, and what its watches told it, is the store.
  async #allSee(): Promise<void> {
    // Who is away answers what it knows.
    for (const store of this.#stores) await eventually(() => store.tryWrite(), ELECTION_MS)
    const truth = await all(this.#stores[0]!.list('host'))
    const rows = await this.#rows(this.#stores[0]!)
    for (const [i, store] of this.#stores.entries()) {
      assertSame(await all(store.list('host')), truth)
      assertSame(await this.#rows(store), rows)
      const { hosts, table } = this.#actors[i]!
      await eventually(() => assertSame(hosts.sorted, truth))
      await eventually(() => assertSame(table.sorted, rows))
    }
  }

  async #rows(store: SqliteStore): Promise<[string, string][]> {
    const entries = await store.table('learned').entries()
    return entries.map(({ key, value }) => [key, value])
  }

  async #hostsAreOnce(): Promise<void> {
    const names = (await all(this.#stores[0]!.list('host'))).map(({ value }) => String(value.name))
    const there = new Set(names)
    assert.equal(there.size, names.length, 'none is there twice')
    for (const { made, refused } of this.#actors) {
      for (const name of made) assert.ok(there.has(name), `${name} was acknowledged`)
      for (const name of refused) assert.ok(!there.has(name), `${name} was refused`)
    }
  }

  #epochsAreOnce(): void {
    const seen = new Map<string, string>()
    for (const { grants } of this.#actors) {
      const last = new Map<number, number>()
      for (const { session, block, epoch } of grants) {
        const name = `${block}@${epoch}`
        assert.equal(seen.get(name), undefined, `${name} to ${session} and ${seen.get(name)}`)
        seen.set(name, session)
        assert.ok(epoch > (last.get(block) ?? 0), `epoch ${epoch} of ${block} after a later one`)
        last.set(block, epoch)
      }
    }
  }
}
