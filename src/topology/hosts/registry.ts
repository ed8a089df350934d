// Which hosts are there, of all that share the store: what their agents say while they live.
// test/zookeeper/one-api.test.ts holds it.

import type { Store } from '../store.ts'
import {
  HOSTS_TABLE,
  type Registration,
  registrationOf,
  SEEN_TABLE,
  seenOf
} from './registration.ts'

/** A host that the store knows. */
export interface KnownHost {
  readonly id: string
  readonly name: string
  /** Undefined: its agent does not live. */
  readonly registration: Registration | undefined
  /** When it was, ISO 8601; undefined: it lives, or never has. */
  readonly lastSeen: string | undefined
}

/** All hosts of the store. */
export async function knownHosts(
  store: Pick<Store, 'table' | 'living' | 'list'>
): Promise<KnownHost[]> {
  const registered = new Map<string, Registration>()
  const said = await store.table(HOSTS_TABLE).entries()
  const living = await store.living(said.map(({ owner }) => owner))
  for (const { key, value, owner } of said) {
    const registration = registrationOf(value)
    if (registration !== undefined && living.has(owner)) registered.set(key, registration)
  }
  const entries = await store.table(SEEN_TABLE).entries()
  const seen = new Map(entries.map(({ key, value }) => [key, seenOf(value)]))
  const known: KnownHost[] = []
  for await (const { id, value } of store.list('host')) {
    const registration = registered.get(id)
    const lastSeen = registration === undefined ? seen.get(id) : undefined
    known.push({ id, name: String(value.name), registration, lastSeen })
  }
  return known
}
