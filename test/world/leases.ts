// The store's leases as the world's hosts see them: one list for all, an answer one turn later.

import type { Clock } from '../../src/core/clock.ts'
import type { LeaseClient, LeaseLink } from '../../src/host/lease-client.ts'

export class WorldLeases {
  readonly #holders = new Map<string, string>() // pool/block → session
  away = false // the store: nobody gets anything

  link(session: string, clock: Clock, held: () => LeaseClient): LeaseLink {
    return {
      ask: ({ pool, blocks, block, first }) =>
        clock.soon(() => held().answered(pool, this.#grant(session, pool, first, blocks, block))),
      release: (pool, block) =>
        clock.soon(() => {
          const name = `${pool}/${block}`
          if (this.#holders.get(name) === session) this.#holders.delete(name)
        })
    }
  }

  // Blocks of a pool and who has them.
  holders(pool: string): Map<number, string> {
    const found = new Map<number, string>()
    for (const [name, session] of this.#holders) {
      const at = name.lastIndexOf('/')
      if (name.slice(0, at) === pool) found.set(Number(name.slice(at + 1)), session)
    }
    return found
  }

  // Pools of which somebody has a block.
  pools(): Set<string> {
    return new Set([...this.#holders.keys()].map(name => name.slice(0, name.lastIndexOf('/'))))
  }

  get size(): number {
    return this.#holders.size
  }

  // A host is gone: what it held goes with it.
  forget(session: string): void {
    for (const [name, holder] of [...this.#holders])
      if (holder === session) this.#holders.delete(name)
  }

  // The lowest that is free, so that a world is the same each time.
  #grant(session: string, pool: string, first: number, blocks: number, block?: number) {
    if (this.away) return undefined
    const from = block ?? first
    const to = block === undefined ? blocks : block + 1
    for (let i = from; i < to; i++) {
      const name = `${pool}/${i}`
      if (this.#holders.has(name)) continue
      this.#holders.set(name, session)
      return i
    }
    return undefined
  }
}
