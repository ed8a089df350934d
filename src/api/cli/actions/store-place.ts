// The store that a command is told of, opened beside the processes that serve it.
// test/zookeeper/backup.test.ts holds it.

import { existsSync } from 'node:fs'
import { SystemClock } from '../../../core/clock.ts'
import { fail } from '../../../core/errors.ts'
import type { Model } from '../../../topology/model.ts'
import type { StorePlace } from '../../../topology/place/store-place.ts'
import type { Store } from '../../../topology/store.ts'
import type { Must } from '../../../topology/zookeeper/store.ts'
import { usage } from '../client.ts'

/** How it is named. */
export const PLACE =
  'a path, or zookeeper:SERVER[:PORT][,…]/CHROOT, or config:FILE, the settings of a process of it'
const ZOOKEEPER = 'zookeeper:'
const CONFIG = 'config:'
const SERVERS = /^zookeeper:([^/]+)(\/.+)$/
const SESSION_MS = 6_000

const clock = new SystemClock()

/** Works with the store at a place, and closes it. */
export async function within<T>(
  place: string,
  work: (store: Store, models: readonly Model[]) => Promise<T>,
  must?: Must
): Promise<T> {
  const { loadResources } = await import('../../../agent/resources.ts')
  const { modelsOf } = await import('../../../topology/assembly/assemble.ts')
  const models = modelsOf(await loadResources())
  const store = await opened(place, models, must)
  try {
    return await work(store, models)
  } finally {
    await store.close()
  }
}

async function opened(text: string, models: readonly Model[], must?: Must): Promise<Store> {
  const common = { models, clock, session: 'command-line' }
  const place = await placeOf(text)
  if (place.kind === 'sqlite') {
    const { path } = place
    const isThere = existsSync(path)
    if (must === 'make' && isThere) throw fail('EXISTS', { kind: 'store', id: path })
    if (must === 'find' && !isThere) throw fail('NOT_FOUND', { kind: 'store', id: path })
    const { openSqliteStore } = await import('../../../topology/sqlite/store.ts')
    return openSqliteStore({ ...common, path })
  }
  // The copy of this machine belongs to the process that serves it.
  const { kind: _, copyPath: __, ...cluster } = place
  const { openZooKeeperStore } = await import('../../../topology/zookeeper/store.ts')
  return openZooKeeperStore({ ...common, ...cluster, must })
}

async function placeOf(text: string): Promise<StorePlace> {
  const { storeSection, storePlaceOf } = await import('../../../topology/place/store-settings.ts')
  if (text.startsWith(CONFIG)) {
    const { loadSection } = await import('../../../core/config/config.ts')
    return storePlaceOf(loadSection(text.slice(CONFIG.length), 'store', storeSection))
  }
  if (!text.startsWith(ZOOKEEPER)) return { kind: 'sqlite', path: text }
  const [, list, chroot] = SERVERS.exec(text) ?? []
  if (list === undefined || chroot === undefined)
    throw usage(`the store is "${text}"; expected ${PLACE}`)
  const common = { sessionMs: SESSION_MS, tls: false, create: false }
  const zookeeper = { servers: list.split(','), chroot, ...common }
  return storePlaceOf({ kind: 'zookeeper', path: ':memory:', mayBeNew: false, zookeeper })
}
