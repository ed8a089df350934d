// In which order objects can be made: what is pointed at comes first, and those that point at each
// other come together.  (Tarjan's strongly connected components, told in the order they are closed;
// with a stack of its own, for chains of objects are long.)

import type { Model, Stored } from '../model.ts'
import { kindsOf, pointers } from '../write/indexing.ts'

/** An object that is to be made. */
export interface NewObject {
  readonly model: Model
  /** The object. */
  readonly value: Stored
}

interface Visit {
  readonly object: NewObject
  readonly index: number
  low: number
  isOpen: boolean
  readonly targets: Iterator<NewObject>
}

/** Groups of objects; each is to be made at once, after those before it. */
export function inOrder(objects: readonly NewObject[]): NewObject[][] {
  const byKey = new Map(objects.map(each => [keyOf(each.model.kind, each.value.id), each]))
  const visits = new Map<NewObject, Visit>()
  const groups: NewObject[][] = []
  const open: Visit[] = []

  function* targetsOf({ model, value }: NewObject): Generator<NewObject> {
    for (const { reference, target } of pointers(model, value))
      for (const kind of kindsOf(reference)) {
        const found = byKey.get(keyOf(kind, target))
        if (found !== undefined) yield found
      }
  }

  const begin = (object: NewObject): Visit => {
    const index = visits.size
    const visit: Visit = { object, index, low: index, isOpen: true, targets: targetsOf(object) }
    visits.set(object, visit)
    open.push(visit)
    return visit
  }

  const close = (visit: Visit): void => {
    if (visit.low !== visit.index) return
    const group = open.splice(open.indexOf(visit))
    for (const each of group) each.isOpen = false
    groups.push(group.map(({ object }) => object))
  }

  const walk = (first: NewObject): void => {
    const path = [begin(first)]
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const { done, value: target } = visit.targets.next()
      if (done === true) {
        close(visit)
        path.pop()
        const parent = path.at(-1)
        if (parent !== undefined) parent.low = Math.min(parent.low, visit.low)
        continue
      }
      const seen = visits.get(target)
      if (seen === undefined) path.push(begin(target))
      else if (seen.isOpen) visit.low = Math.min(visit.low, seen.index)
    }
  }

  for (const object of objects) if (!visits.has(object)) walk(object)
  return groups
}

const keyOf = (kind: string, id: string): string => `${kind} ${id}`
