// What NAT costs in the kernel: flows that rewrite source address and port, put in by hand, against
// nft's source NAT in the same topology.  No agent and no plugin: this measures the rewriting.

import { openSync } from 'node:fs'
import { SystemClock } from '../../src/core/clock.ts'
import { PortClass } from '../../src/datapath/datapath.ts'
import { type EbpfDatapath, openEbpf } from '../../src/datapath/ebpf/ebpf.ts'
import { type ActionList, ActionType } from '../../src/flow/actions.ts'
import { Word } from '../../src/flow/key.ts'
import type { Host, Vm } from '../../src/lab/index.ts'
import { enterNamespace } from '../../src/native/addon.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { Deputy, maskOf, type Seen } from '../lab/datapath-lab.ts'
import { type Figures, packetRatio, type Scale, warm } from './figures.ts'
import { kernelRouter, type Net, type Pair } from './net.ts'

const HOME = `/proc/self/fd/${openSync('/proc/thread-self/ns/net', 'r')}`
const [INSIDE, OUTSIDE] = ['10.9.1.254', '10.9.2.254'] as const
const MACS = ['02:00:00:00:01:01', '02:00:00:00:01:02'] as const
const FIRST_PORT = 20_000
// Every 5-tuple is a flow of its own, as it is behind port translation.
const TUPLE = maskOf(Word.inPort, Word.typeId, Word.ipSrc + 3, Word.ipDst + 3, Word.l4Ports)

export async function nat(net: Net, scale: Scale): Promise<Figures> {
  const ours = await natPair(net, 'na')
  const rival = await kernelNat(net, 'kn')
  const figures: Figures = {}
  for (const [name, flows] of [
    ['nat_vs_nft', 1],
    ['nat_vs_nft_1k', 1000]
  ] as const) {
    await warm(ours, flows)
    await warm(rival, flows)
    figures[name] = await packetRatio(ours, rival, flows, scale)
  }
  ours.close()
  return figures
}

// Two VMs of two subnets; what the first sends leaves with the router's address and a new port.
async function natPair(net: Net, name: string): Promise<Pair & { close: () => void }> {
  const host = await net.lab.host(name)
  const gateways = [INSIDE, OUTSIDE]
  const vms = await Promise.all(
    gateways.map((gateway, i) =>
      host.vm(`${name}${i}`, {
        addresses: [i === 0 ? '10.9.1.1/24' : '10.9.2.2/24'],
        linkLocal: false,
        gateway
      })
    )
  )
  const [a, b] = [vms[0]!, vms[1]!]
  for (const [i, vm] of vms.entries())
    await vm.ip(`neigh replace ${gateways[i]} lladdr ${MACS[i]} dev eth0 nud permanent`)
  const datapath = inside(host, () =>
    openEbpf({ clock: new SystemClock(), flowsMax: 262_144, creditsPerPort: 1024 })
  )
  const [toA, toB] = [attach(host, datapath, a), attach(host, datapath, b)]
  let port = FIRST_PORT
  new Deputy(datapath, (frame, into) => {
    if (frame.ifindex !== toA || !isUdp(frame)) return null
    translate(into, b, port++)
    into.output(toB)
    return { ...TUPLE, ttlMin: 1 }
  })
  return { a, b, to: '10.9.2.2', close: () => datapath.close(false) }
}

const isUdp = ({ key }: Seen): boolean => key[Word.ipMisc]! >>> 24 === 17

// A router's step, and source NAT.
function translate(into: ActionList, to: Vm, port: number): void {
  const [dst, src] = [to.mac, MACS[1]].map(mac => BigInt(`0x${mac.replaceAll(':', '')}`))
  into.push(ActionType.setEthDst, Number(dst! >> 16n) | 0, Number(dst! & 0xffffn))
  into.push(ActionType.setEthSrc, Number(src! >> 32n), Number(src! & 0xffffffffn) | 0)
  into.push(ActionType.addTtl, -1)
  into.push(ActionType.setIpSrc, 0, 0, 0, parseIpv4(OUTSIDE))
  into.push(ActionType.setL4Src | (port << 16))
}

async function kernelNat(net: Net, name: string): Promise<Pair> {
  const pair = await kernelRouter(net, name)
  await pair.a.host.nft(`table ip nat {
    chain post {
      type nat hook postrouting priority 100
      ip saddr 10.9.1.0/24 meta l4proto udp snat to ${OUTSIDE}:${FIRST_PORT}-60000
    }
  }`)
  return pair
}

function attach(host: Host, datapath: EbpfDatapath, vm: Vm): number {
  const { ifindex, name } = datapath.interfaces.byName(vm.interface)!
  inside(host, () =>
    datapath.attach({ ifindex, name, portClass: PortClass.vm, peerRedirect: true })
  )
  return ifindex
}

// This thread comes back.
function inside<T>(host: Host, body: () => T): T {
  enterNamespace(host.path)
  try {
    return body()
  } finally {
    enterNamespace(HOME)
  }
}
