// Looks whether a store keeps its own rules: each object is what its model says, points at what is
// there, and has its names and numbers alone.  A fault here is a mistake of ours, or the work of
// somebody who wrote past us.

import { fail, isFailure } from '../../core/errors.ts'
import type { Fault, Model, Stored } from '../model.ts'
import type { Change, Store } from '../store.ts'
import { checkObject } from '../validation.ts'
import {
  cleared,
  combinationKey,
  combinations,
  kindsOf,
  numberKey,
  numbersOf,
  pointers
} from '../write/indexing.ts'
import { rivalsOf } from '../write/kinds.ts'

/** What is wrong with an object. */
export interface ObjectFault extends Fault {
  /** Kind of the object. */
  readonly kind: string
  readonly id: string
  /** What would mend it; undefined: a person has to. */
  readonly repair: 'clear' | 'delete' | undefined
}

/** All faults there are. */
export async function audit(store: Store, models: readonly Model[]): Promise<ObjectFault[]> {
  const objects: { readonly model: Model; readonly value: Stored }[] = []
  for (const model of models)
    for await (const { value } of store.list(model.kind)) objects.push({ model, value })
  const there = new Set(objects.map(({ model, value }) => `${model.kind} ${value.id}`))
  const taken = new Map<string, string>()
  const rivals = rivalsOf(models)
  return objects.flatMap(({ model, value }) => [
    ...ofId(model, value, [...(rivals.get(model.kind) ?? [])], there),
    ...ofShape(model, value),
    ...ofPointers(model, value, there),
    ...ofWhatIsAlone(model, value, taken)
  ])
}

function ofShape(model: Model, value: Stored): ObjectFault[] {
  const { kind, hidden } = model
  return checkObject(model, value).map(fault => {
    const shown = hidden === true ? { ...fault, value: 'hidden' } : fault
    return { kind, id: value.id, ...shown, repair: undefined }
  })
}

function ofPointers(model: Model, value: Stored, there: ReadonlySet<string>): ObjectFault[] {
  const dangling = pointers(model, value).filter(
    ({ reference, target }) => !kindsOf(reference).some(kind => there.has(`${kind} ${target}`))
  )
  return dangling.map(({ reference, target }) => ({
    ...{ kind: model.kind, id: value.id, field: reference.field, value: target },
    expected: `a ${kindsOf(reference).join(' or ')} that is there`,
    repair: repairOf[reference.onDelete]
  }))
}

// Of two that share an id a field that may name either means the first kind, always.
function ofId(
  { kind }: Model,
  { id }: Stored,
  rivals: readonly string[],
  there: ReadonlySet<string>
): ObjectFault[] {
  const others = rivals.filter(other => there.has(`${other} ${id}`))
  return others.map(other => {
    const expected = `another than that of a ${other}`
    return { kind, id, field: 'id', value: id, expected, repair: undefined }
  })
}

const repairOf = { clear: 'clear', cascade: 'delete', refuse: undefined } as const

function ofWhatIsAlone(model: Model, value: Stored, taken: Map<string, string>): ObjectFault[] {
  const { kind } = model
  const { id } = value
  const held = [
    ...combinations(model, value).map(each => [each.fields, `${kind} ${combinationKey(each)}`]),
    ...numbersOf(model, value).map(each => [each.sequence, `number ${numberKey(each)}`])
  ]
  return held.flatMap(([field, key]) => {
    const other = taken.get(key!)
    taken.set(key!, id)
    if (other === undefined) return []
    const fault = { field: field!, value: value[field!], expected: `another than that of ${other}` }
    return [{ kind, id, ...fault, repair: undefined }]
  })
}

/** Mends what can be mended; gives how many faults that were. */
export async function repair(
  store: Store,
  models: readonly Model[],
  faults: readonly ObjectFault[]
): Promise<number> {
  let mended = 0
  for (const fault of faults) {
    const model = models.find(({ kind }) => kind === fault.kind)
    if (model === undefined) throw fail('NOT_FOUND', { kind: 'model', id: fault.kind })
    if (fault.repair === undefined) continue
    const change = await changeOf(store, model, fault)
    if (change !== undefined) await store.write([change]).catch(ignoreGone)
    mended++
  }
  return mended
}

// Undefined: it went with another.
async function changeOf(
  store: Store,
  { kind }: Model,
  { id, field, value: target, repair: how }: ObjectFault
): Promise<Change | undefined> {
  const found = await store.read(kind, id)
  if (found === undefined) return undefined
  const { version } = found
  if (how === 'delete') return { op: 'delete', kind, id, version }
  return { op: 'update', kind, value: cleared(found.value, field, String(target)), version }
}

const ignoreGone = (error: unknown): void => {
  if (!isFailure(error, 'NOT_FOUND')) throw error
}
