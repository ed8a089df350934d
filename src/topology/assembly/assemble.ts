// What plugins declare, put together: the models of the store, and what a packet thread has to
// know, as plain data. Both are the same wherever the same plugins are there.

import { fail } from '../../core/errors.ts'
import { CORE_KINDS } from '../../state/kinds.ts'
import { KINDS_MAX } from '../../state/table.ts'
import type { Model } from '../model.ts'
import { coreModels } from '../models.ts'
import type { Assembly } from './assembly.ts'
import { portModelOf } from './port-model.ts'
import type { CommandPart, Declared, Resources, StateKindPart } from './resources.ts'

/**
 * Of the plugins chosen. Kinds of flow state are those of all that are installed, so that hosts of
 * one program understand each other whichever each has chosen. Throws EXISTS when two declare the
 * same.
 */
export function assemblyOf(plugins: readonly Resources[], installed = plugins): Assembly {
  const { deviceKinds, serviceKinds } = declaredBy(plugins)
  const { stateKinds } = declaredBy(installed)
  const uplinks = deviceKinds.filter(({ portClass }) => portClass === 'uplink')
  const kinds = numbered(stateKinds)
  return {
    uplinks: uplinks.map(({ kind }) => kind),
    filterKind: filterKindOf(plugins),
    services: serviceKinds.map(({ kind, portField: field }) => ({ kind, field })),
    stateKinds: kinds.map(({ name, idleS = 0 }) => ({ name, idleS }))
  }
}

/** What can be stored: what is everybody's, and what the plugins bring. */
export function modelsOf(plugins: readonly Resources[]): Model[] {
  const all = declaredBy(plugins)
  const port = portModelOf(all.deviceKinds, filterKindOf(plugins), all.serviceKinds)
  const theirs = plugins.flatMap(({ resources = [] }) =>
    typeof resources === 'function' ? resources(all) : resources
  )
  return [...coreModels, port, ...theirs]
}

/** Commands of plugins, with their whole paths; `{id}` is the host. */
export const commandsOf = (plugins: readonly Resources[]): CommandPart[] =>
  plugins.flatMap(({ name, commands = [] }) =>
    commands.map(each => ({ ...each, path: `/hosts/{id}/${name}${each.path}` }))
  )

function declaredBy(plugins: readonly Resources[]): Declared {
  const deviceKinds = plugins.flatMap(each => each.deviceKinds ?? [])
  onlyOnce(
    'device kind',
    deviceKinds.map(({ kind }) => kind)
  )
  const ruleActions = plugins.flatMap(each => each.ruleActions ?? [])
  onlyOnce(
    'rule action',
    ruleActions.map(({ name }) => name)
  )
  return {
    deviceKinds,
    ruleActions,
    serviceKinds: plugins.flatMap(each => each.serviceKinds ?? []),
    stateKinds: sorted(plugins).flatMap(each => each.stateKinds ?? [])
  }
}

// First those that live as connections do, then those with a time of their own; each in the order
// of the plugins, which is that of their names.
function numbered(declared: readonly StateKindPart[]): readonly StateKindPart[] {
  const ofTheirOwn = ({ idleS = 0 }: StateKindPart): boolean => idleS > 0
  const kinds = [
    ...CORE_KINDS,
    ...declared.filter(kind => !ofTheirOwn(kind)),
    ...declared.filter(ofTheirOwn)
  ]
  onlyOnce(
    'state kind',
    kinds.map(({ name }) => name)
  )
  if (kinds.length < KINDS_MAX) return kinds
  const expected = `at most ${KINDS_MAX - 1}, with \`${CORE_KINDS[0]!.name}\``
  throw fail('INVALID', { field: 'stateKinds', value: kinds.length, expected })
}

const sorted = (plugins: readonly Resources[]): Resources[] =>
  [...plugins].sort((a, b) => (a.name < b.name ? -1 : 1))

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
