// Opens the store of a role: the embedded one, or that of a cluster.

import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { fail, isFailure, show } from '../../core/errors.ts'
import type { Model } from '../model.ts'
import { openSqliteStore, type SqliteStore } from '../sqlite/store.ts'
import type { ZooKeeperStoreOptions } from '../zookeeper/store.ts'

export type { SqliteStore }

/** Where the store is. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({
      readonly kind: 'zookeeper'
      /** File of this machine's copy; ':memory:' for none. */
      readonly copyPath: string
    } & Pick<
      ZooKeeperStoreOptions,
      'servers' | 'chroot' | 'sessionMs' | 'credentials' | 'tls' | 'must'
    >)

// What an agent has learned outlives it for so long: its kernel forwards on, and the next agent
// comes soon.
const LINGER_MS = 30_000

/** The client of ZooKeeper is loaded by those alone who have a cluster. */
export async function openStore(
  place: StorePlace,
  models: readonly Model[],
  clock: Clock
): Promise<SqliteStore> {
  const file = place.kind === 'sqlite' ? place.path : place.copyPath
  if (file !== ':memory:') mkdirSync(dirname(resolve(file)), { recursive: true })
  const common = { models, clock, session: 'appliance', lingerMs: LINGER_MS }
  if (place.kind === 'sqlite') return openSqliteStore({ ...common, path: place.path })
  const { kind: _, copyPath, ...cluster } = place
  const { openZooKeeperStore } = await import('../zookeeper/store.ts')
  try {
    return await openZooKeeperStore({ ...common, ...cluster, path: copyPath })
  } catch (error) {
    if (!isFailure(error, 'NOT_FOUND') || error.params.kind !== 'store') throw error
    throw noStore(cluster.chroot, error)
  }
}

// Whoever mistypes the node of his store does not want a new one, which has nothing in it.
const noStore = (chroot: string, cause: unknown): Error =>
  fail(
    'INVALID',
    {
      field: 'store.zookeeper.chroot',
      value: show(chroot),
      expected:
        'the node of a store: there is none; `mezzo store init config:FILE` makes a new one, ' +
        'or store.zookeeper.create'
    },
    cause
  )

/** What it is called: the path of its file, or the node of the ensemble below which it is. */
export function nameOf(place: StorePlace): string {
  if (place.kind === 'zookeeper') return `zookeeper:${place.chroot}`
  return place.path === ':memory:' ? place.path : resolve(place.path)
}
