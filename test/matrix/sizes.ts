// Packets larger than what they are to leave by: the interface of the receiver, here or on another
// host, or the tunnel to it.  Who must not be cut is answered with the MTU; others are cut.

import {
  addressBytes,
  type Bytes,
  checksum,
  type Family,
  filled,
  HEADER_LENGTH,
  ipBytes,
  join,
  l4Bytes,
  type Packet,
  pieces
} from './bytes.ts'
import type { Part } from './cells.ts'
import { type Direction, type Flow, type Form, TTL } from './flow.ts'
import { type Config, endsOf, entryOf, type Machine, type Place } from './network.ts'
import { type Read, read, together } from './read.ts'
import { piecesOf, type Stage, TUNNEL_MTU, Wrong } from './stage.ts'

const NARROW = 1300
const TINY = { 4: 68, 6: 1280 } as const // RFC 791 §3.2, RFC 8200 §5
const WIDE = 1492
const QUOTE_MAX = { 4: 576, 6: 1280 } as const
const UDP_LENGTH = 8
const PIECE = 1440 // of what comes in pieces already

const WHY_CUT = 'RFC 1812 §5.2.6: what does not fit and may be cut is cut, translated, and complete'
const WHY_TOLD = {
  4: 'RFC 1812 §5.2.6, §4.3.2.4, RFC 1191 §4: 3/4 with the MTU, from the address of this side',
  6: 'RFC 8201, RFC 4443 §3.2, §2.2: packet too big with the MTU, as much quoted as fits 1280'
} as const

export function sizeCells(family: Family, config: Config): Part[] {
  const parts: Part[] = []
  for (const place of ['near', 'far', 'tunnel', 'vlan'] as const)
    for (const direction of ['request', 'response'] as const) {
      const narrow = place === 'tunnel' ? TUNNEL_MTU : NARROW
      parts.push(...partsAt(family, config, place, direction, narrow, 'sizes'))
    }
  for (const direction of ['request', 'response'] as const)
    parts.push(...partsAt(family, config, 'near', direction, TINY[family], 'tiny'))
  return parts
}

function partsAt(
  family: Family,
  config: Config,
  place: Place,
  direction: Direction,
  mtu: number,
  group: string
): Part[] {
  const { client, server } = endsOf(config)
  const machine = direction === 'request' ? server : client
  const narrow = place === 'tunnel' ? {} : { narrow: { machine, mtu } }
  const common = { group: place === 'vlan' ? 'vlan' : group, place, ...narrow }
  const parts: Part[] = []
  const ages = direction === 'request' ? [true, false] : [false]
  for (const isNew of ages) {
    const who = `${isNew ? 'first' : 'later'} ${direction}`
    const what = { family, direction, isNew, mtu, place }
    if (family === 4)
      parts.push({
        ...{ ...common, why: WHY_CUT, name: `${who} over ${mtu}, may be cut` },
        play: stage => isCut(stage, what)
      })
    parts.push({
      ...{ ...common, why: WHY_TOLD[family], name: `${who} over ${mtu}, must not be cut` },
      play: stage => isTold(stage, what)
    })
    parts.push({
      ...{ ...common, why: WHY_CUT, name: `${who} of ${mtu}` },
      play: stage => fits(stage, what)
    })
  }
  if (family === 4)
    parts.push({
      ...{ ...common, why: WHY_CUT, name: `${direction} in pieces over ${mtu}` },
      play: stage => isCutAgain(stage, { family, direction, isNew: false, mtu, place })
    })
  return parts
}

interface What {
  readonly family: Family
  readonly direction: Direction
  readonly isNew: boolean
  readonly mtu: number
  readonly place: Place
}

const flowFor = (stage: Stage, { family, isNew }: What): Flow =>
  isNew ? stage.flow(family, 'udp') : stage.opened(family, 'udp')

const bodyFor = (family: Family, length: number): Uint8Array =>
  filled(length - HEADER_LENGTH[family] - UDP_LENGTH)

function fits(stage: Stage, what: What): void {
  const { family, direction, mtu } = what
  stage.carry(flowFor(stage, what), direction, { df: true, body: bodyFor(family, mtu) })
}

function isCut(stage: Stage, what: What): void {
  const { family, direction, mtu } = what
  const flow = flowFor(stage, what)
  const { from, sent } = flow.way(direction)
  const form: Form = { body: bodyFor(family, WIDE) }
  const count = Math.ceil((WIDE - HEADER_LENGTH[4]) / ((mtu - HEADER_LENGTH[4]) & ~7))
  const out = stage.send(from, [ipBytes(flow.packet(sent, direction, form))], count)
  arrivesIn(stage, flow, what, form, out)
}

