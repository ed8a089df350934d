// The kinds of records there are: `connection`, and what plugins declare. They are numbered from 1
// when the program is put together, so two hosts understand each other when both have the same
// kinds; a stamp of their names, in each message and with what is saved, says whether they have.

import { hashOf } from '../flow/tag.ts'
import { Kind } from './record.ts'
import type { Timeouts } from './timeouts.ts'

/** A kind of record that a plugin declares. */
export interface StateKind {
  readonly name: string
  /** How long a record outlives its last use, seconds; 0: as protocol and flags say. */
  readonly idleS: number
}

/** Those of the core, from number 1. */
export const CORE_KINDS: readonly StateKind[] = Object.keys(Kind).map(name => ({ name, idleS: 0 }))

const STAMP_MAX = 0xffff

/** 16 bits, never 0: what messages say of the kinds, which stand in the order of their numbers. */
export const kindsStamp = (kinds: readonly Pick<StateKind, 'name'>[]): number =>
  ((hashOf('state-kinds', kinds.map(({ name }) => name).join(' ')) >>> 0) % STAMP_MAX) + 1

/** Times of kinds that have one of their own; those that are there already stay. */
export function withKinds(timeouts: Timeouts, kinds: readonly StateKind[]): Timeouts {
  const kindsS = [0, ...kinds.map(({ idleS }) => idleS)]
  return { ...timeouts, kindsS: kindsS.map((own, kind) => timeouts.kindsS[kind] ?? own) }
}
