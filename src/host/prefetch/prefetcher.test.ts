// A gateway that others' traffic may come to leave by knows its next hop before it does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import router from '../../../plugins/router/index.ts'
import type { WorldObject } from '../../../test/world/store.ts'
import { World } from '../../../test/world/world.ts'
import type { Plugin } from '../../plugin.ts'
import { arpRequest } from '../../wire/builder.ts'
import { describeFrame } from '../../wire/describe.ts'

const MACS = ['02:00:00:00:01:01', '02:00:00:00:01:02', '02:00:00:00:01:03']

// An uplink on each of three hosts, with a route by it.
function open(group: object) {
  const objects: WorldObject[] = [
    { kind: 'router', value: { id: 'r' } },
    { kind: 'port-group', value: { id: 'g', stateful: true, ports: ['up0', 'up1'], ...group } }
  ]
  for (const [i, mac] of MACS.entries()) {
    const place = { host: `h${i}`, interface: 'up', mac, addresses: [`10.0.${i}.2/24`] }
    const port = { id: `up${i}`, number: i + 1, type: 'router', device: 'r', ...place }
    const way = { destination: '0.0.0.0/0', port: port.id, gateway: `10.0.${i}.1` }
    objects.push({ kind: 'port', value: port })
    objects.push({ kind: 'route', value: { id: `by${i}`, router: 'r', ...way } })
  }
  const world = new World({
    plugins: [router] as unknown as readonly Plugin[],
    objects,
    prefetch: true
  })
  world.settle(100)
  return world
}
const asked = (world: World): string[] =>
  world.delivered.map(({ port, frame }) => `${port}: ${describeFrame(frame)}`)

test('who shares state with another asks for its next hop, and goes on until it is there', () => {
  const world = open({})
  const questions = asked(world)
  assert.equal(questions.length, 2, questions.join('\n'))
  assert.match(questions.find(each => each.startsWith('up1')) ?? '', /10\.0\.1\.1/)
  world.settle(60_000)
  assert.ok(asked(world).filter(each => each.startsWith('up1')).length > 3)
  world.send('up1', arpRequest('0a:00:00:00:00:09', '10.0.1.1', '10.0.1.2').frame())
  world.settle()
  world.delivered.length = 0
  world.settle(15_000)
  assert.deepEqual(
    asked(world).filter(each => each.startsWith('up1')),
    []
  )
})

test('who shares nothing waits for a packet', () => {
  assert.deepEqual(asked(open({ stateful: false })), [])
})
