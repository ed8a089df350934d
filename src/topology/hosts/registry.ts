// Which hosts are there, of all that share the store: what their agents say while they live.
// test/zookeeper/one-api.test.ts holds it.

import type { Store, TableEntry } from '../store.ts'
import {
  hostTable,
  REGISTRATION,
  type Registration,
  registrationOf,
  SEEN,
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

type Source = Pick<Store, 'table' | 'read' | 'list' | 'known'>

interface Named {
  readonly id: string
  readonly name: string
}

/** All hosts of the store. */
export async function knownHosts(store: Source): Promise<KnownHost[]> {
  const hosts: Named[] = []
  for await (const { id, value } of store.list('host')) hosts.push({ id, name: String(value.name) })
  return allOf(store, hosts)
}

/** One of them; undefined when there is none. */
export async function knownHost(store: Source, id: string): Promise<KnownHost | undefined> {
  const host = (await store.known.read('host', id)) ?? (await store.read('host', id))
  if (host === undefined) return undefined
  return (await allOf(store, [{ id, name: String(host.value.name) }]))[0]
}

async function allOf(store: Source, hosts: readonly Named[]): Promise<KnownHost[]> {
  const tables = await Promise.all(hosts.map(({ id }) => store.table(hostTable(id)).entries()))
  const living = await store.known.living(tables.flat().map(({ owner }) => owner))
  return hosts.map((host, i) => ({ ...host, ...saidIn(tables[i]!, living) }))
}

function saidIn(
  entries: readonly TableEntry[],
  living: ReadonlySet<string>
): Pick<KnownHost, 'registration' | 'lastSeen'> {
  const said = entries.find(({ key, owner }) => key === REGISTRATION && living.has(owner))
  const registration = registrationOf(said?.value)
  const seen = entries.find(({ key }) => key === SEEN)
  return { registration, lastSeen: registration === undefined ? seenOf(seen?.value) : undefined }
}
