// The receiving half of a node of the memory lab: what is for it is answered (ARP, neighbour
// solicitations, pings), learned, or reported (answers and errors to its own pings, TCP). A frame
// with a checksum that is not true is counted and dropped, as a kernel does.
// test/memory-vm.test.ts holds it.

import {
  formatIp,
  type Ip,
  MAC_BROADCAST,
  multicastMac6,
  type Prefix,
  solicitedNode
} from '../../wire/address.ts'
import * as arp from '../../wire/arp.ts'
import { l4Valid } from '../../wire/checksum.ts'
import { echoReply } from '../../wire/echo.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { arpReply, neighbourAdvertisement } from '../../wire/frames.ts'
import * as icmp from '../../wire/icmp.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as nd from '../../wire/nd.ts'
import * as tcp from '../../wire/tcp.ts'
import type { PingError } from '../traffic/ping.ts'
import type { Neighbours } from './memory-neighbours.ts'
import { Reassembler } from './reassembly.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** An answer to a ping of ours, or the error that came instead. */
export interface Heard {
  /** Id of the echo message. */
  readonly id: number
  /** Sequence of the echo message. */
  readonly sequence: number
  /** TTL or hop limit it came with. */
  readonly ttl: number
  readonly error?: PingError
}

/** Of TCP over IPv4. */
export interface Segment {
  /** Sender's address. */
  readonly from: string
  /** Receiver's address. */
  readonly to: string
  /** Sender's port. */
  readonly fromPort: number
  /** Receiver's port. */
  readonly toPort: number
  /** TCP flags. */
  readonly flags: number
  /** Sequence number. */
  readonly sequence: number
  /** Acknowledgement number. */
  readonly acknowledgement: number
  /** Behind the header. */
  readonly bytes: number
}

/** What a listener is made of. */
export interface ListenerOptions {
  /** Its MAC. */
  readonly mac: number
  /** Its addresses. */
  readonly own: readonly Prefix[]
  readonly neighbours: Neighbours
  /** Sends a frame. */
  readonly send: (frame: Bytes) => void
  /** Told of an echo message. */
  readonly heard: (heard: Heard) => void
  /** Told of a TCP segment. */
  readonly tcp: (segment: Segment) => void
}

const L3 = ethernet.LENGTH

/** Takes frames as a machine does: ARP, ND, echo, TCP. */
export class Listener {
  /** Packets with a wrong checksum. */
  damaged = 0
  readonly #o: ListenerOptions
  readonly #own: ReadonlySet<string>
  readonly #macs: ReadonlySet<number>
  readonly #reassembler = new Reassembler()

  constructor(options: ListenerOptions) {
    this.#o = options
    this.#own = new Set(options.own.map(formatIp))
    const groups = options.own
      .filter(prefix => prefix.family === 6)
      .map(prefix => multicastMac6(solicitedNode(prefix.words)[3]!))
    this.#macs = new Set([options.mac, MAC_BROADCAST, ...groups])
  }

