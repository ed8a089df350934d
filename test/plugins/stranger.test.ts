// A stranger's plugin, of which no line stands outside its folder (test/plugins/repeater): a kind
// of devices, of flow state and of services, a rule's action and a control side, through the API,
// in packet threads and in a world of two hosts.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import firewall from '../../plugins/firewall/index.ts'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { command } from '../../src/api/cli/command.ts'
import { silentLog } from '../../src/core/log.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { assemblyOf } from '../../src/topology/assembly/assemble.ts'
import { eth } from '../../src/wire/builder.ts'
import { call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'
import { Topology } from '../world/objects.ts'
import { World } from '../world/world.ts'
import repeater from './repeater/index.ts'

const folder = new URL('./', import.meta.url)
const plugins = await loadResources([folder])
const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
const INTERFACES = ['a', 'b', 'c']

const TOKEN = 'secret-token-of-the-test'
const headers = { authorization: `Bearer ${TOKEN}` }

const from = (station: number) =>
  eth(`02:00:00:00:00:0${station}`, 'ff:ff:ff:ff:ff:ff').ipv4(`10.0.0.${station}`, '10.0.0.255')
const udp = (station: number): Uint8Array => from(station).udp(1000, 2000).frame()
const ping = (station: number): Uint8Array => from(station).icmpEcho(1, 1).frame()

let system: Appliance
let url: string
const out: { name: string; tos: number }[] = []

const ask = (path: string, method = 'GET', body?: object) =>
  call(`${url}${path}`, method, body, headers)

async function post(path: string, body: object): Promise<string> {
  const answer = await ask(path, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

before(async () => {
  system = await Appliance.open({ storePath: ':memory:', plugins, log: silentLog() })
  await system.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'compute1' } }])
  const datapath = { kind: 'memory', address: '192.0.2.1', interfaces: INTERFACES } as const
  await system.startAgent({
    ...{ id: HOST, name: 'compute1', settings: defaultSettings(plugins) },
    datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 },
    onFrame: (name, frame) => out.push({ name, tos: frame[15]! })
  })
  url = await system.listen({ host: '127.0.0.1', port: 0 }, TOKEN)
})
after(() => system.close())

/** Sends by one interface until it comes out by these: the agent gets to know of them. */
const sendUntil = (name: string, frame: Uint8Array, names: readonly string[]): Promise<void> =>
  eventually(async () => {
    const agent = system.agent(HOST)!
    out.length = 0
    agent.input(name, frame)
    await agent.freshCounters() // it has answered behind the frames
    assert.deepEqual([...new Set(out.map(each => each.name))].sort(), [...names].sort())
  })

const ports = new Map<string, string>()

test('the API has its kinds, its fields, and what it refuses', async () => {
  const { body: document } = await ask('/openapi.json')
  const paths = Object.keys((document as unknown as { paths: object }).paths)
  for (const path of ['/repeaters', '/mutes', '/hosts/{id}/repeater/heard'])
    assert.ok(paths.includes(path), path)

  const chain = await post('/chains', { name: 'marking' })
  const wrong = await ask('/rules', 'POST', { chain, action: 'mark' })
  assert.deepEqual([wrong.status, wrong.body.error.faults[0]?.field], [400, 'mark'])
  const foreign = await ask('/rules', 'POST', { chain, action: 'drop', mark: 1 })
  assert.match(foreign.body.error.message, /only mark have this/)
  const device = await post('/repeaters', { name: 'r' })
  await post('/rules', { chain, action: 'mark', mark: 46 })
  for (const name of INTERFACES) {
    const port = await post('/ports', { device, name, inFilter: chain })
    const binding = await ask(`/ports/${port}/binding`, 'PUT', { host: HOST, interface: name })
    assert.ok(binding.status < 300, JSON.stringify(binding.body))
    ports.set(name, port)
  }
  const made = await ask(`/ports/${ports.get('a')}`)
  assert.deepEqual([made.body.type, made.body.deaf], ['repeater', false], 'completed by its plugin')
})

