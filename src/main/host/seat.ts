// Which host this machine is, and that it is that host alone.  Its id is in a file (host-id.ts).
// Without one it becomes a host that stands in the store by its name and was no machine's yet, or a
// new one.  Nobody takes what is another's: the seat is taken before anything is written.
// test/zookeeper/host-id.test.ts holds it.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { type Clock, sleep } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { hostTable, REGISTRATION, registrationOf, SEEN } from '../../topology/hosts/registration.ts'
import type { Lease, Store, Versioned } from '../../topology/store.ts'
import type { Appliance } from '../appliance.ts'
import type { ApplianceConfig } from '../run.ts'
import { idFileOf, readHostId, writeHostId } from './host-id.ts'

/** For how many times that of a session another is waited for that may be dead. */
const SESSIONS = 2
const RETRY_MS = 500

/** A host, as its agent is told. */
interface OwnHost {
  readonly id: string
  readonly name: string
}

/**
 * The host that this machine is; made where there is none.  Throws SEAT_TAKEN, NAME_TAKEN.  When
 * another has taken its seat, because this process stalled for too long, `unseated` is called.
 */
export async function ownHost(
  { host, store: { kind, path } }: Pick<ApplianceConfig, 'host' | 'store'>,
  { store, clock }: Pick<Appliance, 'store' | 'clock'>,
  log: Log,
  unseated: (host: string) => void
): Promise<OwnHost> {
  const file = idFileOf(host, { path })
  const kept = file === undefined ? undefined : readHostId(file)
  const name = host.name ?? hostname()
  const isShared = kind === 'zookeeper'
  const id = kept ?? (await byName(store, name, isShared, file)) ?? randomUUID()
  const seat = await takeSeat(store, id, clock)
  void seat.lost.then(() => unseated(id))
  const known = await store.read('host', id)
  if (known === undefined || host.name !== undefined) await mustBeFree(store, { id, name })
  if (file !== undefined && kept === undefined) writeHostId(file, id)
  if (known === undefined) await store.write([{ op: 'create', kind: 'host', value: { id, name } }])
  await store.table(hostTable(id)).seed(SEEN, String(Math.round(clock.wall())))
  const before = String(known?.value.name ?? name)
  if (known === undefined || before === name) return { id, name }
  if (host.name === undefined) {
    log.info({ machine: name, host: before }, 'the machine has another name than its host')
    return { id, name: before }
  }
  log.warn({ before, name }, 'the host is renamed')
  await store.write([{ op: 'update', kind: 'host', value: { ...known.value, name } }])
  return { id, name }
}

// A store of this machine alone knows no other machines.
async function byName(
  store: Store,
  name: string,
  isShared: boolean,
  file: string | undefined
): Promise<string | undefined> {
  const found = await named(store, name)
  if (found === undefined || !isShared) return found?.id
  const isSomebody = (await store.table(hostTable(found.id)).get(SEEN)) !== undefined
  if (isSomebody) throw taken(name, found.id, file)
  return found.id
}

async function mustBeFree(store: Store, { id, name }: OwnHost): Promise<void> {
  const found = await named(store, name)
  if (found !== undefined && found.id !== id) throw taken(name, found.id, undefined)
}

async function named(store: Store, name: string): Promise<Versioned | undefined> {
  for await (const host of store.list('host')) if (host.value.name === name) return host
  return undefined
}

function taken(name: string, id: string, file: string | undefined): Error {
  const how = file === undefined ? '' : `; if it is this machine, write its id into ${file}`
  return fail('NAME_TAKEN', { name, id, how })
}

// Two agents of one host would take each other's programs off the interfaces.  The seat goes with
// the session, so a process that was killed does not keep it: whether one is dead is judged by who
// has been there for as long as a session lasts, and that may be nobody but us.
async function takeSeat(store: Store, id: string, clock: Clock): Promise<Lease> {
  const until = clock.now() + SESSIONS * (store.report().sessionMs ?? 0)
  for (;;) {
    const seat = await store.lease(`agent/${id}`, 1, { guards: true })
    if (seat !== undefined) return seat
    if (clock.now() >= until) break
    await sleep(clock, RETRY_MS)
  }
  const host = await store.read('host', id)
  const first = registrationOf(await store.table(hostTable(id)).get(REGISTRATION))
  const name = String(host?.value.name ?? 'without a name')
  const { machine, addresses = [], pid, since } = first ?? {}
  const who =
    first === undefined
      ? 'one that begins'
      : `on ${machine} (${addresses.join(', ') || 'no address'}), pid ${pid}, since ${since}`
  throw fail('SEAT_TAKEN', { name, id, who })
}
