// The frames of a plan, and what the stack of a VM says when it is spoken to.

import { extract } from '../../src/flow/extract.ts'
import { FlowKey, Word } from '../../src/flow/key.ts'
import { formatIp, macIsGroup, parseIp } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../../src/wire/builder.ts'
import { echoReply } from '../../src/wire/echo.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as frames from '../../src/wire/frames.ts'
import * as icmpv6 from '../../src/wire/icmpv6.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import * as nd from '../../src/wire/nd.ts'
import { MAC_BROADCAST, MAC_MISSING, type Net, type Station } from './net.ts'
import type { PacketPlan } from './plan.ts'

interface Target {
  readonly ip4: string
  readonly ip6: string
  readonly mac: number | string // as the sender would have resolved it
}

const TTLS = [64, 64, 64, 64, 1, 2, 3, 64]
const TOS = [0, 0, 16, 184]

export function packet(net: Net, plan: PacketPlan, serial: number): Uint8Array {
  const from = net.stations[plan.from % net.stations.length]!
  const to = targetOf(net, from, plan.to)
  const mac = plan.mac === 22 ? MAC_MISSING : plan.mac === 23 ? MAC_BROADCAST : to.mac
  const start = eth(from.mac, mac)
  const ttl = TTLS[plan.ttl % TTLS.length]!
  const tos = TOS[plan.tos]!
  const fragment = plan.fragment > 21 ? plan.fragment - 21 : 0 // 1 first, 2 later
  if (plan.family !== 3) {
    const more = { moreFragments: fragment !== 0, fragmentOffset: fragment === 2 ? 64 : 0 }
    const fields = { ttl, tos, id: serial, ...(fragment === 0 ? {} : more) }
    const protocol = fragment === 2 ? { protocol: [17, 6, 1][plan.protocol % 3]! } : {}
    const ip = start.ipv4(from.ip4, to.ip4, { ...fields, ...protocol })
    return fragment === 2 ? ip.payload(16).frame() : inside(ip, plan, serial, 4)
  }
  const ip = start.ipv6(from.ip6, to.ip6, { hopLimit: ttl, trafficClass: tos })
  if (fragment === 2) return ip.fragment6(serial, 64, false, 17).payload(16).frame()
  const first = fragment === 1 ? ip.fragment6(serial, 0, true) : ip
  return inside(plan.protocol === 20 ? first.extension('destination') : first, plan, serial, 6)
}

function inside(ip: PacketBuilder, plan: PacketPlan, serial: number, family: 4 | 6): Uint8Array {
  const src = 1000 + (plan.ports & 1)
  const dst = 2000 + ((plan.ports >> 1) & 1)
  switch (plan.protocol % 8) {
    case 0:
    case 1:
    case 2:
      return ip.udp(src, dst).payload(`packet ${serial}`).frame()
    case 3:
    case 4:
      return ip
        .tcp(src, dst, { flags: plan.flags ?? (plan.ports & 4 ? 'S' : 'A') })
        .payload(serial & 7)
        .frame()
    case 5:
      return (family === 4 ? ip.icmpEcho(src, serial) : ip.icmpv6Echo(src, serial)).frame()
    case 6:
      return (family === 4 ? ip.icmp(3, 1) : ip.icmpv6(1, 3)).payload(40).frame()
    default:
      return ip.payload(20).frame()
  }
}

function targetOf(net: Net, from: Station, n: number): Target {
  const { stations } = net
  const near = from.gateway ?? { mac: MAC_MISSING, ip4: '203.0.113.1', ip6: '2001:db8:ffff::1' }
  const vip = n % 2 === 0 ? net.vips[(n >> 1) % 2] : undefined
  if (vip !== undefined) return { ...vip, mac: near.mac }
  const index = n % (stations.length + 4)
  const to = stations[index]
  if (to !== undefined)
    return { ip4: to.ip4, ip6: to.ip6, mac: to.segment === from.segment ? to.mac : near.mac }
  switch (index - stations.length) {
    case 0:
      return near
    case 1: // on its own subnet, and nobody's
      return { ip4: from.ip4.replace(/\d+$/, '77'), ip6: `${from.ip6}77`, mac: near.mac }
    case 2:
      return { ip4: '203.0.113.9', ip6: '2001:db8:ffff::9', mac: near.mac }
    default:
      return { ip4: '224.0.0.5', ip6: 'ff02::5', mac: n & 8 ? 0x01005e000005 : 0x333300000005 }
  }
}