// Its pieces are too large in turn.
function isCutAgain(stage: Stage, what: What): void {
  const { direction } = what
  const flow = flowFor(stage, what)
  const { from, sent } = flow.way(direction)
  const form: Form = { body: filled(PIECE + 500) }
  const goes = flow.packet(sent, direction, form)
  const out = stage.send(from, piecesOf(goes, pieces(goes, PIECE)), 3)
  arrivesIn(stage, flow, what, form, out)
}

type Out = ReturnType<Stage['send']>

// In pieces that fit, which make the packet that is right.
function arrivesIn(stage: Stage, flow: Flow, what: What, form: Form, out: Out): void {
  const { direction, mtu } = what
  stage.learn(flow, direction, out)
  const { to, seen } = flow.way(direction)
  const right = flow.packet(seen, direction, { ...form, ttl: TTL - 1 })
  const whole = stage.frame(to, ipBytes(right))
  if (out.length < 2) throw new Wrong(`${out.length} frames come out; right are pieces`)
  const all = out.map(({ frame }) => parsed(frame as Bytes))
  const first = parsed(whole)
  for (const piece of all) {
    if (piece.length > mtu) throw new Wrong(`a piece has ${piece.length} bytes, of ${mtu}`)
    if (piece.df) throw new Wrong('a piece that must not be cut further')
    same('the MAC header', piece.link, first.link)
    for (const field of ['ttl', 'protocol', 'id'] as const)
      if (piece[field] !== first[field])
        throw new Wrong(`${field} of a piece is ${piece[field]}, not ${first[field]}`)
    same('the source', piece.src, first.src)
    same('the destination', piece.dst, first.dst)
  }
  const body = together(all)
  if (typeof body === 'string') throw new Wrong(body)
  same('what the pieces make', body, l4Bytes(right))
}

function isTold(stage: Stage, what: What): void {
  const { family, direction } = what
  const flow = flowFor(stage, what)
  const { from, sent } = flow.way(direction)
  const goes = flow.packet(sent, direction, { df: true, body: bodyFor(family, WIDE) })
  const out = stage.send(from, [ipBytes(goes)], 1)
  const entry = entryOf(from, stage.place)
  if (out.length !== 1 || out[0]!.port !== entry)
    throw new Wrong(`frames at [${out.map(({ port }) => port)}]; right is an error at ${entry}`)
  const error = parsed(out[0]!.frame as Bytes)
  same('the MAC header', error.link, parsed(stage.frame(from, ipBytes(goes))).link)
  saysTooBig(error, what.mtu, goes, speakers(from, goes, what))
}

// What does not fit a tunnel may be said in the name of who was spoken to, as kernels' tunnels do:
// it is not the router's link.
function speakers(from: Machine, goes: Packet, { family, place }: What): string[] {
  return place === 'tunnel' ? [from.gateway[family], goes.dst] : [from.gateway[family]]
}

function saysTooBig(e: Read, mtu: number, about: Packet, by: readonly string[]): void {
  const { family } = about
  const whole = ipBytes(about)
  const [type, code, protocol] = family === 4 ? [3, 4, 1] : [2, 0, 58]
  if (e.protocol !== protocol) throw new Wrong(`protocol ${e.protocol} comes back, no ICMP`)
  if (e.body[0] !== type || e.body[1] !== code)
    throw new Wrong(`ICMP ${e.body[0]}/${e.body[1]} comes back, not ${type}/${code}`)
  const rest = [0, 0, mtu >>> 8, mtu & 0xff]
  same('the MTU it tells', e.body.subarray(4, 8), Uint8Array.from(rest))
  if (!by.some(ip => addressBytes(ip).join() === e.src.join()))
    throw new Wrong(`it comes from ${e.src.join('.')}, not from ${by.join(' or ')}`)
  same('whom it tells', e.dst, Uint8Array.from(addressBytes(about.src)))
  const pseudo = [...e.src, ...e.dst, 0, 0, e.body.length >>> 8, e.body.length & 0xff, 0, 0, 0, 58]
  if (checksum(family === 4 ? [] : pseudo, e.body) !== 0) throw new Wrong('its checksum is wrong')
  const room = QUOTE_MAX[family] - HEADER_LENGTH[family] - UDP_LENGTH
  same('its quote', e.body.subarray(8), whole.subarray(0, room))
}

function parsed(frame: Bytes): Read {
  const found = read(frame)
  if (typeof found === 'string') throw new Wrong(found)
  return found
}

function same(what: string, is: Uint8Array, right: Uint8Array): void {
  const [a, b] = [is, right].map(each => join(each)) as [Bytes, Bytes]
  if (a.length === b.length && a.every((byte, i) => byte === b[i])) return
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const shown = (bytes: Bytes): string => `${bytes.subarray(at, at + 16)} (of ${bytes.length})`
  throw new Wrong(`${what}: from byte ${at} on ${shown(a)}; right would be ${shown(b)}`)
}
