// Routes that were learned, on their way to the table where all agents see them: many at once, each
// prefix once, what has changed meanwhile in place of what was to be said; what is refused is said
// again until the store takes it.  control.test.ts and route-writer.test.ts hold it.

import { address, type Clock, fail, type Log, Retry, type Store } from '../../../src/control.ts'
import {
  HOPS_MAX,
  type LearnedHop,
  type LearnedRoute,
  learnedTable,
  type Routes
} from '../token.ts'
import { SHARE_MAX } from '../weight.ts'

const WEIGHT_MAX = 0x7fff_ffff
// Says no more of a route than that an earlier agent's word of it does not hold.
const NOTHING = '[]'

/** What it is made of. */
export interface RouteWriterParts {
  /** Of the agent's session. */
  readonly store: Pick<Store, 'table'>
  /** Id of the host that it writes for. */
  readonly host: string
  readonly clock: Clock
  readonly log: Log
}

/** Writes for one host. */
export class RouteWriter implements Routes {
  readonly #parts: RouteWriterParts
  readonly #origins = new Map<string, OriginWriter>() // by router and origin
  #isClosed = false

  constructor(parts: RouteWriterParts) {
    this.#parts = parts
  }

  put(router: string, origin: string, prefix: string, nextHops: readonly LearnedHop[]) {
    const count = nextHops.length
    return this.#checked(() => {
      need(count > 0, 'nextHops', count, `1 to ${HOPS_MAX} next hops`)
      return this.change(router, origin, [{ prefix, nextHops }])
    })
  }

  change(router: string, origin: string, changes: readonly LearnedRoute[]): Promise<void> {
    return this.#checked(() => {
      need(/^[\w-]+$/.test(origin), 'origin', origin, 'letters, digits, - and _')
      const values = new Map<string, string | undefined>()
      for (const { prefix, nextHops } of changes) {
        const network = need(parsed(prefix), 'prefix', prefix, 'a network such as 10.1.0.0/16')
        const count = nextHops.length
        need(count <= HOPS_MAX, 'nextHops', count, `at most ${HOPS_MAX} next hops`)
        for (const hop of nextHops) checkHop(hop, network.family)
        const key = this.#key(origin, network)
        values.set(key, count === 0 ? undefined : JSON.stringify(nextHops))
      }
      return this.#of(router, origin).write(values)
    })
  }

  async prefixes(router: string, origin: string): Promise<string[]> {
    const { host, store } = this.#parts
    const begin = `${host} ${origin} `
    const entries = await store.table(learnedTable(router)).entries()
    const ours = entries.filter(({ key, value }) => key.startsWith(begin) && value !== NOTHING)
    return ours.map(({ key }) => key.slice(begin.length))
  }

  async withdraw(router: string, origin: string, prefix?: string): Promise<void> {
    const name = `${router} ${origin}`
    const writer = this.#origins.get(name)
    if (writer === undefined) return
    const network = prefix === undefined ? undefined : parsed(prefix)
    if (prefix !== undefined && network === undefined) return
    const keys = network === undefined ? writer.keys : [this.#key(origin, network)]
    await writer.write(new Map(keys.map(key => [key, undefined])))
    if (writer.isIdle && this.#origins.get(name) === writer) this.#origins.delete(name)
  }

  /** What the store has refused is not said again. */
  close(): void {
    this.#isClosed = true
    for (const writer of this.#origins.values()) writer.close()
  }

  // What is wrong with a call is told as what goes wrong later is: by the promise.
  async #checked(call: () => Promise<void>): Promise<void> {
    await call()
  }

  #key(origin: string, network: address.Prefix): string {
    return `${this.#parts.host} ${origin} ${address.formatPrefix(address.networkOf(network))}`
  }

  #of(router: string, origin: string): OriginWriter {
    const name = `${router} ${origin}`
    let writer = this.#origins.get(name)
    if (writer === undefined) {
      writer = new OriginWriter(this.#parts, router, origin)
      if (this.#isClosed) writer.close()
      this.#origins.set(name, writer)
    }
    return writer
  }
}

// One write of a key is under way at a time: while the store is away, what waits does not grow
// with the changes but with the routes.
class OriginWriter {
  readonly #table: ReturnType<Store['table']>
  readonly #log: Log
  readonly #said = new Map<string, string>() // what the table has, once all is stored
  readonly #refused = new Map<string, string | undefined>() // and nothing has taken its place
  readonly #retry: Retry
  #waiting = new Map<string, string | undefined>()
  #busy: Promise<void> | null = null

  constructor({ store, clock, log }: RouteWriterParts, router: string, origin: string) {
    this.#table = store.table(learnedTable(router))
    this.#log = log.child({ router, origin })
    this.#retry = new Retry(clock, () => this.#again())
  }

  close(): void {
    this.#retry.close()
  }

  /** Those that stand, or are to stand. */
  get keys(): string[] {
    const wanted = new Set(this.#said.keys())
    for (const [key, value] of [...this.#refused, ...this.#waiting])
      if (value === undefined) wanted.delete(key)
      else wanted.add(key)
    return [...wanted]
  }

  /** Nothing stands and nothing waits. */
  get isIdle(): boolean {
    return this.#busy === null && this.#said.size === 0 && this.#refused.size === 0
  }

  /** Resolves when it is stored, or what has taken its place since. */
  async write(values: ReadonlyMap<string, string | undefined>): Promise<void> {
    for (const [key, value] of values) {
      this.#refused.delete(key)
      this.#waiting.set(key, value)
    }
    const before = this.#busy
    if (before === null) return this.#begin()
    await before.catch(() => {})
    // Of all that came meanwhile, the first goes on with everything.
    return this.#busy ?? this.#begin()
  }

  #begin(): Promise<void> {
    this.#busy = this.#store().finally(() => {
      this.#busy = null
    })
    return this.#busy
  }

  async #store(): Promise<void> {
    // Of a key that was never said, another's word is to go: an earlier agent's.
    const values = [...this.#waiting].filter(
      ([key, value]) => value === undefined || this.#said.get(key) !== value
    )
    this.#waiting = new Map()
    const writes = values.map(([key, value]) => this.#one(key, value))
    const failed = (await Promise.allSettled(writes)).find(({ status }) => status === 'rejected')
    if (this.#refused.size > 0) this.#retry.later()
    else this.#retry.reset()
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }

  #again(): void {
    this.write(new Map(this.#refused)).then(
      () => this.#log.info({}, 'routes that the store had refused are stored'),
      error => this.#log.debug({ err: error }, 'routes are still not stored')
    )
  }

  // One that failed is to be said again, whatever the table has.
  async #one(key: string, value: string | undefined): Promise<void> {
    const before = this.#said.get(key)
    if (value === undefined) this.#said.delete(key)
    else this.#said.set(key, value)
    try {
      if (value !== undefined) return await this.#table.put(key, value)
      if (before === undefined) await this.#table.put(key, NOTHING)
      await this.#table.remove(key)
    } catch (error) {
      if (value === undefined && before !== undefined) this.#said.set(key, '')
      else this.#said.delete(key)
      if (!this.#waiting.has(key)) this.#refused.set(key, value)
      throw error
    }
  }
}

function checkHop({ gateway, weight, share = 1 }: LearnedHop, family: 4 | 6): void {
  if (gateway !== undefined) {
    const expected = `an IPv${family} address`
    need(parsedIp(gateway)?.family === family, 'nextHops.gateway', gateway, expected)
  }
  const isWeight = weight === undefined || (Number.isInteger(weight) && weight >= 0)
  need(isWeight && (weight ?? 0) <= WEIGHT_MAX, 'nextHops.weight', weight, 'a whole number from 0')
  const isShare = Number.isInteger(share) && share >= 1 && share <= SHARE_MAX
  need(isShare, 'nextHops.share', share, `a whole number from 1 to ${SHARE_MAX}`)
}

function need<T>(found: T, field: string, value: unknown, expected: string): NonNullable<T> {
  if (found) return found
  throw fail('INVALID', { field, value: String(value), expected })
}

const parsed = (text: string): address.Prefix | undefined => tried(() => address.parsePrefix(text))
const parsedIp = (text: string): address.Ip | undefined => tried(() => address.parseIp(text))

function tried<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
