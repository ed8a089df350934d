// Everything the wire room can do to a frame, done to any bytes whatever, with what must hold
// whatever they are.  Throws with the name of the promise that was broken; the unit tests run it
// 2 000 times, the fuzzer a million.

import assert from 'node:assert/strict'
import * as arp from '../../src/wire/arp.ts'
import { l4Valid } from '../../src/wire/checksum.ts'
import { describe } from '../../src/wire/describe.ts'
import { echoReply } from '../../src/wire/echo.ts'
import {
  IPV4_ERROR_MAX,
  IPV6_ERROR_MAX,
  icmpError,
  mayAnswerWithError
} from '../../src/wire/errors.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as gre from '../../src/wire/gre.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as icmpv6 from '../../src/wire/icmpv6.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import * as nd from '../../src/wire/nd.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import * as vlan from '../../src/wire/vlan.ts'
import * as vxlan from '../../src/wire/vxlan.ts'

// Before the frame lie bytes in which a stray write shows; behind it lies nothing, so that one
// byte read too far throws.
const MARGIN = 64
const CANARY = 0xa5

// Values that setters write; the frame's own bytes would make them less random, not more.
const WORDS = Int32Array.of(0x20010db8, 0x1234_5678, -1, 0x0a7f_ff01)
const VALUE16 = 0xbeef

export function exercise(frame: Uint8Array): void {
  const buffer = new Uint8Array(MARGIN + frame.length).fill(CANARY)
  buffer.set(frame, MARGIN)
  const view = new DataView(buffer.buffer)
  const end = MARGIN + frame.length
  assert.ok(describe(view, MARGIN, end).length < 2000, 'a description is one short line')
  answers(view, MARGIN, end)
  assert.deepEqual(buffer.subarray(MARGIN, end), frame, 'reading changes nothing')
  if (ethernet.fits(view, MARGIN, end)) edit(view, MARGIN, end)
  const outside = [...buffer.subarray(0, MARGIN), ...buffer.subarray(end)]
  assert.ok(
    outside.every(byte => byte === CANARY),
    'nothing is written outside of the frame'
  )
}

function answers(view: DataView, at: number, end: number): void {
  const error = icmpError({ type: 3, code: 1, src: WORDS, srcMac: 2, dstMac: 4 }, view, at, end)
  if (mayAnswerWithError(view, at, end)) assert.ok(error, 'what may be answered can be')
  const reply = echoReply(view, at, end)
  for (const answer of [error, reply]) {
    if (answer === undefined) continue
    const out = new DataView(answer.buffer)
    describe(out, 0, answer.length)
    assert.equal(echoReply(out, 0, answer.length), undefined, 'an answer is not echoed')
    const truth = checksums(out, 0, answer.length)
    assert.ok(truth.l3, 'an answer has a true header checksum')
    if (answer === error) assert.ok(truth.l4, 'an error has a true checksum')
  }
  if (error) answersError(error, error.length)
  if (reply) {
    const asked = checksums(view, at, end).l4
    const told = checksums(new DataView(reply.buffer), 0, reply.length).l4
    assert.equal(told, asked, 'a reply is as true as the request')
  }
}

function answersError(error: Uint8Array<ArrayBuffer>, end: number): void {
  const out = new DataView(error.buffer)
  // The error was made with an IPv4 code, which in ICMPv6 is an error as well.
  assert.equal(mayAnswerWithError(out, 0, end), false, 'an error is not answered')
  const l3 = vlan.typeAt(out, 0, end) + 2
  const max = out.getUint8(l3) >>> 4 === 4 ? IPV4_ERROR_MAX : IPV6_ERROR_MAX
  assert.ok(end - l3 <= max, 'an error is not too long')
}

interface Truth {
  readonly l3: boolean
  readonly l4: boolean
}

