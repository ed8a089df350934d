// What somebody wants to know of the topology: one object, all of a kind with field = value, all of
// a kind, or a replicated table.

/** What an agent asks the store for: one object, those with a field, a kind, or a table. */
export type Interest =
  | { readonly kind: string; readonly id: string }
  | { readonly kind: string; readonly field: string; readonly value: string }
  | { readonly kind: string }
  | { readonly table: string }

/** An interest as text, by which it is known. */
export const interestKey = (interest: Interest): string => {
  if ('table' in interest) return `table:${interest.table}`
  if ('id' in interest) return `${interest.kind}/${interest.id}`
  if ('field' in interest) return `${interest.kind}?${interest.field}=${interest.value}`
  return `${interest.kind}?`
}