// Who has the address of a gateway, of a station, or of nobody?
export function question(net: Net, from: number, whom: number, family: number): Uint8Array {
  const { stations } = net
  const asker = stations[from % stations.length]!
  const about = stations[whom % stations.length]!
  const target = whom > 12 ? asker.gateway : whom === 12 ? undefined : about
  return family === 3
    ? solicit(asker.mac, asker.ip6, target?.ip6 ?? '2001:db8::9').frame()
    : arpRequest(asker.mac, asker.ip4, target?.ip4 ?? '10.0.0.99').frame()
}

// A station says that the address of another is its own: a MAC or an IP address has moved.
export function announcement(net: Net, from: number, as: number, family: number): Uint8Array {
  const { stations } = net
  const own = stations[from % stations.length]!
  const other = stations[as % stations.length]!
  const mac = as > 11 ? other.mac : own.mac
  if (family !== 3) return arpRequest(mac, other.ip4, other.ip4).frame()
  const all = { mac: 0x333300000001, ip: parseIp('ff02::1').words }
  return frames.neighbourAdvertisement(mac, parseIp(other.ip6).words, nd.Flag.override, all)
}

// What the stack of a VM answers: ARP, neighbour solicitations and pings for its address.
export function answer(vm: Station, frame: Uint8Array): Uint8Array | undefined {
  if (vm.silent) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const end = frame.length
  const l3 = ethernet.LENGTH
  if (!ethernet.fits(view, 0, end)) return undefined
  const dst = ethernet.dst(view, 0)
  if (dst !== vm.mac && !macIsGroup(dst)) return undefined
  const type = ethernet.type(view, 0)
  if (type === ethernet.Type.arp && arp.fits(view, l3, end)) {
    const ip = parseIp(vm.ip4).words[3]!
    const isOurs =
      arp.operation(view, l3) === arp.Operation.request && arp.targetIp(view, l3) === ip
    if (!isOurs || arp.senderIp(view, l3) === ip) return undefined
    return frames.arpReply(vm.mac, ip, arp.senderMac(view, l3), arp.senderIp(view, l3))
  }
  if (type === ethernet.Type.ipv6) {
    const reply = advertisement(vm, view, l3, end)
    if (reply !== undefined) return reply
  }
  return dst === vm.mac ? echoReply(view, 0, end) : undefined
}

// What a station says that has a service besides, for what clients of the plans ask.
export const answerAndServe = (vm: Station, frame: Uint8Array): Uint8Array | undefined =>
  answer(vm, frame) ?? (vm.silent ? undefined : serve(vm, frame))

// To a SYN, to a FIN, to a push (a reset), and to a reset.
const ANSWERS: Readonly<Record<number, string | null>> = {
  2: 'SA',
  17: 'FA',
  24: 'RA',
  20: null,
  4: null
}

function serve(vm: Station, frame: Uint8Array): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const key = new FlowKey()
  extract(key.words, 0, 0, 0, 0, view, 0, frame.length)
  const { ipProto, l4Src, l4Dst, tcpFlags } = key
  if (key.ethDst !== vm.mac || key.fragment !== 0 || l4Dst < 2000 || l4Dst > 2001) return undefined
  const ip = (at: number): string =>
    formatIp({
      family: key.ethType === ethernet.Type.ipv4 ? 4 : 6,
      words: key.words.slice(at, at + 4)
    })
  const back = eth(key.ethDst, key.ethSrc)
  const [src, dst] = [ip(Word.ipDst), ip(Word.ipSrc)]
  const start = src.includes(':') ? back.ipv6(src, dst) : back.ipv4(src, dst)
  if (ipProto === ipv4.Protocol.udp) return start.udp(l4Dst, l4Src).payload('answer').frame()
  const flags = ANSWERS[tcpFlags]
  if (ipProto !== ipv4.Protocol.tcp || flags === null) return undefined
  return start.tcp(l4Dst, l4Src, { flags: flags ?? 'A' }).frame()
}

function advertisement(
  vm: Station,
  view: DataView,
  l3: number,
  end: number
): Uint8Array | undefined {
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return undefined
  const { l4, protocol } = ipv6.walked
  if (protocol !== ipv6.Protocol.icmpv6 || end - l4 < 24) return undefined
  if (icmpv6.type(view, l4) !== icmpv6.Type.neighbourSolicitation) return undefined
  const target = new Int32Array(4)
  nd.readTarget(view, l4, target, 0)
  const own = parseIp(vm.ip6).words
  if (own.some((word, i) => word !== target[i])) return undefined
  const ip = new Int32Array(4)
  ipv6.readSrc(view, l3, ip, 0)
  if (ip.every(word => word === 0)) return undefined
  const flags = nd.Flag.solicited | nd.Flag.override
  return frames.neighbourAdvertisement(vm.mac, own, flags, { mac: ethernet.src(view, 0), ip })
}