  /** A frame comes in. */
  receive(frame: Uint8Array): void {
    const view = viewOf(frame)
    if (!ethernet.fits(view, 0, frame.length) || !this.#macs.has(ethernet.dst(view, 0))) return
    const type = ethernet.type(view, 0)
    if (type === ethernet.Type.arp) this.#arp(view)
    if (type === ethernet.Type.ipv4) this.#ipv4(view, frame)
    if (type === ethernet.Type.ipv6) this.#ipv6(view, frame)
  }

  #arp(view: DataView): void {
    if (!arp.fits(view, L3, view.byteLength)) return
    const sender = ip4(arp.senderIp(view, L3))
    const mac = arp.senderMac(view, L3)
    if (arp.isGratuitous(view, L3)) return this.#o.neighbours.refresh(sender, mac)
    if (!this.#own.has(formatIp(ip4(arp.targetIp(view, L3))))) return
    this.#o.neighbours.learn(sender, mac)
    if (arp.operation(view, L3) !== arp.Operation.request) return
    this.#o.send(arpReply(this.#o.mac, arp.targetIp(view, L3), mac, sender.words[3]!))
  }

  #ipv4(view: DataView, frame: Uint8Array): void {
    if (!ipv4.fits(view, L3, frame.length)) return
    if (!ipv4.checksumValid(view, L3)) return this.#damaged()
    if (!this.#own.has(formatIp(ip4(ipv4.dst(view, L3))))) return
    const whole = this.#reassembler.add(frame.slice())
    if (whole === undefined) return
    const protocol = ipv4.protocol(view, L3)
    if (protocol === ipv4.Protocol.icmp) this.#icmp(whole)
    if (protocol === ipv4.Protocol.tcp) this.#tcp(whole)
  }

  #tcp(frame: Bytes): void {
    const view = viewOf(frame)
    const at = ipv4.payload(view, L3)
    const end = ipv4.payloadEnd(view, L3)
    if (!tcp.fits(view, at, end)) return
    if (!l4Valid(view, L3, at, end, ipv4.Protocol.tcp)) return this.#damaged()
    this.#o.tcp({
      from: formatIp(ip4(ipv4.src(view, L3))),
      to: formatIp(ip4(ipv4.dst(view, L3))),
      fromPort: tcp.srcPort(view, at),
      toPort: tcp.dstPort(view, at),
      flags: tcp.flags(view, at),
      sequence: tcp.sequence(view, at),
      acknowledgement: tcp.acknowledgement(view, at),
      bytes: end - tcp.payload(view, at)
    })
  }

  #icmp(frame: Bytes): void {
    const view = viewOf(frame)
    const at = ipv4.payload(view, L3)
    const end = ipv4.payloadEnd(view, L3)
    if (!icmp.fits(view, at, end)) return
    if (!l4Valid(view, L3, at, end, ipv4.Protocol.icmp)) return this.#damaged()
    const type = icmp.type(view, at)
    const ttl = ipv4.ttl(view, L3)
    if (type === icmp.Type.echoRequest) return this.#echo(view)
    if (type === icmp.Type.echoReply)
      return this.#o.heard({ id: icmp.id(view, at), sequence: icmp.sequence(view, at), ttl })
    const quoted = icmp.quoted(at)
    if (!icmp.isError(type) || !ipv4.headerFits(view, quoted, end)) return
    const echo = ipv4.payload(view, quoted)
    if (echo + icmp.LENGTH > end) return
    const error = {
      from: formatIp(ip4(ipv4.src(view, L3))),
      text: describe4(type, icmp.code(view, at)),
      mtu: isTooBig4(view, at) ? icmp.mtu(view, at) : undefined
    }
    this.#o.heard({ id: icmp.id(view, echo), sequence: icmp.sequence(view, echo), ttl, error })
  }

  #ipv6(view: DataView, frame: Uint8Array): void {
    if (!ipv6.fits(view, L3, frame.length) || !ipv6.walk(view, L3, frame.length)) return
    const whole = this.#reassembler.add(frame.slice())
    if (whole === undefined) return
    const whole6 = viewOf(whole)
    if (!ipv6.walk(whole6, L3, whole.length)) return
    if (ipv6.walked.protocol === ipv6.Protocol.icmpv6) this.#icmpv6(whole6, ipv6.walked.l4)
  }

  #icmpv6(view: DataView, at: number): void {
    const end = ipv6.payloadEnd(view, L3)
    if (!icmpv6.fits(view, at, end)) return
    if (!l4Valid(view, L3, at, end, ipv6.Protocol.icmpv6)) return this.#damaged()
    const type = icmpv6.type(view, at)
    if (icmpv6.isNeighbourDiscovery(type)) return this.#neighbour(view, at, end)
    if (!this.#own.has(formatIp(dst6(view)))) return
    const ttl = ipv6.hopLimit(view, L3)
    if (type === icmpv6.Type.echoRequest) return this.#echo(view)
    if (type === icmpv6.Type.echoReply)
      return this.#o.heard({ id: icmpv6.id(view, at), sequence: icmpv6.sequence(view, at), ttl })
    if (!icmpv6.isError(type)) return
    const echo = icmpv6.quoted(at) + ipv6.LENGTH
    if (echo + icmpv6.LENGTH > end) return
    const tooBig = type === icmpv6.Type.packetTooBig
    const error = {
      from: formatIp(src6(view)),
      text: describe6(type, icmpv6.code(view, at)),
      mtu: tooBig ? icmpv6.mtu(view, at) : undefined
    }
    this.#o.heard({ id: icmpv6.id(view, echo), sequence: icmpv6.sequence(view, echo), ttl, error })
  }

  #neighbour(view: DataView, at: number, end: number): void {
    if (!nd.acceptable(view, L3, at, end)) return
    const target: Ip = { family: 6, words: new Int32Array(4) }
    nd.readTarget(view, at, target.words, 0)
    if (icmpv6.type(view, at) === icmpv6.Type.neighbourAdvertisement) {
      const mac = nd.linkLayer(view, at, end, nd.Option.targetLinkLayer)
      this.#o.neighbours.learn(target, mac < 0 ? ethernet.src(view, 0) : mac)
      return
    }
    if (icmpv6.type(view, at) !== icmpv6.Type.neighbourSolicitation) return
    if (!this.#own.has(formatIp(target))) return
    const sender = src6(view)
    const mac = nd.linkLayer(view, at, end, nd.Option.sourceLinkLayer)
    if (mac >= 0) this.#o.neighbours.learn(sender, mac)
    const to = { mac: mac < 0 ? ethernet.src(view, 0) : mac, ip: sender.words }
    const flags = nd.Flag.solicited | nd.Flag.override
    this.#o.send(neighbourAdvertisement(this.#o.mac, target.words, flags, to))
  }

  #echo(view: DataView): void {
    const reply = echoReply(view, 0, view.byteLength)
    if (reply !== undefined) this.#o.send(reply)
  }

  #damaged(): void {
    this.damaged++
  }
}

