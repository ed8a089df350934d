// Plans as they are, with a load balancer on every router, whose VIPs half of the packets are for.
// All stations are members, and answer what reaches them by TCP and UDP.

import loadBalancer from '../../plugins/load-balancer/index.ts'
import type { Plugin } from '../../src/plugin.ts'
import { formatIpv4, formatIpv6, parseIp } from '../../src/wire/address.ts'
import { eth } from '../../src/wire/builder.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Net, type Station } from './net.ts'
import { PLUGINS } from './oracle.ts'
import { answer } from './packets.ts'
import type { Plan } from './plan.ts'

export const BALANCED = [...PLUGINS, loadBalancer as unknown as Plugin]

const VIPS = ['203.0.113.9', '2001:db8:ffff::9', '203.0.113.10', '2001:db8:ffff::a']
const MEMBER_PORT = 3000

export class BalancedNet extends Net {
  constructor(plan: Plan) {
    super(plan)
    for (const { kind, value } of this.objects)
      if (kind === 'router') Object.assign(value, { loadBalancer: 'lb' })
    this.#put('load-balancer', { id: 'lb' })
    // Chance is each host's own: only what all hosts choose alike can be compared.
    this.#put('pool', { id: 'pool', loadBalancer: 'lb', algorithm: 'rendezvous' })
    for (const [i, { ip4, ip6 }] of this.stations.entries())
      for (const [family, ip] of [ip4, ip6].entries())
        this.#put('pool-member', {
          id: `member-${i}-${family}`,
          pool: 'pool',
          address: ip,
          port: MEMBER_PORT + (i & 1),
          weight: 1 + (i % 3)
        })
    for (let i = 0; i < VIPS.length; i += 2) this.vips.push({ ip4: VIPS[i]!, ip6: VIPS[i + 1]! })
    for (const [i, ip] of VIPS.entries())
      for (const protocol of ['tcp', 'udp'])
        this.#put('vip', {
          id: `vip-${protocol}-${i}`,
          pool: 'pool',
          address: ip,
          protocol,
          port: 2000,
          portEnd: 2000 + (i >> 1),
          sessionPersistence: plan.vms.length % 2 === 0 ? 'none' : 'source-address'
        })
  }

  // Every third is a part of the load balancer.
  override target(at: number): ReturnType<Net['target']> {
    if (at % 3 !== 0) return super.target(at)
    const kinds = ['load-balancer', 'pool', 'pool-member', 'vip']
    const all = this.objects.filter(({ kind }) => kinds.includes(kind))
    if (all.length === 0) return super.target(at) // while they are being made
    return all[at % all.length]!.value as ReturnType<Net['target']>
  }

  #put(kind: string, value: { id: string; [field: string]: unknown }): void {
    this.objects.push({ kind, value })
  }
}

/** What a station's stack says, and its servers. */
export function serve(vm: Station, frame: Uint8Array): Uint8Array | undefined {
  return answer(vm, frame) ?? served(vm, frame)
}

function served(vm: Station, frame: Uint8Array): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const l3 = ethernet.LENGTH
  if (vm.silent || !ethernet.fits(view, 0, frame.length)) return undefined
  if (ethernet.dst(view, 0) !== vm.mac) return undefined
  const l2 = eth(vm.mac, ethernet.src(view, 0))
  if (ethernet.type(view, 0) === ethernet.Type.ipv4 && ipv4.fits(view, l3, frame.length)) {
    if (ipv4.isFragment(view, l3) || ipv4.dst(view, l3) !== parseIp(vm.ip4).words[3])
      return undefined
    const l4 = ipv4.payload(view, l3)
    const ip = l2.ipv4(vm.ip4, formatIpv4(ipv4.src(view, l3)))
    return said(ip, view, l4, ipv4.payloadEnd(view, l3), ipv4.protocol(view, l3))
  }
  if (ethernet.type(view, 0) !== ethernet.Type.ipv6) return undefined
  if (!ipv6.fits(view, l3, frame.length) || !ipv6.walk(view, l3, frame.length)) return undefined
  const { l4, protocol, fragmentAt } = ipv6.walked
  const dst = parseIp(vm.ip6).words
  if (fragmentAt !== 0 || dst.some((word, i) => word !== ipv6.dstWord(view, l3, i)))
    return undefined
  const src = new Int32Array(4)
  ipv6.readSrc(view, l3, src, 0)
  const ip = l2.ipv6(vm.ip6, formatIpv6(src, 0))
  return said(ip, view, l4, ipv6.payloadEnd(view, l3), protocol)
}

function said(
  ip: ReturnType<ReturnType<typeof eth>['ipv4']>,
  view: DataView,
  l4: number,
  end: number,
  protocol: number
): Uint8Array | undefined {
  if (end - l4 < 8) return undefined
  const [from, to] = [view.getUint16(l4 + 2), view.getUint16(l4)]
  if (from < MEMBER_PORT || from > MEMBER_PORT + 1) return undefined
  if (protocol === ipv4.Protocol.udp) return ip.udp(from, to).payload('answer').frame()
  if (protocol !== ipv4.Protocol.tcp || !tcp.fits(view, l4, end)) return undefined
  return ip.tcp(from, to, { flags: 'SA' }).frame()
}
