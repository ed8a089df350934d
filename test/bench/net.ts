// What the benchmarks measure on: our hosts with agents on eBPF, and beside each a rival made of
// the kernel's own parts, with the same VMs and the same generator.

import { randomUUID } from 'node:crypto'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { silentLog } from '../../src/core/log.ts'
import { type Host, Lab, type Vm } from '../../src/lab/index.ts'
import { Appliance } from '../../src/main/appliance.ts'
import type { Change } from '../../src/topology/store.ts'

export interface Net {
  readonly lab: Lab
  readonly appliance: Appliance
  close(): Promise<void>
}

export async function openNet(prefix: string): Promise<Net> {
  const lab = await Lab.open({ prefix })
  const plugins = await loadResources()
  const appliance = await Appliance.open({ storePath: ':memory:', plugins, log: silentLog() })
  return {
    lab,
    appliance,
    close: async () => {
      await appliance.close()
      await lab.close()
    }
  }
}

export const create = (kind: string, value: Readonly<Record<string, unknown>>): Change => ({
  op: 'create',
  kind,
  value: { id: randomUUID(), ...value }
})

// A host of ours: the agent's packet thread in the host's namespace.
export async function startAgent(net: Net, host: Host, id: string, creditsPerPort = 256) {
  return net.appliance.startAgent({
    id,
    name: host.name,
    settings: defaultSettings(await loadResources()),
    datapath: {
      kind: 'ebpf',
      netns: host.path,
      pins: null,
      flowsMax: 262_144,
      creditsPerPort
    }
  })
}

// A chain that asks for ports, so that every 5-tuple is a flow of its own.
export function portRule(): { chain: string; changes: Change[] } {
  const chain = randomUUID()
  return {
    chain,
    changes: [
      create('chain', { id: chain, name: `ports-${chain.slice(0, 4)}` }),
      create('rule', {
        chain,
        position: 1,
        action: 'drop',
        protocol: 17,
        fragmentPolicy: 'header',
        sourcePorts: { start: 2, end: 65_535 }, // true, so that the other is asked as well
        destinationPorts: { start: 1, end: 1 }
      }),
      create('rule', {
        chain,
        position: 2,
        action: 'drop',
        protocol: 6,
        fragmentPolicy: 'header',
        sourcePorts: { start: 1, end: 1 }
      })
    ]
  }
}

export interface Pair {
  readonly a: Vm
  readonly b: Vm
  readonly to: string // b's address
}

// Two VMs of one subnet on one host of ours, joined by a virtual bridge.
export async function bridgedPair(
  net: Net,
  name: string,
  ports: boolean
): Promise<Pair & { id: string; forget: () => Promise<void> }> {
  const host = await net.lab.host(name)
  const [a, b] = await vms(host, name, '10.9.1.1/24', '10.9.1.2/24')
  const id = randomUUID()
  const bridge = randomUUID()
  const rule = portRule()
  const port = { type: 'bridge', device: bridge, host: id }
  const inFilter = ports ? { inFilter: rule.chain } : {}
  await net.appliance.store.write([
    ...rule.changes,
    create('host', { id, name }),
    create('bridge', { id: bridge, name }),
    create('port', { ...port, ...inFilter, interface: a.interface }),
    create('port', { ...port, ...inFilter, interface: b.interface })
  ])
  await startAgent(net, host, id)
  // A bridge that goes down and comes up again takes every flow through it.
  const forget = async (): Promise<void> => {
    for (const adminStateUp of [false, true])
      await net.appliance.store.write([
        { op: 'update', kind: 'bridge', value: { id: bridge, name, adminStateUp } }
      ])
  }
  return { a, b, to: '10.9.1.2', id, forget }
}

// The same by a Linux bridge.
export async function kernelBridge(net: Net, name: string): Promise<Pair> {
  const host = await net.lab.host(name)
  const [a, b] = await vms(host, name, '10.9.1.1/24', '10.9.1.2/24')
  await host.ip('link add name br0 type bridge', 'link set dev br0 up')
  for (const vm of [a, b]) await host.ip(`link set dev ${vm.interface} master br0`)
  await host.exec(['sh', '-c', 'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables'])
  return { a, b, to: '10.9.1.2' }
}

