// What a packet thread has to know of what plugins declare: plain data, made by assemble.ts on the
// main thread, for packet threads do without the schema library.

import { CORE_KINDS, type StateKind } from '../../state/kinds.ts'

/** What all plugins together declare: kinds of devices, fields of ports, rules about them. */
export interface Assembly {
  /** Kinds of devices whose ports lead out of the network where they are bound. */
  readonly uplinks: readonly string[]
  /** Kinds of services, and the fields of ports that name one, in the order they are asked. */
  readonly services: readonly { readonly kind: string; readonly field: string }[]
  /** Kinds of flow state, by number from 1. */
  readonly stateKinds: readonly StateKind[]
  /** Kind of the devices that filter at ports; '' when no plugin has them. */
  readonly filterKind: string
}

/** Of no plugin. */
export const NO_PLUGINS: Assembly = {
  uplinks: [],
  filterKind: '',
  services: [],
  stateKinds: CORE_KINDS
}
