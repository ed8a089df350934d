// A host that has stopped has put everything away, and takes nothing out again: an agent's thread
// ends when no timer is left, so one timer that arms itself again would keep it for ever.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import bridge from '../../plugins/bridge/index.ts'
import router from '../../plugins/router/index.ts'
import { World } from '../../test/world/world.ts'
import type { Plugin } from '../plugin.ts'
import { eth } from '../wire/builder.ts'

const A = '02:00:00:00:00:0a'
const GATEWAY = '02:00:00:00:01:01'
const port = (fields: object) => ({ kind: 'port', value: fields as never })
const link = { type: 'router', device: 'r', mac: GATEWAY }
const OBJECTS = [
  { kind: 'bridge', value: { id: 'near' } },
  { kind: 'router', value: { id: 'r' } },
  port({ id: 'a', number: 1, type: 'bridge', device: 'near', host: 'h1', interface: 'a' }),
  port({ id: 'b', number: 2, type: 'bridge', device: 'near', host: 'h2', interface: 'b' }),
  port({ id: 'up', number: 3, type: 'bridge', device: 'near', peer: 'r1' }),
  port({ id: 'r1', number: 4, ...link, peer: 'up', addresses: ['10.0.1.1/24'] }),
  port({ id: 'u1', number: 5, ...link, host: 'h1', interface: 'u1', addresses: ['10.0.2.1/24'] }),
  port({ id: 'u2', number: 6, ...link, host: 'h2', interface: 'u2', addresses: ['10.0.3.1/24'] }),
  { kind: 'port-group', value: { id: 'uplinks', stateful: true, ports: ['u1', 'u2'] } }
]

const ping = (dst: string) => eth(A, GATEWAY).ipv4('10.0.1.10', dst).icmpEcho(1, 1).frame()
const arp = () => eth(A, 'ff:ff:ff:ff:ff:ff').arpRequest(A, '10.0.1.10', '10.0.1.1').frame()

// Frames that came with the order to stop, flows that go stale at its end, objects that change.
function goOn(world: World): void {
  for (const { id, host } of world.hosts.values()) {
    for (const frame of [arp(), ping('10.0.1.99')]) host.worker.emit(frame, id === 'h1' ? 'a' : 'b')
    world.hosts.get(id)!.input(id === 'h1' ? 'a' : 'b', arp())
    host.worker.invalidate([])
    host.worker.turn()
  }
  world.store.put('port', { id: 'r1', number: 4, ...link, peer: 'up', addresses: ['10.0.1.2/24'] })
}

for (const share of [false, true])
  test(`a stopped host arms no timer, ${share ? 'sharing state' : 'alone'}`, async () => {
    const plugins = [bridge, router] as unknown as readonly Plugin[]
    const world = new World({ plugins, objects: OBJECTS, prefetch: true, share })
    world.exchange('a', arp())
    world.exchange('a', ping('10.0.1.99')) // the router asks for a neighbour
    world.settle(50)
    assert.ok(world.clock.waiting > 0)
    for (const { host } of world.hosts.values()) {
      const stopped = host.stop(false)
      goOn(world)
      await stopped
    }
    goOn(world)
    world.settle()
    assert.equal(world.clock.waiting, 0)
    assert.deepEqual(
      [...world.hosts.values()].map(({ host }) => host.view.known().devices),
      [0, 0]
    )
  })
