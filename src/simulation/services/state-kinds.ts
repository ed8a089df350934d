// The numbers of kinds of flow state, which are given out when plugins are put together.

import { token } from '../../core/token.ts'

/** The kinds of records that there are, for plugins. */
export interface StateKinds {
  /** What stands in the upper half of a key's first word. Throws NOT_FOUND: nobody declared it. */
  number(name: string): number
}
export const StateKinds = token<StateKinds>('state-kinds')
