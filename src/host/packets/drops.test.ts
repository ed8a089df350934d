// Drops count packets: those that were walked, and those that the datapath dropped by a flow.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Topology } from '../../../test/world/objects.ts'
import { World } from '../../../test/world/world.ts'
import { loadPlugins } from '../../agent/plugins.ts'
import { eth } from '../../wire/builder.ts'

const plugins = await loadPlugins()
const maintenance = { tickMs: 10, quietTicks: 1, idleMs: 1000, checkMs: 500, shortMs: 200 }
const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
const frame = (dport: number): Uint8Array =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(5000, dport).frame()

function open(): World {
  const topology = new Topology().bridge('net').add('chain', 'guard', { name: 'guard' })
  topology.edge('a', 'net', 'h1', { inFilter: 'guard' }).edge('b', 'net', 'h1')
  const ports = (port: number) => ({ protocol: 17, destinationPorts: { start: port, end: port } })
  topology.rule('guard', 1, 'drop', ports(9)).rule('guard', 2, 'reject', ports(10))
  const world = new World({ plugins, objects: topology.objects, maintenance })
  world.settle(300)
  return world
}

for (const [what, dport, reason] of [
  ['a flow that stays', 9, 'drop.firewall.rule'],
  ['flows that soon go', 10, 'drop.firewall.reject']
] as const)
  test(`packets dropped by ${what} are counted, one by one`, () => {
    const world = open()
    for (let i = 1; i <= 400; i++) {
      world.send('a', frame(dport))
      world.settle(i % 50 === 0 ? 1500 : 7)
    }
    assert.ok(world.counter('packets.walked') < 200, 'most of them by a flow')
    assert.ok(world.counter('flows.revalidated') + world.counter('flows.expired') > 0)
    world.settle(100)
    assert.equal(world.drops()[reason], 400)
  })

test('packets dropped by a flow that goes stale are counted to its end', () => {
  const world = open()
  const rule = world.store.get('rule', 'guard-1')!
  for (let i = 1; i <= 200; i++) {
    world.send('a', frame(9))
    if (i % 20 === 0)
      world.store.put('rule', { ...rule, action: 'drop', position: i % 40 === 0 ? 1 : 3 })
    if (i % 3 === 0) world.settle(1)
  }
  world.settle(100)
  assert.equal(world.drops()['drop.firewall.rule'], 200)
})

test('no packet that passes is counted', () => {
  const world = open()
  world.exchange('b', eth(B, A).payload(50).frame())
  for (let i = 0; i < 50; i++) assert.equal(world.exchange('a', frame(11)).length, 1)
  world.settle(3000)
  assert.deepEqual(world.drops(), {})
})
