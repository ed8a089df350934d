// The load balancer plugin: device kind `load-balancer`, which routers ask.  See README.md.

import {
  Clock,
  Counters,
  type DeviceFactory,
  definePlugin,
  type Interest,
  type Models,
  Random
} from '../../src/plugin.ts'
import { LoadBalancer } from './balancer.ts'
import { Census } from './census.ts'
import { claimCounters } from './counters.ts'
import type { PoolModel } from './model.ts'
import type { LoadBalancerSettings } from './settings.ts'

export default definePlugin({
  name: 'load-balancer',
  needs: { clock: Clock, counters: Counters, random: Random },
  setup({ clock, counters, random }, registry, { countIntervalMs }: LoadBalancerSettings) {
    const census = new Census(clock, countIntervalMs)
    const countOf = (word: number): number => census.countOf(word)
    const needs = { random, countOf, census, counters: claimCounters(counters) }
    const factory: DeviceFactory = {
      interests,
      make: (id, models) => new LoadBalancer(id, models, needs)
    }
    registry.device('load-balancer', factory)
    return { stop: () => census.stop() }
  }
})

// Its pools, and what belongs to each.
function interests(id: string, models: Models): Interest[] {
  const wanted: Interest[] = [{ kind: 'pool', field: 'loadBalancer', value: id }]
  for (const pool of models.where<PoolModel>('pool', 'loadBalancer', id)) {
    wanted.push({ kind: 'vip', field: 'pool', value: pool.id })
    wanted.push({ kind: 'pool-member', field: 'pool', value: pool.id })
  }
  return wanted
}
