// A VM behind a router with two uplinks on two gateways, which are one stateful group, in a world
// on one clock: what the tests of sharing play on.

import { loadPlugins } from '../../src/agent/plugins.ts'
import { eth } from '../../src/wire/builder.ts'
import { Topology } from '../world/objects.ts'
import { World, type WorldOptions } from '../world/world.ts'

const plugins = await loadPlugins()

export const VM = '02:00:00:00:00:11'
export const INSIDE = '02:00:00:00:0a:01' // the router's MAC towards the VM
export const OUT = ['02:00:00:00:0b:01', '02:00:00:00:0b:02'] // and of its uplinks
export const FAR = '02:00:00:00:0f:01'

/**
 *  vm (h1) ─ bridge ─ router ─┬─ up0 (g0) ─┐
 *                             └─ up1 (g1) ─┴─ one stateful group
 */
function network(rules: readonly Record<string, unknown>[]): Topology {
  const topology = new Topology()
    .bridge('b')
    .router('r')
    .edge('vm', 'b', 'h1', { outFilter: 'guard', inFilter: 'watch' })
    .uplink('in', 'r', 'b', INSIDE, ['10.0.0.1/24'])
    .add('chain', 'guard', { name: 'guard' })
    .add('chain', 'watch', { name: 'watch' })
    .rule('watch', 1, 'accept', { matchForwardFlow: true })
  for (const [i, { action, ...rest }] of rules.entries())
    topology.rule('guard', i + 1, String(action), rest)
  for (const n of [0, 1]) {
    const addresses = [`203.0.113.${n * 16 + 2}/28`]
    topology.bound(`up${n}`, 'router', 'r', `g${n}`, { mac: OUT[n], addresses })
  }
  const route = { router: 'r', destination: '0.0.0.0/0' }
  return topology
    .add('route', 'to0', { ...route, port: 'up0', gateway: '203.0.113.1', weight: 1 })
    .add('route', 'to1', { ...route, port: 'up1', gateway: '203.0.113.17', weight: 2 })
    .add('port-group', 'uplinks', { name: 'uplinks', stateful: true, ports: ['up0', 'up1'] })
}

export const DEFAULT_DROP = [
  { action: 'accept', connectionStates: ['established', 'related'] },
  { action: 'accept', ethType: 0x806 },
  { action: 'drop' }
]

export function open(
  options: Partial<WorldOptions> = {},
  rules: readonly Record<string, unknown>[] = DEFAULT_DROP
): World {
  const { objects } = network(rules)
  const world = new World({ plugins, objects, share: true, ...options })
  world.settle(300)
  // Everybody knows everybody: neighbours are not what this is about.
  const session = 'test'
  for (const n of [0, 1])
    world.store.tablePut(`neighbour/up${n}`, `203.0.113.${n * 16 + 1}`, `${FAR} 0`, session)
  world.store.tablePut('neighbour/in', '10.0.0.11', `${VM} 0`, session)
  world.send('vm', eth(VM, INSIDE).ipv4('10.0.0.11', '203.0.113.40').udp(9, 9).frame())
  world.settle(50)
  world.delivered.length = 0
  return world
}

export const out = (port: number, flags: string) =>
  eth(VM, INSIDE).ipv4('10.0.0.11', '198.51.100.7').tcp(port, 80, { flags }).frame()
export const back = (n: number, port: number, flags: string) =>
  eth(FAR, OUT[n]!).ipv4('198.51.100.7', '10.0.0.11').tcp(80, port, { flags }).frame()