// Whether the checksums of a frame are true, as far as there are any to see.
function checksums(view: DataView, at: number, end: number): Truth {
  const typeAt = vlan.typeAt(view, at, end)
  const l3 = typeAt + 2
  const type = view.getUint16(typeAt)
  if (type === ethernet.Type.ipv4 && ipv4.fits(view, l3, end)) {
    const [l4, stop] = [ipv4.payload(view, l3), ipv4.payloadEnd(view, l3)]
    const seen = !ipv4.isFragment(view, l3)
    const valid = seen && l4Valid(view, l3, l4, stop, ipv4.protocol(view, l3))
    return { l3: ipv4.checksumValid(view, l3), l4: valid }
  }
  if (type === ethernet.Type.ipv6 && ipv6.fits(view, l3, end) && ipv6.walk(view, l3, end)) {
    const { protocol, l4, segmentsLeft } = ipv6.walked
    assert.ok(l4 <= ipv6.payloadEnd(view, l3), 'a walk stays inside')
    const seen = !ipv6.walkedFragment() && segmentsLeft === 0
    return { l3: true, l4: seen && l4Valid(view, l3, l4, ipv6.payloadEnd(view, l3), protocol) }
  }
  return { l3: false, l4: false }
}

// Every setter that fits; what was true before is true after each.
function edit(view: DataView, at: number, end: number): void {
  let truth = checksums(view, at, end)
  const step = (name: string, run: () => void): void => {
    run()
    const now = checksums(view, at, end)
    assert.ok(!truth.l3 || now.l3, `${name} keeps the header checksum true`)
    assert.ok(!truth.l4 || now.l4, `${name} keeps the layer-4 checksum true`)
    truth = now
  }
  step('ethernet', () => editEthernet(view, at, end))
  const typeAt = vlan.typeAt(view, at, end)
  const l3 = typeAt + 2
  const type = view.getUint16(typeAt)
  if (type === ethernet.Type.arp && arp.fits(view, l3, end)) editArp(view, l3)
  if (type === ethernet.Type.ipv4 && ipv4.fits(view, l3, end)) editIpv4(view, l3, step)
  if (type === ethernet.Type.ipv6 && ipv6.fits(view, l3, end)) editIpv6(view, l3, step)
}

type Step = (name: string, run: () => void) => void

function editEthernet(view: DataView, at: number, end: number): void {
  ethernet.setDst(view, at, 0x0200, 9)
  ethernet.setSrc(view, at, 0x0200, -1)
  const tags = vlan.count(view, at, end)
  const before = new Uint8Array(view.buffer, at, end - at).slice()
  const pushed = vlan.push(view, at, ethernet.Type.qinq, VALUE16)
  assert.equal(vlan.count(view, pushed, end), Math.min(tags + 1, vlan.TAGS_MAX))
  assert.equal(vlan.pop(view, pushed), at)
  new Uint8Array(view.buffer, pushed, at - pushed).fill(CANARY)
  assert.deepEqual(new Uint8Array(view.buffer, at, end - at), before, 'pop undoes push')
}

function editArp(view: DataView, at: number): void {
  arp.setSenderMac(view, at, 0x0200, 5)
  arp.setSenderIp(view, at, WORDS[0]!)
  arp.setTargetMac(view, at, 0x0200, 6)
  arp.setTargetIp(view, at, WORDS[0]!)
  assert.ok(arp.isGratuitous(view, at))
}

function editIpv4(view: DataView, at: number, step: Step): void {
  for (let kind = 0; kind < 256; kind += 17) ipv4.optionAt(view, at, kind)
  step('tos', () => ipv4.setTos(view, at, VALUE16))
  step('id', () => ipv4.setId(view, at, VALUE16))
  step('ttl', () => ipv4.setTtl(view, at, 77))
  step('decrement', () => ipv4.decrementTtl(view, at))
  step('src', () => ipv4.setSrc(view, at, WORDS[3]!))
  step('dst', () => ipv4.setDst(view, at, WORDS[1]!))
  if (ipv4.fragmentOffset(view, at) !== 0) return
  editL4(view, at, ipv4.payload(view, at), ipv4.payloadEnd(view, at), ipv4.protocol(view, at), step)
}

