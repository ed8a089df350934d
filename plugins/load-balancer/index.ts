// The load balancer plugin: device kind `load-balancer`, which routers ask.  See README.md.

import {
  Clock,
  Counters,
  type DeviceFactory,
  Devices,
  definePlugin,
  HostLiveness,
  type Interest,
  Leases,
  LocalDelivery,
  Log,
  type Models,
  Random,
  StateKinds,
  Walks
} from '../../src/plugin.ts'
import { LoadBalancer } from './balancer.ts'
import { ConnectionCounts } from './connections/connection-counts.ts'
import { Refusals } from './connections/refusal.ts'
import { claimCounters } from './counters.ts'
import { ProbeTransport } from './health/probe-transport.ts'
import { tableOf } from './health/table.ts'
import type { PoolModel } from './model.ts'
import type { LoadBalancerSettings } from './settings.ts'

export default definePlugin({
  name: 'load-balancer',
  needs: {
    clock: Clock,
    counters: Counters,
    devices: Devices,
    hosts: HostLiveness,
    leases: Leases,
    log: Log,
    random: Random,
    stateKinds: StateKinds,
    delivery: LocalDelivery,
    walks: Walks
  },
  setup(given, registry, settings: LoadBalancerSettings) {
    const { clock, devices, hosts, leases, log, random, delivery, walks } = given
    const { stateKinds } = given
    const kinds = { dnat: stateKinds.number('dnat'), sticky: stateKinds.number('sticky') }
    const connectionCounts = new ConnectionCounts(clock, settings.countIntervalMs, kinds.dnat)
    const countOf = (word: number): number => connectionCounts.countOf(word)
    const counters = claimCounters(given.counters)
    const transport = new ProbeTransport(walks, devices, random)
    delivery.onDelivery(frame => transport.receive(frame))
    const { host } = delivery
    const health = { host, hosts, clock, random, leases, log, transport, counters, settings }
    const refusals = new Refusals(counters)
    const needs = { random, countOf, connectionCounts, counters, walks, health, refusals, kinds }
    const alive = new Map<string, LoadBalancer>()
    leases.onLost(pool => {
      for (const each of alive.values()) each.lost(pool)
    })
    hosts.onChange(other => {
      for (const each of alive.values()) each.hostChanged(other)
    })
    const factory: DeviceFactory = {
      interests,
      make: (id, models) => {
        const made = new LoadBalancer(id, models, { ...needs, gone: () => alive.delete(id) })
        alive.set(id, made)
        return made
      }
    }
    registry.device('load-balancer', factory)
    return { stop: () => connectionCounts.stop() }
  }
})

// Its routers, its pools, and what belongs to each.
function interests(id: string, models: Models): Interest[] {
  const wanted: Interest[] = [
    { kind: 'router', field: 'loadBalancer', value: id },
    { kind: 'pool', field: 'loadBalancer', value: id }
  ]
  for (const pool of models.where<PoolModel>('pool', 'loadBalancer', id)) {
    wanted.push({ kind: 'vip', field: 'pool', value: pool.id })
    wanted.push({ kind: 'pool-member', field: 'pool', value: pool.id })
    if (pool.healthMonitor === undefined) continue
    wanted.push({ kind: 'health-monitor', id: pool.healthMonitor })
    wanted.push({ table: tableOf(pool.id) })
  }
  return wanted
}
