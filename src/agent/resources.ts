// Finds what plugins declare, in their `resources.ts`.  For the main thread; packet threads load
// the plugins themselves (plugins.ts).

import type { TObject } from 'typebox'
import Value from 'typebox/value'
import { section } from '../core/config/config.ts'
import type { Resources } from '../resource.ts'
import { findPlugins, loadSides } from './plugins.ts'

/** Of the plugins of this tree and of further folders, by name. */
export async function loadResources(further: readonly URL[] = []): Promise<Resources[]> {
  return Promise.all(
    findPlugins(further).map(async place => {
      const [resources] = await loadSides<Resources>([place], 'resources.ts')
      return { name: place.name, ...resources, folder: place.folder }
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
