// What source NAT costs a connection: connect, ask, answer, close, each by a new port of its own
// that the agent leases, translates to and remembers; alone, and with a second gateway that is told
// of it before its first packet leaves.

import { randomUUID } from 'node:crypto'
import { median } from '../../src/lab/index.ts'
import { type Figures, pause, type Scale } from './figures.ts'
import { create, type Net, type Pair, rawVeth, startAgent } from './net.ts'

const CREDITS = 1024 // of a gateway: config/gateway.json
const SERVER = 80
const TARGET = '180.0.1.200' // b's default route leads back

export async function snatConnections(net: Net, { rounds, seconds }: Scale): Promise<Figures> {
  const pairs = [await rawVeth(net, 'sv'), await snatPair(net, 'sn'), await snatPair(net, 'sg', 2)]
  for (const { a, b, to } of pairs) {
    await b.traffic.serve(SERVER)
    await a.ping(to, { count: 3 })
    await a.traffic.rate(to, SERVER, seconds) // the first thousands run in the interpreter
  }
  const ratios: [number[], number[]] = [[], []]
  for (let i = 0; i < rounds; i++) {
    const rates: number[] = []
    for (const { a, to } of pairs) rates.push((await a.traffic.rate(to, SERVER, seconds)).rate)
    ratios[0].push(rates[1]! / rates[0]!)
    ratios[1].push(rates[2]! / rates[0]!)
  }
  return { crr_snat_vs_veth: median(ratios[0])!, crr_snat_shared_vs_veth: median(ratios[1])! }
}

// A router between two VMs of one host; what leaves towards the second has the router's address.
// Of two gateways the other one has a port in the group of that which it leaves by.
async function snatPair(net: Net, name: string, gateways = 1): Promise<Pair> {
  const underlay = await net.lab.underlay({ name: `${name}u`, mtu: 1600 })
  const hosts = []
  for (let i = 1; i <= gateways; i++) hosts.push(await net.lab.host(`${name}${i}`, { underlay }))
  const ids = hosts.map(() => randomUUID())
  const place = (i: number) => ({ addresses: [`10.9.${i}.1/24`], linkLocal: false })
  const vms = []
  for (const i of [1, 2, 3].slice(0, gateways + 1))
    vms.push(
      await hosts[i === 3 ? 1 : 0]!.vm(`${name}v${i}`, { ...place(i), gateway: `10.9.${i}.254` })
    )
  const [zone, router, into, out] = Array.from({ length: 4 }, () => randomUUID())
  const ports = vms.map((vm, i) => ({
    ...{ id: randomUUID(), type: 'router', device: router, interface: vm.interface },
    ...{ host: ids[i === 2 ? 1 : 0], mac: `02:00:00:00:09:0${i}` },
    addresses: [`10.9.${i + 1}.254/24`],
    ...(i === 0 ? {} : { inFilter: into, outFilter: out })
  }))
  const natTargets = [{ from: TARGET, to: TARGET, portFrom: 1024, portTo: 65_535 }]
  await net.appliance.store.write([
    create('tunnel-zone', { id: zone, name, type: 'vxlan' }),
    create('router', { id: router, name }),
    create('chain', { id: into, name: `${name} in` }),
    create('chain', { id: out, name: `${name} out` }),
    create('rule', { chain: into, position: 1, action: 'reverse-snat' }),
    create('rule', { chain: out, position: 1, action: 'snat', natTargets }),
    ...hosts.flatMap((host, i) => [
      create('host', { id: ids[i], name: host.name }),
      create('tunnel-zone-host', { zone, host: ids[i], address: host.underlay.ip })
    ]),
    ...ports.map(port => create('port', port)),
    create('port-group', { name, stateful: true, ports: ports.slice(1).map(({ id }) => id) })
  ])
  for (const [i, host] of hosts.entries()) await startAgent(net, host, ids[i]!, CREDITS)
  await pause(1500)
  return { a: vms[0]!, b: vms[1]!, to: '10.9.2.1' }
}
