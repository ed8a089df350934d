// What plugins declare, put together: the models of the store, and what a packet thread has to
// know, as plain data. Both are the same wherever the same plugins are there.

import { fail } from '../../core/errors.ts'
import type { Model } from '../model.ts'
import { coreModels } from '../models.ts'
import type { Assembly } from './assembly.ts'
import { portModelOf } from './port-model.ts'
import type { Declared, Resources } from './resources.ts'

/** Throws EXISTS when two plugins declare the same. */
export function assemblyOf(plugins: readonly Resources[]): Assembly {
  const { deviceKinds } = declaredBy(plugins)
  const uplinks = deviceKinds.filter(({ portClass }) => portClass === 'uplink')
  return { uplinks: uplinks.map(({ kind }) => kind), filterKind: filterKindOf(plugins) }
}

/** What can be stored: what is everybody's, and what the plugins bring. */
export function modelsOf(plugins: readonly Resources[]): Model[] {
  const all = declaredBy(plugins)
  const port = portModelOf(all.deviceKinds, filterKindOf(plugins))
  const theirs = plugins.flatMap(({ resources = [] }) =>
    typeof resources === 'function' ? resources(all) : resources
  )
  return [...coreModels, port, ...theirs]
}

function declaredBy(plugins: readonly Resources[]): Declared {
  const deviceKinds = plugins.flatMap(each => each.deviceKinds ?? [])
  onlyOnce(
    'device kind',
    deviceKinds.map(({ kind }) => kind)
  )
  return { deviceKinds }
}

function filterKindOf(plugins: readonly Resources[]): string {
  const kinds = plugins.flatMap(({ filterKind }) => filterKind ?? [])
  onlyOnce(
    'filter of ports',
    kinds.map(() => kinds[0]!)
  )
  return kinds[0] ?? ''
}

function onlyOnce(what: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw fail('EXISTS', { kind: what, id: twice })
}