const isTooBig4 = (view: DataView, at: number): boolean =>
  icmp.type(view, at) === icmp.Type.unreachable &&
  icmp.code(view, at) === icmp.Unreachable.fragmentationNeeded

// Words as `ping` prints them, so that a test reads the same in both labs.
function describe4(type: number, code: number): string {
  if (type === icmp.Type.timeExceeded) return 'Time to live exceeded'
  if (type !== icmp.Type.unreachable) return `ICMP type ${type} code ${code}`
  const known: Record<number, string> = {
    [icmp.Unreachable.net]: 'Destination Net Unreachable',
    [icmp.Unreachable.host]: 'Destination Host Unreachable',
    [icmp.Unreachable.fragmentationNeeded]: 'Frag needed and DF set',
    13: 'Packet filtered'
  }
  return known[code] ?? `Destination Unreachable, code ${code}`
}

function describe6(type: number, code: number): string {
  if (type === icmpv6.Type.timeExceeded) return 'Time exceeded: Hop limit'
  if (type === icmpv6.Type.packetTooBig) return 'Packet too big'
  if (type !== icmpv6.Type.unreachable) return `ICMPv6 type ${type} code ${code}`
  const known: Record<number, string> = {
    [icmpv6.Unreachable.noRoute]: 'Destination unreachable: No route',
    [icmpv6.Unreachable.adminProhibited]: 'Destination unreachable: Administratively prohibited',
    [icmpv6.Unreachable.address]: 'Destination unreachable: Address unreachable'
  }
  return known[code] ?? `Destination unreachable, code ${code}`
}

const ip4 = (word: number): Ip => ({ family: 4, words: Int32Array.of(0, 0, 0, word) })

function src6(view: DataView): Ip {
  const words = new Int32Array(4)
  ipv6.readSrc(view, L3, words, 0)
  return { family: 6, words }
}

function dst6(view: DataView): Ip {
  const words = new Int32Array(4)
  ipv6.readDst(view, L3, words, 0)
  return { family: 6, words }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
