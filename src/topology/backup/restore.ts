// Puts a document into an empty store.  All of it is tried on a store in memory first, which has
// the same rules: a document that is wrong changes nothing.

import type { Clock } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { Model } from '../model.ts'
import { openSqliteStore } from '../sqlite/store.ts'
import type { Store } from '../store.ts'
import { CHANGES_MAX } from '../write/drafts.ts'
import type { TopologyDocument } from './document.ts'
import { inOrder, type NewObject } from './order.ts'

// Of one write, where nothing asks for more.
const BATCH = 1_000

/**
 * Gives how many objects were made.  Throws EXISTS when the store is not empty, and whatever a
 * write throws when an object of the document is wrong; then nothing was made.
 */
export async function restore(
  store: Store,
  models: readonly Model[],
  document: TopologyDocument,
  clock: Clock
): Promise<number> {
  await refuseFull(store, models)
  const objects = models.flatMap(model =>
    (document.objects[model.kind] ?? []).map((value): NewObject => ({ model, value }))
  )
  const writes = batches(inOrder(objects))
  const tried = await openSqliteStore({ models, clock })
  try {
    for (const write of writes) await make(tried, write)
  } finally {
    await tried.close()
  }
  for (const write of writes) await make(store, write)
  return objects.length
}

async function refuseFull(store: Store, models: readonly Model[]): Promise<void> {
  for (const { kind, hidden } of models) {
    if (hidden === true) continue
    for await (const { id } of store.list(kind))
      throw fail('EXISTS', { kind: `the store is not empty: ${kind}`, id })
  }
}

const make = (store: Store, objects: readonly NewObject[]): Promise<number> =>
  store.write(objects.map(({ model, value }) => ({ op: 'create', kind: model.kind, value })))

function batches(groups: readonly (readonly NewObject[])[]): NewObject[][] {
  const writes: NewObject[][] = [[]]
  for (const group of groups) {
    if (group.length > CHANGES_MAX)
      throw fail('LIMIT', { what: 'objects that point at each other', limit: CHANGES_MAX })
    const last = writes.at(-1)!
    if (last.length > 0 && last.length + group.length > BATCH) writes.push([...group])
    else last.push(...group)
  }
  return writes.filter(({ length }) => length > 0)
}
