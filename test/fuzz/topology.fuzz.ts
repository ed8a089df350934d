// Objects that come, change and go in any order, whole or with loose ends, on three hosts that
// walk packets meanwhile: nothing throws, nothing goes round for ever, and when all is calm a host
// that saw every change walks as one that sees the result for the first time.

import assert from 'node:assert/strict'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { loadResources } from '../../src/agent/resources.ts'
import type { JsonSchema } from '../../src/core/config/schema.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import { simulate } from '../../src/simulation/simulate.ts'
import { LineTrace } from '../../src/simulation/trace.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import type { Model, Stored } from '../../src/topology/model.ts'
import { checkObject } from '../../src/topology/validation.ts'
import { eth } from '../../src/wire/builder.ts'
import { object } from '../world/objects.ts'
import type { WorldObject } from '../world/store.ts'
import { World } from '../world/world.ts'
import { campaign, hexOf } from './campaign.ts'
import { type Draw, pick } from './packets.ts'
import { randomValue } from './values.ts'

// Objects of each kind: few, so that most references lead somewhere.
const EACH = 2
const PORTS = 8
const countOf = (kind: string): number => (kind === 'port' ? PORTS : EACH)
const STEPS = 40
const WALKS_MAX = 50
const plugins = await loadPlugins()
const models: Model[] = modelsOf(await loadResources()).filter(
  ({ kind }) => !['host', 'tunnel-zone', 'tunnel-zone-host'].includes(kind)
)

// What a client could have stored: it passes the model's own checks, its references may dangle.
function randomObject(draw: Draw, model: Model): Stored | undefined {
  const value = randomValue(model.schema as JsonSchema, draw, 100_000) as Record<string, unknown>
  for (const { field, kind } of model.references) {
    if (!(field in value)) continue
    const one = () => someId(draw, pick(draw, [kind].flat()))
    value[field] = Array.isArray(value[field]) ? [one(), one()] : one()
  }
  const index = draw(countOf(model.kind))
  const id = idOf(model.kind, index)
  if (draw(3) !== 0) value.adminStateUp = true
  if (model.kind === 'port') settlePort(draw, value, index)
  if (!('adminStateUp' in (model.schema.properties as object))) delete value.adminStateUp
  const stored = { ...value, id }
  return checkObject(model, stored).length === 0 ? stored : undefined
}

// A port's number and place are the store's to keep unique.
function settlePort(draw: Draw, port: Record<string, unknown>, index: number): void {
  port.number = index + 1
  port.type = String(port.device).includes(`${kindIndex('bridge')}`) ? 'bridge' : 'router'
  if (port.type === 'bridge') for (const field of ['mac', 'addresses']) delete port[field]
  else {
    delete port.vlan
    port.mac ??= '02:00:00:00:00:01'
  }
  const end = draw(3)
  for (const field of ['peer', 'host', 'interface']) delete port[field]
  if (end === 0) port.peer = idOf('port', (index + 1 + draw(PORTS - 1)) % PORTS)
  if (end === 1) Object.assign(port, { host: HOST_IDS[draw(3)], interface: `if${index}` })
}

const kindIndex = (kind: string): number => 4000 + models.findIndex(model => model.kind === kind)
const idOf = (kind: string, index: number): string =>
  `00000000-0000-${kindIndex(kind)}-8000-00000000000${index}`
const someId = (draw: Draw, kind: string): string => idOf(kind, draw(countOf(kind)))
const HOST_IDS = [0, 1, 2].map(i => `00000000-0000-4999-8000-00000000000${i}`)
const NEWCOMER = '00000000-0000-4999-8000-000000000009'

function frame(draw: Draw): Uint8Array {
  const from = eth('02:00:00:00:00:02', pick(draw, ['02:00:00:00:00:01', 'ff:ff:ff:ff:ff:ff']))
  const tagged = draw(6) === 0 ? from.vlan(1 + draw(3)) : from
  if (draw(4) === 0) return tagged.arpRequest(0x020000000002, '10.0.1.5', '10.0.1.1').frame()
  const [to4, to6] = [
    pick(draw, ['10.0.1.1', '10.0.2.9', '10.9.9.9']),
    pick(draw, ['fd00::9', '::1'])
  ]
  const ip = draw(2) === 0 ? tagged.ipv4('10.0.1.5', to4) : tagged.ipv6('fd00::5', to6)
  return ip
    .udp(1 + draw(3), 53)
    .payload(20)
    .frame()
}

