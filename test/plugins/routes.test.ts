// Routes that a plugin's control side learns, from the agent's main thread to the packets of its
// packet thread: put, replaced and withdrawn under way.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { silentLog } from '../../src/core/log.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { formatMac } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import { eth } from '../../src/wire/builder.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'

const plugins = await loadResources([new URL('./', import.meta.url)])
const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a02'
const STATION = '02:00:00:00:00:05' // behind `in`
const ROUTER = '02:00:00:00:00:01'
const gateways: Readonly<Record<string, { mac: string; ip: string; port: string }>> = {
  left: { mac: '02:00:00:00:00:21', ip: '10.0.2.9', port: '10.0.2.1' },
  right: { mac: '02:00:00:00:00:31', ip: '10.0.3.9', port: '10.0.3.1' }
}
const packet = eth(STATION, ROUTER).ipv4('10.0.1.5', '172.16.0.5').udp(1000, 2000).frame()

let system: Appliance
let url: string
let router: string
const ports = new Map<string, string>()
const sent: { name: string; to: string }[] = []

const post = async (path: string, body: object): Promise<string> => {
  const answer = await call(`${url}${path}`, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

/** The gateways answer for themselves; what else is sent to them is kept. */
function left(name: string, frame: Uint8Array): void {
  const gateway = gateways[name]
  if (gateway === undefined) return // errors, to the station
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const isArp = ethernet.type(view, 0) === ethernet.Type.arp
  if (!isArp) sent.push({ name, to: formatMac(ethernet.dst(view, 0)) })
  else if (arp.operation(view, ethernet.LENGTH) === arp.Operation.request)
    system.agent(HOST)!.input(name, answerOf(gateway))
}

const answerOf = ({ mac, ip, port }: (typeof gateways)[string]): Uint8Array =>
  eth(mac, ROUTER).arpReply(mac, ip, ROUTER, port).frame()

before(async () => {
  system = await Appliance.open({ storePath: ':memory:', plugins, log: silentLog() })
  await system.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'compute1' } }])
  const interfaces = ['in', ...Object.keys(gateways)]
  const datapath = { kind: 'memory', address: '192.0.2.1', interfaces } as const
  await system.startAgent({
    ...{ id: HOST, name: 'compute1', settings: defaultSettings(plugins) },
    datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 },
    onFrame: left
  })
  url = await system.listen({ host: '127.0.0.1', port: 0 })
  router = await post('/routers', { name: 'r' })
  for (const [i, name] of interfaces.entries()) {
    const addresses = [`10.0.${i + 1}.1/24`]
    const port = await post('/ports', { device: router, name, mac: ROUTER, addresses })
    const binding = { host: HOST, interface: name }
    const bound = await call(`${url}/ports/${port}/binding`, 'PUT', binding)
    assert.ok(bound.status < 300, JSON.stringify(bound.body))
    ports.set(name, port)
  }
})
after(() => system.close())

/** Sends until the packet leaves there, to the gateway there; `null`: until it is dropped. */
const leavesBy = (name: string | null): Promise<void> =>
  eventually(async () => {
    const agent = system.agent(HOST)!
    const before = (await agent.freshCounters()).counters['drop.router.no-route'] ?? 0
    sent.length = 0
    agent.input('in', packet)
    const { counters } = await agent.freshCounters() // it has answered behind the frames
    if (name !== null) return assert.deepEqual(sent, [{ name, to: gateways[name]!.mac }])
    assert.ok(counters['drop.router.no-route']! > before)
    assert.deepEqual(sent, [])
  })

const speaker = (method: string, query = '', body?: object) =>
  call(`${url}/hosts/${HOST}/speaker/route${query}`, method, body)

const learn = async (name: string, prefix: string): Promise<void> => {
  const nextHops = [{ port: ports.get(name)!, gateway: gateways[name]!.ip }]
  const answer = await speaker('PUT', '', { router, prefix, nextHops })
  assert.equal(answer.status, 204, JSON.stringify(answer.body))
}

test('a route that is put leads packets, until another does or it is withdrawn', async () => {
  await leavesBy(null)
  await learn('left', '172.16.0.0/12')
  await leavesBy('left')
  await learn('right', '172.16.0.0/16') // a longer one: the flow that stands is not for it
  await leavesBy('right')
  await learn('left', '172.16.0.0/16')
  await leavesBy('left')
  await learn('right', '172.16.0.0/16')
  await leavesBy('right')
  const one = await speaker('DELETE', `?router=${router}&prefix=172.16.0.0/16`)
  assert.equal(one.status, 204)
  await leavesBy('left')
  assert.equal((await speaker('DELETE', `?router=${router}`)).status, 204)
  await leavesBy(null)
})

test('what cannot be a route is refused by its field, and changes nothing', async () => {
  await learn('left', '172.16.0.0/16')
  await leavesBy('left')
  const nextHops = [{ port: ports.get('right')!, gateway: '2001:db8::9' }]
  const answer = await speaker('PUT', '', { router, prefix: '172.16.0.0/16', nextHops })
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.faults[0]?.field, 'nextHops.gateway')
  await leavesBy('left')
})
