// The plugins' other door: what `resources.ts` of a plugin is made of.  Models and settings are
// data for the store, the API, the CLI and the configuration; the packet worker does without them,
// and so without the schema library (34 MB in every thread that loads it).

import type { Resources } from './topology/assembly/resources.ts'

export { section } from './core/config/config.ts'
export type { Random } from './core/random.ts'
export { portFields, stationFaults } from './topology/assembly/port-fields.ts'
export type {
  CommandPart,
  Declared,
  DeviceKind,
  PortPart,
  Resources,
  RuleActionPart,
  StateKindPart
} from './topology/assembly/resources.ts'
export {
  type Completing,
  defineModel,
  type Fault,
  type Model,
  type ModelValue,
  type ObjectReader,
  type Status,
  type Stored
} from './topology/model.ts'
export { AdminStateUp, Name, object, Uuid } from './topology/models.ts'
export { securityFaults } from './topology/ports/port-security.ts'
export * as address from './wire/address.ts'

/** Identity: it says what the default export of `resources.ts` is. */
export const defineResources = (resources: Resources): Resources => resources
