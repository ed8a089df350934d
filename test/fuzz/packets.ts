// Random packets of every kind the wire room knows, and damaged ones.  All chance comes from
// `draw`, so a seed repeats a run, and fast-check can stand behind it and shrink what it finds.

import { eth, type PacketBuilder } from '../../src/wire/builder.ts'

// An integer in [0, below).
export type Draw = (below: number) => number

const MACS = [0x02_00_00_00_00_01, 0x02_00_00_00_00_02, 0x01_00_5e_00_00_01, 0xffff_ffff_ffff]
const IPV4S = ['10.0.1.1', '10.0.2.3', '255.255.255.255', '224.0.0.5', '127.0.0.1', '0.0.0.0']
const IPV6S = ['2001:db8::1', 'fe80::2', 'ff02::1', '::1', '::', '2001:db8:ffff::ffff:ffff']

export const pick = <T>(draw: Draw, from: readonly T[]): T => from[draw(from.length)]!

// The first two of each list are plain unicast: most packets should be plain.
const mostly = <T>(draw: Draw, from: readonly T[]): T =>
  from[draw(4) === 0 ? draw(from.length) : draw(2)]!

export function randomPacket(draw: Draw, depth = 0): PacketBuilder {
  const tagged = randomTags(draw, eth(mostly(draw, MACS), mostly(draw, MACS)))
  return randomNetwork(draw, tagged, depth)
}

function randomTags(draw: Draw, base: PacketBuilder): PacketBuilder {
  switch (draw(6)) {
    case 0:
      return base.vlan(draw(4096), draw(8))
    case 1:
      return base.qinq(draw(4096), draw(8)).vlan(draw(4096))
    default:
      return base
  }
}

function randomNetwork(draw: Draw, base: PacketBuilder, depth: number): PacketBuilder {
  const kind = draw(12)
  if (kind === 0) return base.payload(draw(60))
  if (kind === 1) return randomArp(draw, base)
  return kind < 7 ? randomIpv4(draw, base, depth) : randomIpv6(draw, base, depth)
}

function randomArp(draw: Draw, base: PacketBuilder): PacketBuilder {
  const [mac, ip, other] = [mostly(draw, MACS), mostly(draw, IPV4S), mostly(draw, IPV4S)]
  return draw(2) === 0
    ? base.arpRequest(mac, ip, other)
    : base.arpReply(mac, ip, mostly(draw, MACS), other)
}

function randomIpv4(draw: Draw, base: PacketBuilder, depth: number): PacketBuilder {
  const ip = base.ipv4(mostly(draw, IPV4S), mostly(draw, IPV4S), {
    ttl: draw(256),
    tos: draw(256),
    id: draw(65536),
    dontFragment: draw(2) === 0,
    options: noise(draw, draw(8) === 0 ? draw(41) : 0)
  })
  if (draw(6) !== 0) return randomTransport(draw, ip, depth)
  return ip.icmp(draw(19), draw(3), draw(65536)).payload(noise(draw, draw(40)))
}

function randomIpv6(draw: Draw, base: PacketBuilder, depth: number): PacketBuilder {
  const target = mostly(draw, IPV6S)
  let ip = base.ipv6(mostly(draw, IPV6S), target, {
    hopLimit: draw(3) === 0 ? 255 : draw(256),
    trafficClass: draw(256),
    flowLabel: draw(0x10_0000)
  })
  for (let n = draw(4) === 0 ? draw(11) : 0; n > 0; n--) {
    const kinds = ['hop-by-hop', 'destination', 'routing'] as const
    ip = ip.extension(pick(draw, kinds), noise(draw, draw(16)))
  }
  const mac = draw(2) === 0 ? undefined : pick(draw, MACS)
  if (draw(6) === 0) return ip.ns(target, { mac })
  if (draw(6) === 0) return ip.na(target, { mac })
  if (draw(6) === 0) return ip.icmpv6(draw(150), draw(3), draw(65536)).payload(draw(40))
  return randomTransport(draw, ip, depth)
}

function randomTransport(draw: Draw, ip: PacketBuilder, depth: number): PacketBuilder {
  switch (draw(depth < 2 ? 8 : 6)) {
    case 0:
    case 1:
      return ip.udp(draw(65536), draw(65536)).payload(noise(draw, draw(50)))
    case 2:
      return ip.icmpEcho(draw(65536), draw(65536)).payload(noise(draw, draw(50)))
    case 3:
      return ip.icmpv6Echo(draw(65536), draw(65536)).payload(noise(draw, draw(50)))
    case 4:
      return ip.payload(noise(draw, draw(60)))
    case 5:
      return randomTcp(draw, ip)
    case 6:
      return inner(draw, ip.udp(draw(65536), 4789).vxlan(draw(0x100_0000)), depth)
    default:
      return inner(draw, ip.gre(randomGre(draw)), depth)
  }
}

function randomTcp(draw: Draw, ip: PacketBuilder): PacketBuilder {
  const options = noise(draw, draw(3) === 0 ? draw(33) : 0)
  const fields = { flags: draw(256), sequence: draw(0x1_0000_0000), options }
  const tcp = draw(2) === 0 ? { ...fields, mss: draw(65536) } : fields
  return ip.tcp(draw(65536), draw(65536), tcp).payload(noise(draw, draw(50)))
}

const randomGre = (draw: Draw) => ({
  key: draw(2) === 0 ? undefined : draw(0x1_0000_0000),
  sequence: draw(2) === 0 ? undefined : draw(0x1_0000_0000),
  checksum: draw(2) === 0
})

const inner = (draw: Draw, base: PacketBuilder, depth: number): PacketBuilder =>
  randomNetwork(draw, base.eth(mostly(draw, MACS), mostly(draw, MACS)), depth + 1)

export const noise = (draw: Draw, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => draw(256))

// What a hostile or broken sender makes of a frame: some bytes changed, the tail cut or grown.
// Bytes near the front are hit most, where the lengths and types are.
export function damaged(draw: Draw, frame: Uint8Array): Uint8Array {
  const bytes = frame.slice()
  for (let n = draw(6); n > 0 && bytes.length > 0; n--) {
    const at = draw(2) === 0 ? draw(bytes.length) : draw(Math.min(bytes.length, 80))
    bytes[at] = pick(draw, [0, 1, 0x7f, 0x80, 0xff, draw(256)])
  }
  const cut = draw(4)
  if (cut === 0) return bytes.subarray(0, draw(bytes.length + 1))
  return cut === 1 ? Uint8Array.from([...bytes, ...noise(draw, draw(20))]) : bytes
}

// A hostile frame: now and then pure noise, mostly a damaged packet.
export const hostile = (draw: Draw): Uint8Array =>
  draw(10) === 0 ? noise(draw, draw(120)) : damaged(draw, randomPacket(draw).frame())
