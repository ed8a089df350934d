// The API over a real agent: what it reports of its interfaces and flows, and the walk of a packet
// through a bridge, a router and another bridge.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../../src/lab/index.ts'
import type { Appliance } from '../../src/main/appliance.ts'
import { eth } from '../../src/wire/builder.ts'
import { call } from './fixture.ts'
import { post as create, HOST, openSystem } from './system.ts'

let system: Appliance
let url: string

before(async () => {
  ;({ system, url } = await openSystem(['tap0', 'mzinj0', 'mzinj1']))
})
after(() => system.close())

const post = (path: string, body: unknown): Promise<string> => create(url + path, body)

test('a described packet is walked by the agent; interfaces and bindings are its own', async () => {
  const router = await post('/routers', { name: 'r' })
  const ends: string[] = []
  for (const net of [1, 2]) {
    const bridge = await post('/bridges', { name: `br${net}` })
    const addresses = [`10.0.${net}.1/24`]
    const down = await post(`/routers/${router}/ports`, { addresses })
    const up = await post(`/bridges/${bridge}/ports`, {})
    await call(`${url}/ports/${up}/link`, 'POST', { peer: down })
    ends.push(await post(`/bridges/${bridge}/ports`, {}))
  }
  const binding = `${url}/ports/${ends[0]}/binding`
  const wrong = await call(binding, 'PUT', { host: HOST, interface: 'nosuch0' })
  assert.equal(wrong.status, 400)
  assert.match(wrong.body.error.faults[0]!.expected, /tap0$/)
  assert.equal((await call(binding, 'PUT', { host: HOST, interface: 'tap0' })).status, 200)

  const walk = async (packet: string) =>
    (await call(`${url}/trace`, 'POST', { host: HOST, interface: 'tap0', packet })).body
  const ping = await walk('icmp 10.0.1.5 > 10.0.1.1')
  assert.equal(ping.verdict, 'consume', JSON.stringify(ping))
  const lost = await walk('icmp 10.0.1.5 > 10.0.9.9')
  assert.deepEqual([lost.verdict, lost.dropReason], ['drop', 'router.no-route'])
  assert.ok((lost.mask as string[]).some(field => field.includes('10.0.9.9')))
  assert.ok((lost.tags as string[]).length > 0)
  const flows = (await call(`${url}/hosts/${HOST}/flows`)).body as unknown as unknown[]
  assert.deepEqual(flows, [], 'a trace installs nothing')
})

test('the interfaces of a host are told without those that are Mezzo its own', async () => {
  const told = (await call(`${url}/hosts/${HOST}/interfaces`)).body as unknown as Named[]
  assert.deepEqual(
    told.map(({ name }) => name),
    ['underlay', 'tap0']
  )
  const registered = async (): Promise<unknown> =>
    (await call(`${url}/hosts/${HOST}`)).body.interfaces
  await until('the host is registered', async () => (await registered()) !== undefined)
  assert.deepEqual(await registered(), ['underlay', 'tap0'])
  const port = await post(`/bridges/${await post('/bridges', { name: 'own' })}/ports`, {})
  const binding = { host: HOST, interface: 'mzinj0' }
  const refused = await call(`${url}/ports/${port}/binding`, 'PUT', binding)
  assert.match(refused.body.error.faults[0]!.expected, /Mezzo itself uses it/)
})

interface Named {
  readonly name: string
}

test('F12: an agent with hours of work before it stops all the same', async () => {
  const busy = await openSystem(['tap0'])
  const agent = busy.system.agent(HOST)!
  // Each is walked: nobody is bound to it, so no flow is made.
  const frame = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b').ipv4('10.0.0.1', '10.0.0.2').frame()
  for (let i = 0; i < 400_000; i++) agent.input('tap0', frame)
  await busy.system.close(true)
  assert.equal(agent.alive, false)
})

test('an agent that has stopped is told apart from one that never was', async () => {
  await system.agent(HOST)!.stop()
  const agents = (await call(`${url}/agents`)).body as unknown as unknown[]
  assert.deepEqual(agents, [{ id: HOST, name: 'compute1', alive: false }])
  assert.equal((await call(`${url}/hosts/${HOST}/interfaces`)).status, 503)
  assert.equal((await call(`${url}/hosts/${HOST}/flows`)).status, 503)
})
