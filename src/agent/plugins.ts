// Finds the plugins: each folder of `plugins/`, and of further such folders, is one; its files are
// index.ts (of a packet thread), resources.ts (data) and control.ts (of the main thread), each
// where the plugin has that side.

import { type Dirent, existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fail, reasonOf } from '../core/errors.ts'
import type { Plugin } from '../plugin.ts'
import type { Resources } from '../resource.ts'
import type { Control } from './control/control.ts'

/** Of this tree. */
export const folder = new URL('../../plugins/', import.meta.url)

/** Where a plugin is. */
export interface PluginPlace {
  readonly name: string
  /** A URL that ends in `/`. */
  readonly folder: string
}

/**
 * The plugins of this tree and of further folders. Throws EXISTS: two have one name; INVALID: a
 * folder cannot be read.
 */
export function findPlugins(further: readonly URL[] = []): PluginPlace[] {
  const places = [folder, ...further].flatMap(each =>
    entriesOf(each)
      .filter(entry => entry.isDirectory())
      .map(({ name }) => ({ name, folder: new URL(`${name}/`, each).href }))
  )
  const names = places.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw fail('EXISTS', { kind: 'plugin', id: twice })
  return places.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function entriesOf(place: URL): Dirent[] {
  try {
    return readdirSync(place, { withFileTypes: true })
  } catch (error) {
    const value = fileURLToPath(place).replace(/\/$/, '')
    const expected = `a folder of plugins: ${reasonOf(error)}`
    throw fail('INVALID', { field: '--plugins', value, expected }, error)
  }
}

/** Where plugins are that were loaded by what they declare. */
export const placesOf = (plugins: readonly Resources[]): PluginPlace[] =>
  plugins.flatMap(({ name, folder }) => (folder === undefined ? [] : [{ name, folder }]))

/** The sides that live in a packet thread. */
export const loadPlugins = (places: readonly PluginPlace[] = findPlugins()): Promise<Plugin[]> =>
  loadSides<Plugin>(places, 'index.ts')

/** The sides that live on the main thread. */
export const loadControls = (places: readonly PluginPlace[]): Promise<Control[]> =>
  loadSides<Control>(places, 'control.ts')

/**
 * The default exports of one file of each plugin that has it. Throws PLUGIN_UNREADABLE and INVALID,
 * which name the file: it cannot be loaded, or gives no plugin.
 */
export async function loadSides<T>(places: readonly PluginPlace[], file: string): Promise<T[]> {
  const urls = places.map(({ folder }) => new URL(file, folder))
  return Promise.all(urls.filter(url => existsSync(url)).map(url => loadSide<T>(url)))
}

async function loadSide<T>(url: URL): Promise<T> {
  const file = fileURLToPath(url)
  const { default: side } = await (import(url.href) as Promise<{ default?: T }>).catch(error => {
    throw fail('PLUGIN_UNREADABLE', { file, reason: reasonOf(error) }, error)
  })
  if (typeof side === 'object' && side !== null) return side
  const field = `what is exported by default from ${file}`
  throw fail('INVALID', { field, value: String(side), expected: 'a plugin (docs/plugins.md)' })
}
