// A topology as a document: JSON that people can read and keep, all objects by their kinds.
//
//   {"format":"mezzo-topology","version":1,"objects":{"bridge":[{"id":"…","name":"web"}], …}}
//
// Hidden kinds (the secret of flow state) and what hosts have learned are no part of it.

import { fail, reasonOf, show } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import type { Store } from '../store.ts'

const FORMAT = 'mezzo-topology'
const VERSION = 1
const TRIES_MAX = 10

/** All objects of a topology, by kind. */
export interface TopologyDocument {
  /** Says that it is such a document. */
  readonly format: typeof FORMAT
  /** Of the format; another is refused. */
  readonly version: typeof VERSION
  /** All objects, by kind. */
  readonly objects: Readonly<Record<string, readonly Stored[]>>
}

/** All there is at one moment.  Throws UNAVAILABLE when it changes all the time. */
export async function documentOf(
  store: Store,
  models: readonly Model[]
): Promise<TopologyDocument> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { change } = store.report()
    const objects: Record<string, Stored[]> = {}
    for (const { kind, hidden } of models) {
      if (hidden === true) continue
      const values: Stored[] = []
      for await (const { value } of store.list(kind)) values.push(value)
      if (values.length > 0) objects[kind] = values
    }
    if (store.report().change === change) return { format: FORMAT, version: VERSION, objects }
  }
  throw fail('UNAVAILABLE', { what: 'a backup', reason: 'the topology changes all the time' })
}

/** Throws INVALID when it is no such document, or one of another version, or has unknown kinds. */
export function parseDocument(text: string, models: readonly Model[]): TopologyDocument {
  const refuse = (field: string, value: unknown, expected: string): Error =>
    fail('INVALID', { field, value: show(value), expected })
  let document: Partial<TopologyDocument>
  try {
    document = JSON.parse(text) as Partial<TopologyDocument>
  } catch (error) {
    throw refuse('the backup', text.slice(0, 40), `JSON (${reasonOf(error)})`)
  }
  const { format, version, objects } = document ?? {}
  if (format !== FORMAT) throw refuse('format of the backup', format, `"${FORMAT}"`)
  if (version !== VERSION) throw refuse('version of the backup', version, String(VERSION))
  if (typeof objects !== 'object' || objects === null)
    throw refuse('objects of the backup', objects, 'objects by their kinds')
  const kinds = models.filter(({ hidden }) => hidden !== true).map(({ kind }) => kind)
  for (const [kind, values] of Object.entries(objects)) {
    if (!kinds.includes(kind)) throw refuse('a kind of the backup', kind, kinds.join(', '))
    if (!Array.isArray(values)) throw refuse(`objects.${kind}`, values, 'a list of objects')
  }
  return { format, version, objects }
}