test('packets are repeated, marked, remembered and muted', async () => {
  await sendUntil('a', udp(1), ['b', 'c'])
  assert.ok(
    out.every(({ tos }) => tos === 46 << 2),
    'as the action of its rule does'
  )

  const { body: lines } = await ask(`/hosts/${HOST}/state?kind=heard`)
  assert.match(JSON.stringify(lines), /"heard".*10\.0\.0\.1/)

  await ask(`/ports/${ports.get('c')}`, 'PATCH', { deaf: true })
  await sendUntil('a', udp(2), ['b'])
  const mute = await post('/mutes', { name: 'm' })
  await ask(`/ports/${ports.get('a')}`, 'PATCH', { mute })
  await eventually(async () => {
    system.agent(HOST)!.input('a', ping(1))
    const { counters } = await system.agent(HOST)!.freshCounters()
    assert.ok(counters['drop.repeater.muted']! > 0)
  })
})

test('its control side knows its ports, keeps programs running, and answers', async () => {
  const heard = `/hosts/${HOST}/repeater/heard`
  assert.equal((await call(`${url}${heard}`)).status, 401, 'behind the same token')
  await eventually(async () => {
    const { body } = await ask(heard)
    assert.deepEqual(body.host, 'compute1')
    const ids = (body.ports as { id: string; pid: number }[]).map(({ id }) => id)
    assert.deepEqual(ids.sort(), [...ports.values()].sort())
  })
  assert.equal((await ask(`${heard}?port=x`)).status, 404)
  assert.equal((await ask(`${heard}?colour=x`)).status, 400)
  const pidOf = async (): Promise<number> => {
    const { body } = await ask(`${heard}?port=${ports.get('a')}`)
    return (body.ports as { pid: number }[])[0]!.pid
  }
  const before = await pidOf()
  assert.equal((await ask(`/hosts/${HOST}/repeater/reset`, 'POST')).status, 204)
  await eventually(async () => {
    const { body: health } = await ask('/health') // of a look that may be a second old
    assert.deepEqual(health.notes, ['host compute1: repeater: programs were reset'])
  })
  await system.agent(HOST)!.register()
  const { body: told } = await ask(`/hosts/${HOST}`)
  assert.deepEqual(told.notes, ['repeater: programs were reset'])
  await eventually(async () => assert.ok((await pidOf()) > 0 && (await pidOf()) !== before))
  await ask(`/ports/${ports.get('c')}/binding`, 'DELETE')
  await eventually(async () => {
    const { body } = await ask(heard)
    assert.equal((body.ports as object[]).length, 2, 'its port has left')
  })
})

test('its command is known, and shows what the route answers, of one host or of all', async () => {
  const mezzo = async (...words: string[]) => {
    const said: string[] = []
    const say = (text: string): number => said.push(text)
    const status = await command(words, { api: url, token: TOKEN, say, complain: say })
    return { status, text: said.join('\n') }
  }
  assert.match((await mezzo('help')).text, /mezzo echo heard \[HOST\] +List ports of repeaters/)
  const all = await mezzo('echo', 'heard')
  assert.equal(all.status, 0, all.text)
  assert.match(all.text, /^host\ncompute1\n\nports\nhost +id +pid +restarts\ncompute1 /)
  const one = JSON.parse((await mezzo('echo', 'heard', 'compute1', '--json')).text)
  assert.deepEqual([one.length, one[0].ports.length], [1, 2])
  assert.equal((await mezzo('echo', 'heard', 'nobody')).status, 2)
  assert.match((await mezzo('echo', 'herd')).text, /did you mean heard/)
})

test('what it remembers reaches a second host', () => {
  const topology = new Topology()
    .add('repeater', 'r', { name: 'r' })
    .add('port', 'a', { number: 1, type: 'repeater', device: 'r', host: 'h1', interface: 'a' })
    .add('port', 'b', { number: 2, type: 'repeater', device: 'r', host: 'h2', interface: 'b' })
  const world = new World({
    plugins: [firewall, repeater],
    objects: topology.objects,
    assembly: assemblyOf(plugins),
    share: true
  })
  world.settle(3000)
  assert.deepEqual(
    world.exchange('a', udp(1)).map(({ port }) => port),
    ['b']
  )
  world.settle(1000)
  const held = [...world.hosts.values()].map(({ counters }) => counters.value('state.heard'))
  assert.deepEqual(held, [1, 1])
})
