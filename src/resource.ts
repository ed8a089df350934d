// The plugins' other door: what `resources.ts` of a plugin is made of.  Models and settings are
// data for the store, the API, the CLI and the configuration; the packet worker does without them,
// and so without the schema library (34 MB in every thread that loads it).

import type { TObject } from 'typebox'
import type { Model } from './topology/model.ts'

export { section } from './core/config/config.ts'
export {
  defineModel,
  type Fault,
  type Model,
  type ModelValue,
  type Status,
  type Stored
} from './topology/model.ts'
export { AdminStateUp, Name, object, Uuid } from './topology/models.ts'
export * as address from './wire/address.ts'

export interface Resources {
  readonly name: string // the plugin's
  readonly resources: readonly Model[]
  /** Its section of the configuration, `plugins.<name>`: made by `section`. */
  readonly settings?: TObject
}

export const defineResources = (resources: Resources): Resources => resources
