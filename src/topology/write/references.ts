// What a write does to those who point at its objects, and what its objects may point at.  Who
// points at a deleted object goes along, forgets it, or stands in the way, as its model says.

import { fail } from '../../core/errors.ts'
import { checked } from '../validation.ts'
import type { Draft, Drafts } from './drafts.ts'
import { cleared, kindsOf, type Pointer, pointers, pointsAt } from './indexing.ts'
import type { Kinds } from './kinds.ts'
import type { Link, Records, Referrer } from './records.ts'

interface Refusal {
  readonly target: Draft
  readonly by: Draft
  readonly field: string
}

/** Follows deletions to those who point there.  Throws REFERENCED when one stands in the way. */
export function followDeletions(drafts: Drafts, kinds: Kinds, records: Records): void {
  const refusals: Refusal[] = []
  const { gone } = drafts
  for (let target = gone.pop(); target !== undefined; target = gone.pop())
    for (const referrer of records.referrers(target.model.kind, target.id)) {
      // Made by a plugin that is not loaded now: nobody here can say how to change it.
      if (!kinds.knows(referrer.kind)) throw referenced(target, referrer)
      const by = drafts.of(kinds.model(referrer.kind), referrer.id)
      const { field } = referrer
      if (by.after === undefined || !pointsAt(by.after, field, target.id)) continue
      const then = by.model.references.find(reference => reference.field === field)?.onDelete
      if (then === 'clear') by.after = checked(by.model, cleared(by.after, field, target.id))
      else if (then === 'refuse') refusals.push({ target, by, field })
      else {
        by.after = undefined
        gone.push(by)
      }
    }
  // Only now: who stands in the way may have gone along with another.
  for (const { target, by, field } of refusals)
    if (by.after !== undefined && pointsAt(by.after, field, target.id))
      throw referenced(target, { kind: by.model.kind, id: by.id, field })
}

/** The links of an object after the write.  Throws MISSING_REFERENCE when one has no end. */
export function linksOf(draft: Draft, drafts: Drafts): Link[] {
  const { model, after } = draft
  if (after === undefined) return []
  return pointers(model, after).map(pointer => {
    const kind = drafts.kindOf(pointer)
    if (kind === undefined) throw dangling(draft, pointer)
    return { field: pointer.reference.field, kind, id: pointer.target }
  })
}

/**
 * The links of an object before the write that do not hold any more.  Which of the kinds that a
 * reference allows the target had is not asked: a link that is not there is gone already.
 */
export function goneLinks({ model, before }: Draft, now: readonly Link[]): Link[] {
  if (before === undefined) return []
  return pointers(model, before.value)
    .flatMap(({ reference, target }) =>
      kindsOf(reference).map(kind => ({ field: reference.field, kind, id: target }))
    )
    .filter(old => !now.some(link => isSame(link, old)))
}

const isSame = (a: Link, b: Link): boolean =>
  a.field === b.field && a.id === b.id && a.kind === b.kind

const referenced = (target: Draft, by: Referrer): Error =>
  fail('REFERENCED', {
    kind: target.model.kind,
    id: target.id,
    by: `${by.kind} ${by.id} as its ${by.field}`
  })

const dangling = ({ model, id }: Draft, { reference, target }: Pointer): Error =>
  fail('MISSING_REFERENCE', {
    kind: model.kind,
    id,
    field: reference.field,
    value: `${kindsOf(reference).join(' or ')} ${target}`
  })