// Two VMs of two subnets, joined by a virtual router.
export async function routedPair(net: Net, name: string): Promise<Pair> {
  const host = await net.lab.host(name)
  const [a, b] = await vms(host, name, '10.9.1.1/24', '10.9.2.2/24', '10.9.1.254', '10.9.2.254')
  const id = randomUUID()
  const router = randomUUID()
  const port = { type: 'router', device: router, host: id }
  await net.appliance.store.write([
    create('host', { id, name }),
    create('router', { id: router, name }),
    create('port', {
      ...port,
      interface: a.interface,
      mac: '02:00:00:00:01:01',
      addresses: ['10.9.1.254/24']
    }),
    create('port', {
      ...port,
      interface: b.interface,
      mac: '02:00:00:00:01:02',
      addresses: ['10.9.2.254/24']
    })
  ])
  await startAgent(net, host, id)
  return { a, b, to: '10.9.2.2' }
}

export async function kernelRouter(net: Net, name: string): Promise<Pair> {
  const host = await net.lab.host(name)
  const [a, b] = await vms(host, name, '10.9.1.1/24', '10.9.2.2/24', '10.9.1.254', '10.9.2.254')
  await host.ip(
    `addr add 10.9.1.254/24 dev ${a.interface}`,
    `addr add 10.9.2.254/24 dev ${b.interface}`
  )
  await host.sysctl({ 'ipv4/ip_forward': 1 })
  return { a, b, to: '10.9.2.2' }
}

// Two VMs on two hosts of ours, joined by a virtual bridge and a tunnel.
export async function tunnelledPair(net: Net, name: string, type: 'vxlan' | 'gre'): Promise<Pair> {
  const underlay = await net.lab.underlay({ name: `${name}u`, mtu: 1600 })
  const hosts = [
    await net.lab.host(`${name}1`, { underlay }),
    await net.lab.host(`${name}2`, { underlay })
  ]
  const a = await hosts[0]!.vm(`${name}a`, { addresses: ['10.9.1.1/24'] })
  const b = await hosts[1]!.vm(`${name}b`, { addresses: ['10.9.1.2/24'] })
  const ids = [randomUUID(), randomUUID()]
  const [zone, bridge] = [randomUUID(), randomUUID()]
  await net.appliance.store.write([
    create('tunnel-zone', { id: zone, name, type }),
    create('bridge', { id: bridge, name }),
    ...hosts.flatMap((host, i) => [
      create('host', { id: ids[i]!, name: host.name }),
      create('tunnel-zone-host', { zone, host: ids[i]!, address: host.underlay.ip }),
      create('port', {
        type: 'bridge',
        device: bridge,
        host: ids[i]!,
        interface: i === 0 ? a.interface : b.interface
      })
    ])
  ])
  for (const [i, host] of hosts.entries()) await startAgent(net, host, ids[i]!)
  return { a, b, to: '10.9.1.2' }
}

// The kernel's own VXLAN device and bridge between two hosts.
export async function kernelVxlan(net: Net, name: string): Promise<Pair> {
  const underlay = await net.lab.underlay({ name: `${name}u`, mtu: 1600 })
  const hosts = [
    await net.lab.host(`${name}1`, { underlay }),
    await net.lab.host(`${name}2`, { underlay })
  ]
  const a = await hosts[0]!.vm(`${name}a`, { addresses: ['10.9.1.1/24'] })
  const b = await hosts[1]!.vm(`${name}b`, { addresses: ['10.9.1.2/24'] })
  for (const [i, host] of hosts.entries()) {
    const { ip, ifname } = host.underlay
    const remote = hosts[1 - i]!.underlay.ip
    await host.ip(
      'link add name br0 type bridge',
      `link add name vx0 type vxlan id 77 local ${ip} remote ${remote} dev ${ifname} dstport 4789`,
      'link set dev vx0 master br0',
      `link set dev ${i === 0 ? a.interface : b.interface} master br0`,
      'link set dev vx0 up',
      'link set dev br0 up'
    )
  }
  return { a, b, to: '10.9.1.2' }
}

// Two namespaces and the cable between them.
export async function rawVeth(net: Net, name: string): Promise<Pair> {
  const a = await net.lab.host(`${name}a`)
  const b = await net.lab.outside(`${name}b`, {
    links: [{ host: a, interface: 'eth0', addresses: ['10.9.1.2/24'] }]
  })
  await a.ip('addr add 10.9.1.1/24 dev eth0')
  await a.sysctl({ 'ipv4/conf/all/arp_ignore': 0 })
  return { a: a as unknown as Vm, b: b as unknown as Vm, to: '10.9.1.2' }
}

function vms(
  host: Host,
  name: string,
  first: string,
  second: string,
  gateway?: string,
  other?: string
): Promise<[Vm, Vm]> {
  const via = (address?: string) => (address === undefined ? {} : { gateway: address })
  return Promise.all([
    host.vm(`${name}a`, { addresses: [first], linkLocal: false, ...via(gateway) }),
    host.vm(`${name}b`, { addresses: [second], linkLocal: false, ...via(other) })
  ])
}