function change(draw: Draw, world: World): string {
  const model = pick(draw, models)
  if (draw(4) === 0) {
    const id = someId(draw, model.kind)
    world.store.delete(model.kind, id)
    return `delete ${model.kind} ${id}`
  }
  const stored = randomObject(draw, model)
  if (stored === undefined) return ''
  world.store.put(model.kind, stored)
  return `put ${model.kind} ${JSON.stringify(stored)}`
}

// The walk as a trace shows it; what it lacks is waited for.
function walk(world: World, host: string, port: string, bytes: Uint8Array): string[] {
  const { view } = world.hosts.get(host)!.host
  const ctx = new SimulationContext(view)
  ctx.dryRun = true
  for (let tries = 0; tries < WALKS_MAX; tries++) {
    const trace = new LineTrace()
    ctx.trace = trace
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const words = new Int32Array(WORDS)
    extract(words, 0, 0, 0, 0, data, 0, bytes.length)
    ctx.key.load(words, 0)
    ctx.begin(world.clock.now(), data, 0, bytes.length)
    const verdict = simulate(ctx, port)
    if (verdict !== Verdict.postpone)
      return [...trace.lines, `${verdict} ${ctx.outcome.dropReason}`]
    if (ctx.outcome.waitingFor.startsWith('neighbour/'))
      return [...trace.lines, ctx.outcome.waitingFor]
    world.settle(1)
  }
  assert.fail(`${host} still waits for ${ctx.outcome.waitingFor}`)
}

// A port on every host, so that the world has them all.
const places = HOST_IDS.map((host, i) => object('port', `stub-${i}`, { host, number: 90 + i }))

// Two bridges, a VM of each on its own host, and a router between them.
function start(): WorldObject[] {
  const bridge = [0, 1].map(i => idOf('bridge', i))
  const router = idOf('router', 0)
  const port = (i: number, fields: object): WorldObject =>
    object('port', idOf('port', i), { number: i + 1, ...fields })
  const vm = (i: number): WorldObject =>
    port(i, { type: 'bridge', device: bridge[i], host: HOST_IDS[i], interface: `if${i}` })
  const link = (i: number, a: number): WorldObject[] => [
    port(a, { type: 'bridge', device: bridge[i], peer: idOf('port', a + 1) }),
    port(a + 1, {
      ...{ type: 'router', device: router, peer: idOf('port', a), mac: `02:00:00:00:00:0${i + 1}` },
      addresses: [`10.0.${i + 1}.1/24`, `fd0${i}::1/64`]
    })
  ]
  const devices = [...bridge.map(id => object('bridge', id)), object('router', router)]
  return [...devices, vm(0), vm(1), ...link(0, 2), ...link(1, 4), ...places]
}

await campaign({
  name: 'topology',
  runs: 3000,
  seconds: 50,
  run(draw, note) {
    const log: string[] = []
    const say = (what: string): void => {
      log.push(what)
      note(log.join('\n'))
    }
    const world = new World({ seed: 1 + draw(1000), plugins, objects: start() })
    let delivered = 0
    for (let step = 0; step < STEPS; step++) {
      if (draw(3) !== 0) say(change(draw, world))
      else {
        const [port, bytes] = [idOf('port', draw(PORTS)), frame(draw)]
        say(`send ${port} ${hexOf(bytes)}`)
        delivered += world.exchange(port, bytes).length
      }
      if (draw(2) === 0) world.settle(draw(3000))
    }
    world.settle(60_000)
    world.addHost(NEWCOMER)
    const bytes = frame(draw)
    for (let i = 0; i < PORTS; i++) {
      const port = idOf('port', i)
      say(`walk ${port} ${hexOf(bytes)}`)
      const fresh = walk(world, NEWCOMER, port, bytes)
      for (const host of HOST_IDS) assert.deepEqual(walk(world, host, port, bytes), fresh, host)
    }
    return delivered > 0 ? 'with deliveries' : 'without'
  }
})
