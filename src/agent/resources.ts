// Finds what plugins declare: each folder of `plugins/` has a `resources.ts`.  For the main thread;
// packet workers load the plugins themselves (plugins.ts).

import type { TObject } from 'typebox'
import Value from 'typebox/value'
import { section } from '../core/config/config.ts'
import type { Resources } from '../resource.ts'
import { folder, pluginNames } from './plugins.ts'

/** Loads the data of these plugins. */
export async function loadResources(
  names: readonly string[] = pluginNames()
): Promise<Resources[]> {
  return Promise.all(
    names.map(async name => {
      const module = (await import(new URL(`${name}/resources.ts`, folder).href)) as {
        default: Resources
      }
      return module.default
    })
  )
}

/** Each plugin with the section of settings it declares. */
export const pluginSections = (plugins: readonly Resources[]): Record<string, TObject> =>
  Object.fromEntries(plugins.map(({ name, settings }) => [name, settings ?? section({})]))

/** Each plugin with its settings as they are when nobody sets any. */
export const defaultSettings = (
  plugins: readonly Resources[]
): Record<string, Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(pluginSections(plugins)).map(([name, schema]) => [
      name,
      Value.Default(schema, {}) as Record<string, unknown>
    ])
  )
