// The changes of a store, one after the other: change n is the node /log/<n>, and whoever makes it
// has won that number.  So all who follow see the same changes in the same order, and a change that
// was made with less than all earlier ones known loses, and is made again.
// test/zookeeper/store.test.ts holds it.

import { fail } from '../../../core/errors.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isUnknown, isZooKeeperError } from '../client/errors.ts'
import { type Blob, fromNode, idOf, toNode } from '../nodes/blob.ts'
import { logPath } from '../nodes/layout.ts'

/** What became of a change that was to be the next. */
export type Appended = 'kept' | 'lost' | 'rebased' | 'unknown'

/** Changes fetched at a time by who is behind. */
const AHEAD = 16
/** Requests of a sweep at a time. */
const SWEEP = 256

/** The log of changes in ZooKeeper: numbered nodes that all machines apply in order. */
export class Log {
  readonly #zk: ZooKeeper
  #watched = 0 // the change whose coming we shall be told of, in this session
  #come = 0 // the last one of whose coming we were told

  constructor(zk: ZooKeeper) {
    this.#zk = zk
  }

  /** Call it in a new session of ZooKeeper: nothing is watched there yet. */
  renewed(): void {
    this.#watched = this.#come = 0
  }

  /** Whether there is a change of this number; when not, `came` is called once there is. */
  async isThere(n: number, came: (n: number) => void): Promise<boolean> {
    if (this.#watched === n) return this.#zk.exists(logPath(n))
    const found = await this.#zk.exists(logPath(n), () => {
      this.#come = n
      came(n)
    })
    if (found) void this.#zk.unwatch(logPath(n))
    else this.#watched = n
    return found
  }

  /** Whether we were told, and were not asked yet, that the change of this number is there. */
  hasCome(n: number): boolean {
    const hasCome = this.#come === n
    if (hasCome) this.#come = 0
    return hasCome
  }

  /** The changes after this one, which has a next, in order; afterwards `came` is called again. */
  async *readOn(n: number, came: (n: number) => void): AsyncGenerator<Blob> {
    // Mostly there is one: while it is fetched we ask for the one behind it.
    const [first, isMore] = await Promise.all([this.after(n, 1), this.isThere(n + 2, came)])
    yield* first
    let last = n + first.length
    let isThere = first.length === 0 ? await this.isThere(last + 1, came) : isMore
    while (isThere) {
      const changes = await this.after(last, AHEAD)
      yield* changes
      last += changes.length
      if (changes.length < AHEAD) isThere = await this.isThere(last + 1, came)
    }
  }

  /** Up to so many changes after this one, in order; fewer when there are no more. */
  async after(n: number, count: number): Promise<readonly Blob[]> {
    const numbers = Array.from({ length: count }, (_, i) => n + 1 + i)
    const nodes = await Promise.all(numbers.map(each => this.#zk.get(logPath(each))))
    const changes: Blob[] = []
    for (const [i, node] of nodes.entries()) {
      if (node === undefined) break
      changes.push(await fromNode(this.#zk, logPath(numbers[i]!), numbers[i]!, node.data))
    }
    return changes
  }

  /**
   * Makes change n, if the base is still of this version: else the number may be one that was
   * swept, and free only for that.  `unknown`: the connection was lost meanwhile; once there is one
   * again, `has` tells.  Throws when nothing was done.
   */
  async append(n: number, change: Blob, base: number): Promise<Appended> {
    const node = await toNode(this.#zk, n, change)
    try {
      await this.#zk.multi([
        { op: 'check', path: '/base', version: base },
        { op: 'create', path: logPath(n), data: node }
      ])
      return 'kept'
    } catch (error) {
      if (isZooKeeperError(error, 'NODE_EXISTS')) return 'lost'
      if (isZooKeeperError(error, 'BAD_VERSION')) return 'rebased'
      if (isUnknown(error)) return 'unknown'
      throw error
    }
  }

  /**
   * Whether change n is this one.  Requests of a session are served in their order, and those of
   * an earlier connection not after it: what is not there now does not come later.
   */
  async has(n: number, { id }: Blob): Promise<'kept' | 'lost'> {
    await this.#zk.sync()
    const node = await this.#zk.get(logPath(n))
    return node !== undefined && idOf(node.data) === id ? 'kept' : 'lost'
  }

  /** Removes changes up to this one, and parts that are as old. */
  async sweep(upTo: number): Promise<void> {
    const [changes, parts] = [await this.#zk.children('/log'), await this.#zk.children('/parts')]
    if (changes === undefined || parts === undefined)
      throw fail('STORE_FILE', { path: '/log', reason: 'it was removed by somebody else' })
    const old = (name: string): boolean => Number.parseInt(name, 10) <= upTo
    const paths = [
      ...changes.filter(old).map(name => `/log/${name}`),
      ...parts.filter(old).map(name => `/parts/${name}`)
    ]
    for (let at = 0; at < paths.length; at += SWEEP)
      await Promise.all(paths.slice(at, at + SWEEP).map(path => this.#remove(path)))
  }

  async #remove(path: string): Promise<void> {
    await this.#zk.remove(path).catch(error => {
      if (!isZooKeeperError(error, 'NO_NODE')) throw error // another sweeps too
    })
  }
}
