// Traces, flows, metrics: what agents know, by way of the API.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { describeFrame } from '../../src/wire/describe.ts'
import { call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

let system: System
let host: string
let port: string
let routerMac: string

before(async () => {
  system = await openSystem()
  host = await create(system, '/hosts', { name: 'compute1' })
  system.agents.report(host, 'compute1', ['tap0'])
  const bridge = await create(system, '/bridges', { name: 'br' })
  const router = await create(system, '/routers', { name: 'r' })
  port = await create(system, `/bridges/${bridge}/ports`, {})
  const up = await create(system, `/bridges/${bridge}/ports`, {})
  const addresses = ['10.0.1.1/24', 'fd00:1::1/64']
  const down = await create(system, `/routers/${router}/ports`, { addresses })
  await call(`${system.url}/ports/${up}/link`, 'POST', { peer: down })
  await call(`${system.url}/ports/${port}/binding`, 'PUT', { host, interface: 'tap0' })
  routerMac = String((await call(`${system.url}/ports/${down}`)).body.mac)
})
after(() => system.close())

// Slower than the limit of traces: ten a second after the first twenty.
let traces = 0
async function trace(body: unknown) {
  if (++traces > 18) {
    await system.close()
    throw new Error('more traces than one house allows: open another')
  }
  return call(`${system.url}/trace`, 'POST', body)
}

const lastFrame = (): string => describeFrame(system.agents.traced.at(-1)!.request.frame)

test('a described packet is walked on the host its port is bound on', async () => {
  const { status, body } = await trace({ port, packet: 'icmp 10.0.1.5 > 10.0.2.7 ttl=9' })
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual([body.port, body.host, body.verdict], [port, host, 'drop'])
  assert.equal(body.dropReason, 'bridge.same-port')
  assert.equal(body.packet, lastFrame())
  assert.match(lastFrame(), /10\.0\.1\.5 > 10\.0\.2\.7/)
  assert.match(lastFrame(), /ttl 9/)
})

test('the destination MAC is that of whoever takes the packet there, and is told', async () => {
  for (const [packet, mac] of [
    ['icmp 10.0.1.5 > 10.0.2.7', routerMac], // beyond the router
    ['icmp 10.0.1.5 > 10.0.1.1', routerMac], // the router itself
    ['icmp fd00:1::5 > fd00:2::7', routerMac],
    ['icmp 10.0.1.5 > 10.0.1.6', '02:4d:0a:00:01:06'], // a neighbour: made up
    ['arp 10.0.1.5 > 10.0.1.1', 'ff:ff:ff:ff:ff:ff'],
    ['icmp 10.0.1.5 > 10.0.2.7 dst=02:00:00:00:00:09', '02:00:00:00:00:09']
  ] as const) {
    const { body } = await trace({ port, packet })
    assert.ok(lastFrame().includes(`> ${mac}`), `${packet}: ${lastFrame()}`)
    const says = (body.assumed as string[]).includes(`dst=${mac}`)
    assert.equal(says, !packet.includes('dst=') && !packet.startsWith('arp'))
  }
})

test('a packet may be an object, a frame may be bytes, a port may be an interface', async () => {
  const packet = { protocol: 'udp', from: '10.0.1.5:53', to: '10.0.2.7:53', len: 10 }
  assert.equal((await trace({ host, interface: 'tap0', packet })).body.port, port)
  assert.match(lastFrame(), /UDP 53 > 53/)
  const frame = '02:00:00:00:00:02 020000000001 88b5 01'
  assert.equal((await trace({ port, frame })).status, 200)
  assert.equal(system.agents.traced.at(-1)!.request.frame.length, 15)
})

test('traces that cannot be are refused', async () => {
  const nobody = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'
  const packet = 'icmp 10.0.1.5 > 10.0.2.7'
  for (const [body, field] of [
    [{ port }, 'packet'],
    [{ port, packet, frame: '00' }, 'packet'],
    [{ packet }, 'port'],
    [{ port: nobody, packet }, 'port'],
    [{ host, interface: 'nosuch', packet }, 'interface'],
    [{ port, packet: 'icmp 10.0.1.5 > 10.0.2' }, 'to'],
    [{ port, frame: 'xyz' }, 'frame'],
    [{ port, packet, more: 1 }, 'more']
  ] as const) {
    const answer = await trace(body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal(answer.body.error.faults[0]?.field, field)
  }
  const answer = await trace({ port, host: nobody, packet })
  assert.equal(answer.status, 409)
})

test('traces are bounded in number', async () => {
  const other = await openSystem()
  const id = await create(other, `/bridges/${await create(other, '/bridges', {})}/ports`, {})
  const body = { port: id, packet: 'icmp 10.0.1.5 > 10.0.2.7' }
  const none = await call(`${other.url}/trace`, 'POST', body)
  assert.equal(none.status, 503, 'no agent')
  other.agents.report(host, 'c', [])
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => call(`${other.url}/trace`, 'POST', body))
  )
  const refused = answers.filter(answer => answer.status === 429)
  assert.ok(refused.length > 0 && other.agents.traced.length < 60)
  assert.equal(refused[0]!.headers.get('retry-after'), '1')
  await other.close()
})

test('flows come as the agent tells them, no more than asked', async () => {
  const flow = {
    id: 1,
    key: 'in-port=1',
    mask: 'ff',
    actions: ['output 2'],
    packets: 3,
    bytes: 300,
    ageMs: 10,
    idleMs: 1
  }
  system.agents.table.set(host, [flow, { ...flow, id: 2 }])
  const { body } = await call(`${system.url}/hosts/${host}/flows?limit=1`)
  assert.deepEqual(body, [flow])
})

test('state and other hosts come as the agent tells them', async () => {
  const record = {
    kind: 'connection',
    protocol: 'protocol 47',
    text: 'connection protocol 47 …',
    ingress: 1,
    egress: 2,
    scope: '86e644ac05880443',
    opening: '69257e20000000011a235051',
    isOwn: false,
    ageMs: 10,
    idleMs: 1
  }
  system.agents.records.set(host, [record, record])
  const { body } = await call(`${system.url}/hosts/${host}/state?limit=1&protocol=47`)
  assert.deepEqual(body, [record])
  assert.deepEqual(system.agents.asked.at(-1), { limit: 1, protocol: 'protocol 47' })
  const peer = { host: '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99', alive: true, agentAlive: false }
  system.agents.around.set(host, [peer])
  assert.deepEqual((await call(`${system.url}/hosts/${host}/peers`)).body, [peer])
  const away = await create(system, '/hosts', { name: 'away' })
  for (const what of ['state', 'peers'])
    assert.equal((await call(`${system.url}/hosts/${away}/${what}`)).status, 503)
})

test('/metrics has the counters of the house and of every host', async () => {
  const { headers, body } = await call(`${system.url}/metrics`)
  assert.match(headers.get('content-type') ?? '', /^text\/plain/)
  const text = String(body)
  assert.match(text, /^mezzo_flow_hits_total\{host="compute1"\} 7$/m)
  assert.match(text, /^mezzo_drops_total\{host="compute1",reason="router.no-route"\} 3$/m)
  assert.match(text, /^mezzo_api_requests_total\{host="api"\} [1-9]/m)
})