function editIpv6(view: DataView, at: number, step: Step): void {
  step('class', () => ipv6.setTrafficClass(view, at, VALUE16))
  step('hops', () => ipv6.setHopLimit(view, at, 77))
  step('src', () => ipv6.setSrc(view, at, WORDS, 0))
  step('dst', () => ipv6.setDst(view, at, WORDS, 0))
  const end = ipv6.payloadEnd(view, at)
  if (!ipv6.walk(view, at, end) || ipv6.walked.fragmentOffset !== 0) return
  editL4(view, at, ipv6.walked.l4, end, ipv6.walked.protocol, step)
}

function editL4(
  view: DataView,
  l3: number,
  at: number,
  end: number,
  protocol: number,
  step: Step
): void {
  const { Protocol } = ipv4
  if (protocol === Protocol.udp && udp.fits(view, at, end)) editUdp(view, at, end, step)
  if (protocol === Protocol.tcp && tcp.fits(view, at, end)) editTcp(view, at, step)
  if (protocol === Protocol.icmp && icmp.fits(view, at, end)) editIcmp(view, at, end, step)
  if (protocol === Protocol.icmpv6 && icmpv6.fits(view, at, end)) {
    if (view.getUint8(l3) >>> 4 === 6) editIcmpv6(view, l3, at, end, step)
  }
  if (protocol === Protocol.gre && gre.fits(view, at, end)) editGre(view, at, end)
}

function editUdp(view: DataView, at: number, end: number, step: Step): void {
  udp.whole(view, at, end)
  step('udp src', () => udp.setSrcPort(view, at, VALUE16))
  step('udp dst', () => udp.setDstPort(view, at, 0x1_0007))
  const body = udp.payload(at)
  if (vxlan.fits(view, body, end)) step('vni', () => vxlan.vni(view, body))
}

function editTcp(view: DataView, at: number, step: Step): void {
  for (let kind = 0; kind < 256; kind += 5) tcp.optionAt(view, at, kind)
  step('tcp src', () => tcp.setSrcPort(view, at, VALUE16))
  step('tcp dst', () => tcp.setDstPort(view, at, 0x1_0007))
}

function editIcmp(view: DataView, at: number, end: number, step: Step): void {
  step('icmp id', () => icmp.setId(view, at, 0))
  step('icmp sequence', () => icmp.setSequence(view, at, 0))
  step('icmp type', () => icmp.setType(view, at, 0))
  step('icmp id again', () => icmp.setId(view, at, VALUE16))
  const quote = icmp.quoted(at)
  if (!ipv4.headerFits(view, quote, end)) return
  // Written inside another packet: only its own header checksum is there to stay true.
  const valid = ipv4.checksumValid(view, quote)
  ipv4.setSrc(view, quote, WORDS[2]!, end)
  assert.ok(!valid || ipv4.checksumValid(view, quote), 'a quoted header stays true')
}

function editIcmpv6(view: DataView, l3: number, at: number, end: number, step: Step): void {
  nd.acceptable(view, l3, at, end)
  if (nd.fits(view, at, end)) {
    for (let kind = 0; kind < 256; kind += 5) nd.optionAt(view, at, end, kind)
    nd.linkLayer(view, at, end, nd.Option.sourceLinkLayer)
  }
  step('icmpv6 id', () => icmpv6.setId(view, at, VALUE16))
  step('icmpv6 sequence', () => icmpv6.setSequence(view, at, 1))
  step('icmpv6 type', () => icmpv6.setType(view, at, icmpv6.Type.echoReply))
  const quote = icmpv6.quoted(at)
  if (ipv6.headerFits(view, quote, end)) ipv6.setDst(view, quote, WORDS, 0, end)
}

function editGre(view: DataView, at: number, end: number): void {
  const valid = gre.checksumValid(view, at, end)
  gre.sequence(view, at)
  gre.key(view, at)
  assert.equal(gre.checksumValid(view, at, end), valid, 'reading changes nothing')
}
