// The core names no plugin: no string of src/ is the name of one, or of a kind of devices, objects,
// services or state, or of a rule's action that one declares. The demo and the lab are users of
// plugins, as everybody is who calls the API; prose may speak of a router, but no example of a
// command is of a plugin's kind: those are made of what is declared.

import { loadResources } from '../../src/agent/resources.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { coreModels } from '../../src/topology/models.ts'
import type { Finding } from './rules.ts'
import { lineAt, scan } from './scan.ts'

const STRING = /(['"`])([\w./-]+)\1/g
const COMMAND = /\bmezzo ()([a-z][\w-]*)/g

/** What plugins are called, and what they call theirs. */
export async function pluginNames(): Promise<ReadonlySet<string>> {
  const plugins = await loadResources()
  const core = new Set(['port', ...coreModels.map(({ kind }) => kind)])
  return new Set([
    ...plugins.flatMap(({ name, deviceKinds = [], stateKinds = [], ruleActions = [] }) => [
      name,
      ...deviceKinds.map(({ kind }) => kind),
      ...[...stateKinds, ...ruleActions].map(each => each.name)
    ]),
    ...modelsOf(plugins).flatMap(({ kind }) => (core.has(kind) ? [] : [kind]))
  ])
}

/** Where a source of the core names one: a string that is it, or begins with it (`name.word`). */
export function namedPlugins(path: string, text: string, names: ReadonlySet<string>): Finding[] {
  if (!/^src\//.test(path) || /^src\/(?:demo|lab)\/|\.test\.ts$/.test(path)) return []
  const { comments } = scan(text)
  return [...text.matchAll(STRING), ...text.matchAll(COMMAND)]
    .filter(({ index, 2: value }) => comments[index] === ' ' && names.has(value!.split(/[./]/)[0]!))
    .map(({ index, 2: value }) => ({
      line: lineAt(text, index),
      message: `'${value}' is a plugin's: have it declared in resources.ts (docs/plugins.md)`
    }))
}
