// Ports of translations are leased through the real store by agents with threads of their own: two
// hosts translate to one address, and never hold the same block.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Agent } from '../src/agent/agent.ts'
import { defaultSettings, loadResources } from '../src/agent/resources.ts'
import { silentLog } from '../src/core/log.ts'
import { Appliance } from '../src/main/appliance.ts'
import type { Stored } from '../src/topology/model.ts'
import { arpRequest, eth } from '../src/wire/builder.ts'
import * as ipv4 from '../src/wire/ipv4.ts'
import * as udp from '../src/wire/udp.ts'
import { eventually } from './store/ground.ts'

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const [ROUTER, ZONE, CHAIN, UP] = [id(1), id(2), id(3), id(10)]
const HOSTS = [id(21), id(22)] as const
const address = (host: number): string => `172.31.0.${host + 1}`
const routerMac = (port: number): string => `0a:00:00:00:01:0${port}`
const GATEWAY = '0a:00:00:00:02:09'
const PUBLIC = '180.0.1.200'
const FLOWS = 100 // of each host

const port = (n: number, host: number, net: string): Stored => ({
  id: id(10 + n),
  type: 'router',
  device: ROUTER,
  mac: routerMac(n),
  addresses: [`${net}.1/24`],
  host: HOSTS[host],
  interface: `if${n}`
})

const objects: [string, Stored][] = [
  ...HOSTS.map((host, i) => ['host', { id: host, name: `host${i}` }] as [string, Stored]),
  ['tunnel-zone', { id: ZONE, name: 'zone', type: 'vxlan' }],
  ...HOSTS.map(
    (host, i) =>
      ['tunnel-zone-host', { id: id(30 + i), zone: ZONE, host, address: address(i) }] as [
        string,
        Stored
      ]
  ),
  ['chain', { id: CHAIN, name: 'out' }],
  ['router', { id: ROUTER, outFilter: CHAIN }],
  ['port', port(0, 0, '180.0.1')],
  ['port', port(1, 0, '10.0.1')],
  ['port', port(2, 1, '10.0.2')],
  [
    'rule',
    {
      id: id(40),
      chain: CHAIN,
      action: 'snat',
      outPorts: [UP],
      natTargets: [{ from: PUBLIC, portFrom: 1024, portTo: 65_535 }]
    }
  ]
]

test('INV-05 agents on two hosts translate to one address by blocks of their own', async () => {
  const plugins = await loadResources()
  const appliance = await Appliance.open({ storePath: ':memory:', plugins, log: silentLog() })
  const out = HOSTS.map(() => new Map<number, Set<number>>()) // translated ports by flow
  const agents: Agent[] = []
  try {
    for (const [kind, value] of objects)
      await appliance.store.write([{ op: 'create', kind, value }])
    for (const [i, host] of HOSTS.entries())
      agents.push(
        await appliance.startAgent({
          id: host,
          name: `host${i}`,
          datapath: {
            kind: 'memory',
            address: address(i),
            interfaces: ['if0', 'if1', 'if2'],
            flowsMax: 1024,
            creditsPerPort: 64
          },
          settings: defaultSettings(plugins),
          onFrame: (name, frame) => note(name, frame),
          onTunnelled: (_remote, key, src, frame) => agents[1 - i]?.fromUnderlay(key, src, frame)
        })
      )
    // On a busy machine a host is at times taken for dead, and what is led by it is dropped: who
    // sends, sends again what has not come.
    await eventually(() => {
      agents[0]!.input('if0', arpRequest(GATEWAY, '180.0.1.9', '180.0.1.1').frame())
      for (const [host, came] of out.entries())
        for (let flow = 0; flow < FLOWS; flow++)
          if (!came.has(flow)) agents[host]!.input(`if${host + 1}`, packet(host, flow))
      assert.deepEqual(
        out.map(({ size }) => size),
        [FLOWS, FLOWS]
      )
    })
    const ports = out.map(flows => [...flows.values()].flatMap(of => [...of]))
    assert.equal(new Set(ports.flat()).size, 2 * FLOWS)
    const blocks = ports.map(all => new Set(all.map(sport => sport >>> 6)))
    assert.ok(blocks[0]!.isDisjointFrom(blocks[1]!))
    const [held] = blocks[0]!
    const pool = `snat/${ROUTER}/${PUBLIC}`
    assert.equal(await appliance.store.lease(pool, 1024, { block: held }), undefined)
    await agents[0]!.stop()
    assert.equal((await appliance.store.lease(pool, 1024, { block: held }))?.block, held)
  } finally {
    await appliance.close()
  }

  function note(name: string, frame: Uint8Array): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    if (name !== 'if0' || view.getUint16(12) !== 0x0800) return
    const l4 = ipv4.payload(view, 14)
    const flows = out[udp.dstPort(view, l4) - 7000]!
    const flow = view.getUint8(udp.payload(l4))
    flows.set(flow, (flows.get(flow) ?? new Set()).add(udp.srcPort(view, l4)))
  }
})

// To one destination for both hosts, but for the port that tells who sent it; what is in it tells
// the flow.
function packet(host: number, flow: number): Uint8Array {
  const inside = `10.0.${host + 1}`
  return eth(`02:00:00:00:00:0${host + 1}`, routerMac(host + 1))
    .ipv4(`${inside}.9`, '180.0.1.9')
    .udp(2000 + flow, 7000 + host)
    .payload(Uint8Array.of(flow))
    .frame()
}
