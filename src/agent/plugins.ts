// Finds the plugins: each folder of `plugins/` is one, its `index.ts` exports it.

import { readdirSync } from 'node:fs'
import type { Plugin } from '../plugin.ts'

/** Where plugins are. */
export const folder = new URL('../../plugins/', import.meta.url)

/** The plugins that there are, by name. */
export const pluginNames = (): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
    .sort()

/** Loads what of these plugins is alive in a packet thread. */
export async function loadPlugins(names: readonly string[] = pluginNames()): Promise<Plugin[]> {
  return Promise.all(
    names.map(async name => {
      const module = (await import(new URL(`${name}/index.ts`, folder).href)) as {
        default: Plugin
      }
      return module.default
    })
  )
}
