// INV-21: the smallest and largest numbers, and those beside a sign bit, go from the API through
// the store into the walk as they are.  What becomes of them in the kernel, conformance tests ask.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Appliance } from '../../src/main/appliance.ts'
import { eth } from '../../src/wire/builder.ts'
import { eventually } from '../store/ground.ts'
import { call } from './fixture.ts'
import { post as create, HOST, openSystem } from './system.ts'

let system: Appliance
let url: string
let chain: string
let entry: string // a port

before(async () => {
  ;({ system, url } = await openSystem(['tap0', 'tap1']))
  chain = await create(`${url}/chains`, { name: 'edges' })
  const bridge = await create(`${url}/bridges`, { name: 'b' })
  for (const name of ['tap0', 'tap1']) {
    const port = await create(`${url}/bridges/${bridge}/ports`, { inFilter: chain })
    entry = port
    const binding = { host: HOST, interface: name }
    assert.equal((await call(`${url}/ports/${port}/binding`, 'PUT', binding)).status, 200)
  }
  await eventually(async () => assert.equal((await system.agent(HOST)!.status()).bound, 2))
})
after(() => system.close())

const only = (value: number) => ({ start: value, end: value })

interface Edge {
  readonly field: string
  readonly value: number
  readonly rule: Readonly<Record<string, unknown>>
  readonly packet: (value: number) => Uint8Array
}

const ip = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b').ipv4('10.0.0.1', '10.0.0.2')
const edges: Edge[] = [
  ...[0, 1, 0x7fff, 0x8000, 0xffff].flatMap(value => [
    {
      field: 'sourcePorts',
      value,
      rule: { protocol: 'udp', sourcePorts: only(value) },
      packet: (at: number) => ip.udp(at, 9).frame()
    },
    {
      field: 'destinationPorts',
      value,
      rule: { protocol: 'tcp', destinationPorts: only(value) },
      packet: (at: number) => ip.tcp(9, at).frame()
    }
  ]),
  ...[0, 0x7f, 0x80, 0xff].map(value => ({
    field: 'sourcePorts',
    value,
    rule: { protocol: 'icmp', sourcePorts: only(value) },
    packet: (at: number) => ip.icmp(at).frame()
  }))
]

// Not through the API, which answers ten a second.
async function verdict(frame: Uint8Array): Promise<string> {
  return (await system.agent(HOST)!.trace(entry, frame)).verdict
}

for (const { field, value, rule, packet } of edges)
  test(`INV-21 ${rule.protocol} ${field} ${value} drops that packet, none beside it`, async () => {
    const id = await create(`${url}/rules`, { chain, action: 'drop', ...rule })
    const { body } = await call(`${url}/rules/${id}`)
    assert.deepEqual((body as unknown as Record<string, unknown>)[field], only(value))
    await eventually(async () => assert.equal(await verdict(packet(value)), 'drop'))
    const most = rule.protocol === 'icmp' ? 0xff : 0xffff
    for (const beside of [value - 1, value + 1, value ^ ((most + 1) / 2)])
      if (beside >= 0 && beside <= most)
        assert.notEqual(await verdict(packet(beside)), 'drop', String(beside))
    assert.equal((await call(`${url}/rules/${id}`, 'DELETE')).status, 204)
    await eventually(async () => assert.notEqual(await verdict(packet(value)), 'drop'))
  })

for (const [field, values] of [
  ['vlan', [1, 0x7f, 0x80, 0x7ff, 0x800, 4094]],
  ['ethType', [0x600, 0x7fff, 0x8000, 0xffff]],
  ['tos', [0, 0x7f, 0x80, 0xff]],
  ['protocol', [0, 0x7f, 0x80, 0xff]],
  ['position', [1, 1_000_000]]
] as const)
  test(`INV-21 ${field} comes back as it was put, and beyond its ends is refused`, async () => {
    for (const value of values) {
      const fields = { chain, action: 'accept', [field]: value }
      const id = await create(`${url}/rules`, fields)
      const { body } = await call(`${url}/rules/${id}`)
      assert.equal((body as unknown as Record<string, unknown>)[field], value)
      assert.equal((await call(`${url}/rules/${id}`, 'PUT', body)).status, 200)
      assert.equal((await call(`${url}/rules/${id}`, 'DELETE')).status, 204)
    }
    for (const beyond of [values[0] - 1, values.at(-1)! + 1, 2 ** 31, -(2 ** 31)]) {
      const refused = await call(`${url}/rules`, 'POST', {
        chain,
        action: 'accept',
        [field]: beyond
      })
      assert.deepEqual([refused.status, refused.body.error.faults[0]?.field], [400, field])
    }
  })
