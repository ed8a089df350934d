// The kinds of flow state of the plugins there are, by name, and the idle times with theirs.

import { loadResources } from '../../src/agent/resources.ts'
import { withKinds } from '../../src/state/kinds.ts'
import { TIMEOUTS_DEFAULT, type Timeouts } from '../../src/state/timeouts.ts'
import { assemblyOf } from '../../src/topology/assembly/assemble.ts'

const { stateKinds } = assemblyOf(await loadResources())

const numberOf = (name: string): number => stateKinds.findIndex(kind => kind.name === name) + 1

export const Kind = {
  connection: numberOf('connection'),
  snat: numberOf('snat'),
  dnat: numberOf('dnat'),
  sticky: numberOf('sticky')
} as const

export const TIMEOUTS: Timeouts = withKinds(TIMEOUTS_DEFAULT, stateKinds)
