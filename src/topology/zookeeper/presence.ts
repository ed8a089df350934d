// Which processes take part: each has an ephemeral node, and its sessions name it.  A process is
// dead when its node is gone; ZooKeeper removes that when it has not heard of it for a session's
// time.  A session seen in the tables is judged by a list that was read after it was seen there.
// While our connection is younger than a session's time nobody is judged: when ZooKeeper itself was
// away, the others may be about to come back as we did.
// test/zookeeper/processes.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Identity, Liveness, SessionRow } from '../sqlite/sessions.ts'
import type { ZooKeeper } from './client/client.ts'
import { isZooKeeperError } from './client/errors.ts'

/** Which sessions live, by nodes that go with them. */
export class Presence implements Liveness {
  readonly self: Identity
  readonly isWatched = false
  readonly #zk: ZooKeeper
  readonly #clock: Clock
  readonly #changed: () => void
  #alive: ReadonlySet<string> | undefined // undefined: not known, so nobody is dead
  #isWatching = false
  #connectedAt = Infinity
  #judged = new Set<string>()

  /** `process` is its name, unique for ever; `changed` is called when one comes or goes. */
  constructor(
    zk: ZooKeeper,
    clock: Clock,
    process: { key: string; pid: number },
    changed: () => void
  ) {
    this.#zk = zk
    this.#clock = clock
    this.#changed = changed
    this.self = { pid: process.pid, started: '', namespace: 'zookeeper', boot: process.key }
  }

  /** Name under which this process's sessions stand in the tables. */
  get key(): string {
    return this.self.boot
  }

  /** True for one of those that are there: it does what one has to do for all. */
  get isFirst(): boolean {
    const first = [...(this.#alive ?? [])].sort()[0]
    return first === this.key
  }

  /** In a new session: nothing is watched, and our node is still to be made. */
  async announce(): Promise<void> {
    this.#isWatching = false
    const path = `/alive/${this.key}`
    const data = Buffer.from(JSON.stringify({ pid: this.self.pid }))
    // One of our own session before this one: it would go with that.
    await this.#zk.remove(path).catch(error => {
      if (!isZooKeeperError(error, 'NO_NODE')) throw error
    })
    await this.#zk.create(path, data, true)
    await this.#look()
  }

  /** A connection is there: nobody is taken for dead until it is as old as a session's time. */
  returned(): void {
    this.#connectedAt = this.#clock.now()
  }

  /** What is known is old from now on: nobody is taken for dead by it. */
  lost(): void {
    this.#alive = undefined
    this.#connectedAt = Infinity
  }

  async prepare(rows: readonly SessionRow[]): Promise<void> {
    const youth = this.#clock.now() - this.#connectedAt
    if (!this.#zk.connected || youth < this.#zk.sessionMs) return
    if (this.#alive === undefined) await this.#look().catch(() => {})
    if (this.#alive === undefined) return
    const absent = rows.filter(row => row.dead === 0 && !this.#alive?.has(row.boot))
    if (absent.length === 0 || !this.isFirst) return
    try {
      await this.#zk.sync()
      await this.#look()
      this.#judged = new Set(absent.map(row => row.id))
    } catch (error) {
      if (!isZooKeeperError(error)) throw error
      this.#alive = undefined
    }
  }

  isAlive(row: SessionRow): boolean {
    if (this.#alive === undefined || !this.#judged.has(row.id)) return true
    return this.#alive.has(row.boot)
  }

  /** Its word may stand for a while, whoever it was. */
  isOver(): boolean {
    return false
  }

  forget(id: string): void {
    this.#judged.delete(id)
  }

  async #look(): Promise<void> {
    const changed = (): void => {
      this.#isWatching = false
      void this.#look().catch(() => {
        this.#alive = undefined
      })
      this.#changed()
    }
    const names = await this.#zk.children('/alive', this.#isWatching ? undefined : changed)
    this.#isWatching = true
    this.#alive = new Set(names)
  }
}
