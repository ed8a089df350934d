// What hosts of one store know each other by: a key made of the store's secret, for nothing else
// than this.  TLS takes it as it is (RFC 4279, RFC 5489: PSK with a Diffie-Hellman exchange), at
// both ends: no certificates, no authority, and what is recorded cannot be read later.
// test/zookeeper/one-api.test.ts holds it.

import { hkdfSync } from 'node:crypto'
import type { Random } from '../../core/random.ts'
import { watchStateKey } from '../../topology/state-key.ts'
import type { Store, Watch } from '../../topology/store.ts'

const LABEL = 'mezzo cluster api 1'
const BYTES = 32

/** Who says he is of the cluster. */
export const IDENTITY = 'mezzo'

/** How both ends speak TLS. Node has no PSK in TLS 1.3. */
export const TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2'
} as const

/** The key that is made of the store's secret. */
export const clusterKey = (secret: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', LABEL, BYTES))

/** The key of the cluster, as the store has it now. */
export class Credential {
  /** Resolves when it is known; rejects when the store gives none. */
  readonly ready: Promise<void>
  readonly #watch: Watch
  #key: Buffer | undefined

  constructor(store: Store, random: Random) {
    this.#watch = watchStateKey(store, random, secret => {
      this.#key = clusterKey(secret)
    })
    this.ready = this.#watch.ready
  }

  /** Undefined: not known yet. */
  get key(): Buffer | undefined {
    return this.#key
  }

  /** Follows it no more. */
  close(): void {
    this.#watch.close()
  }
}
