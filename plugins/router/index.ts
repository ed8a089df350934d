// The router plugin: resources `router` and `route`, device kind `router`.

import {
  Clock,
  Counters,
  definePlugin,
  type Interest,
  type Models,
  Random,
  Walks
} from '../../src/plugin.ts'
import { claimCounters } from './counters.ts'
import { ErrorSender } from './errors.ts'
import { tableOf } from './neighbours.ts'
import { Router } from './router.ts'
import type { RouterSettings } from './settings.ts'
import { learnedTable } from './token.ts'

export default definePlugin({
  name: 'router',
  needs: { clock: Clock, random: Random, counters: Counters, walks: Walks },
  setup(given, registry, settings: RouterSettings) {
    const counters = claimCounters(given.counters)
    const { clock, random, walks } = given
    const errors = new ErrorSender(counters, settings)
    const needs = { clock, random, walks, counters, settings, errors }
    registry.device('router', {
      interests,
      make: (id, models) => new Router(id, models, needs)
    })
  }
})

/** Its ports, what they are linked to, whom they have for neighbours, and its routes. */
export function interests(id: string, models: Models): Interest[] {
  const wanted: Interest[] = [
    { kind: 'port', field: 'device', value: id },
    { kind: 'route', field: 'router', value: id },
    { table: learnedTable(id) }
  ]
  for (const port of models.portsOf(id)) {
    wanted.push({ table: tableOf(port.id) })
    if (port.peer !== null) wanted.push({ kind: 'port', id: port.peer })
  }
  return wanted
}
