// Leases of the store on the main thread: asks for what the packet side wants, and keeps what has
// to be given back. test/nat-agents.test.ts holds it.

import { MezzoError, reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { LeaseAsked, LeaseClient } from '../host/lease-client.ts'
import type { Lease, Store } from '../topology/store.ts'

/** The store's side. */
export class LeaseServer {
  readonly #store: Pick<Store, 'lease'>
  readonly #log: Log
  readonly #packets: Pick<LeaseClient, 'answered' | 'lost' | 'lostAll'>
  readonly #leases = new Map<string, Lease>()

  constructor(
    store: Pick<Store, 'lease'>,
    log: Log,
    packets: Pick<LeaseClient, 'answered' | 'lost' | 'lostAll'>
  ) {
    this.#store = store
    this.#log = log
    this.#packets = packets
  }

  /** A packet thread asks for a block; it is answered by a message, also when none was free. */
  async ask({ pool, blocks, block, first }: LeaseAsked): Promise<void> {
    try {
      // Of one block it is a seat, which anybody may take when its holder is gone.
      const lease = await this.#store.lease(pool, blocks, { block, first, lingers: blocks > 1 })
      if (lease !== undefined) this.#keep(lease)
      this.#packets.answered(pool, lease?.block)
    } catch (error) {
      this.#failed(error)
      this.#packets.answered(pool, undefined)
    }
  }

  /** Gives a block back to the store. */
  async release(pool: string, block: number): Promise<void> {
    const name = nameOf(pool, block)
    const lease = this.#leases.get(name)
    this.#leases.delete(name)
    try {
      await lease?.release()
    } catch (error) {
      this.#failed(error)
    }
  }

  #keep(lease: Lease): void {
    const { pool, block } = lease
    const name = nameOf(pool, block)
    this.#leases.set(name, lease)
    void lease.lost.then(() => {
      if (this.#leases.get(name) !== lease) return
      this.#leases.delete(name)
      this.#log.warn({ pool, block }, 'a lease was lost: others had taken this host for dead')
      this.#packets.lost(pool, block)
    })
  }

  #failed(error: unknown): void {
    this.#log.warn({ reason: reasonOf(error) }, 'leases cannot be had')
    if (!(error instanceof MezzoError) || error.code !== 'SESSION_LOST') return
    this.#leases.clear()
    this.#packets.lostAll()
  }
}

const nameOf = (pool: string, block: number): string => `${pool}/${block}`
