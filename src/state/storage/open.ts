// The store of flow state that the settings ask for.  Each is loaded when it is asked for: a host
// that keeps a journal has no Cassandra driver in its memory. test/state/open.test.ts holds it.

import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { fail, show } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { type Random, SystemRandom } from '../../core/random.ts'
import type { ClusterOptions } from './cassandra/options.ts'
import { SaveQueue } from './queue.ts'
import type { FlowStateStore } from './store.ts'
import { Tally } from './tally.ts'

/** `state.store` of the configuration. */
export interface FlowStateStoreSettings {
  /** `none`: flow state ends with the agent. */
  readonly kind: 'journal' | 'cassandra' | 'none'
  /** Folder of the journal. */
  readonly path: string
  /** Older state is not read, seconds. */
  readonly keepS: number
  /** Disk the journal takes. */
  readonly bytesMax: number
  /** Memory for what waits to be written. */
  readonly queueBytesMax: number
  /** State read for one port. */
  readonly loadBytesMax: number
  /** Settings of the cluster, for that kind. */
  readonly cassandra: ClusterOptions
}

/** The store of one host, at once: what it has to connect to or read, it does behind our back. */
export async function openFlowStateStore(
  settings: FlowStateStoreSettings,
  host: string,
  log: Log,
  clock: Clock,
  random: Random = new SystemRandom()
): Promise<FlowStateStore> {
  const { kind, path, keepS, bytesMax, queueBytesMax, loadBytesMax, cassandra } = settings
  const common = { keepMs: keepS * 1000, queueBytesMax, loadBytesMax, clock, log }
  if (kind === 'none') return new NoStore()
  if (kind === 'journal') {
    const { Journal } = await import('./journal/journal.ts')
    return new Journal({ ...common, folder: join(path, host), bytesMax })
  }
  if (cassandra.contactPoints.length === 0)
    throw fail('INVALID', {
      field: 'state.store.cassandra.contactPoints',
      value: show(cassandra.contactPoints),
      expected: 'one address at least'
    })
  const { CassandraStore } = await import('./cassandra/cassandra.ts')
  return new CassandraStore({ ...common, cluster: cassandra, random })
}

/** Keeps nothing. */
class NoStore implements FlowStateStore {
  readonly #tally = new Tally()
  readonly #queue = new SaveQueue(0)
  readonly state = 'ready'

  save(): void {}

  async load(): Promise<Uint8Array[]> {
    return []
  }

  async settle(): Promise<void> {}

  counters(): Record<string, number> {
    return this.#tally.record(this.#queue)
  }

  async close(): Promise<void> {}
}
