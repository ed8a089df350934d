// B1, B3: an ICMP error about a translated connection is translated, whatever the rules ask of
// packets, from either side, by an end or by a router on the way; and whatever headers the quoted
// packet has before its ports (RFC 5508 REQ-4, 5, RFC 4443 §2.4).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PacketBuilder } from '../../src/wire/builder.ts'
import type { Ipv4Options } from '../../src/wire/layers.ts'
import {
  assertQuotes,
  assertSound,
  type Ends,
  endsOf,
  errorAbout,
  from,
  ip,
  type Link,
  mirrored,
  type Opener,
  type Scene,
  staged
} from './scene.ts'
import { ASKS, CASES, type Case, type Family, PLACES, type Protocol } from './translations.ts'

/** A packet's IP header, and what stands between it and layer 4. */
type Dress = (link: Link, src: string, dst: string) => PacketBuilder
const plain: Dress = ip

const OPENER_PORT = 5007
const PING_ID = 5007

// A packet of a connection with these ends.
function say(link: Link, protocol: Protocol, ends: Ends, reply: boolean, dress: Dress) {
  const { src, dst, sport, dport } = ends
  const l3 = dress(link, src, dst)
  const l4 = {
    tcp: () => l3.tcp(sport, dport, { flags: reply ? 'SA' : 'S' }),
    udp: () => l3.udp(sport, dport),
    ping: () =>
      src.includes(':') ? l3.icmpv6Echo(sport, 1, { reply }) : l3.icmpEcho(sport, 1, { reply })
  }[protocol]()
  return l4.payload(40).frame()
}

interface Side {
  readonly link: Link
  readonly router: string // on the way to it
}

// A connection of two packets, and what each of them became.
class Connection {
  readonly opener: Side
  readonly other: Side
  readonly #scene: Scene
  readonly #protocol: Protocol
  readonly #ends: Ends
  readonly #renumbers: boolean // routers too

  constructor(
    scene: Scene,
    { inward, publicPort, renumbers }: Case,
    family: Family,
    protocol: Protocol
  ) {
    this.#scene = scene
    this.#protocol = protocol
    const { inside, insideRouter, outside, outsideRouter, public: one } = PLACES[family]
    this.#renumbers = renumbers === true
    const near: Side = { link: 'r0', router: insideRouter }
    const far: Side = { link: 'r3', router: outsideRouter }
    this.opener = inward ? far : near
    this.other = inward ? near : far
    const port = publicPort ?? (inward ? 80 : 443)
    const ports =
      protocol === 'ping' ? { sport: PING_ID, dport: PING_ID } : { sport: OPENER_PORT, dport: port }
    this.#ends = { src: inward ? outside : inside, dst: inward ? one : outside, ...ports }
  }

  /** What the opener sends, and what comes of it. */
  ask(dress: Dress): readonly [sent: Uint8Array, out: Uint8Array] {
    const { opener, other } = this
    const sent = say(opener.link, this.#protocol, this.#ends, false, dress)
    return [sent, this.#scene.one(opener.link, sent, other.link)]
  }

  answer(dress: Dress): readonly [sent: Uint8Array, out: Uint8Array] {
    const { opener, other } = this
    const [, arrived] = this.ask(plain)
    const sent = say(other.link, this.#protocol, mirrored(endsOf(arrived)), true, dress)
    return [sent, this.#scene.one(other.link, sent, opener.link)]
  }

  /** Errors about a packet by its receiver, and by a router before that. */
  fails([sent, out]: readonly [Uint8Array, Uint8Array], receiver: Side, sender: Side): void {
    const isV6 = this.#ends.src.includes(':')
    const { src: asker, dst: sentTo } = endsOf(sent)
    const about = endsOf(out)
    for (const by of [about.dst, receiver.router])
      for (const kind of isV6 ? ERRORS_6 : ERRORS_4) {
        const error = errorAbout(receiver.link, out, by, kind)
        const arrived = this.#scene.one(receiver.link, error, sender.link)
        assertSound(arrived)
        const { src, dst } = endsOf(arrived)
        assert.equal(dst, asker, 'reaches the sender')
        const isInside = receiver.link === 'r0'
        if (this.#renumbers && isInside) assert.notEqual(src, by, 'is from a number outside')
        else
          assert.equal(
            src,
            by === about.dst || isInside ? sentTo : by,
            'from whom the sender knows'
          )
        assertQuotes(arrived, sent)
      }
  }
}

const ERRORS_4 = [
  [3, 3],
  [3, 4, 1300],
  [11, 0]
] as const
const ERRORS_6 = [
  [1, 4],
  [2, 0, 1300],
  [3, 0]
] as const

/** In the kernel a world takes longer to make than to ask: a part of them is asked there. */
export function translatedErrors(open: Opener, isPart = false): void {
  for (const each of CASES)
    for (const family of [4, 6] as const)
      for (const protocol of ['tcp', 'udp', 'ping'] as const)
        for (const [asked, asks] of Object.entries(ASKS)) {
          if (isPart && (asked !== 'ports' || protocol === 'tcp')) continue
          if (each.withoutPing === true && protocol === 'ping') continue
          const port = each.inward === true ? 80 : 443
          describe(`B1: ${each.name}, v${family}, ${protocol}, rules ask ${asked}`, () => {
            const scene = staged(open, each.options(family, asks(protocol, family, port)))
            test('B1: errors about either packet, by an end and on the way', () => {
              const talk = new Connection(scene(), each, family, protocol)
              talk.fails(talk.ask(plain), talk.other, talk.opener)
              talk.fails(talk.answer(plain), talk.opener, talk.other)
            })
          })
        }
}

const dressed4 =
  (options: Ipv4Options): Dress =>
  (link, src, dst) =>
    from(link).ipv4(src, dst, options)
const dressed6 =
  (dress: (ip: PacketBuilder) => PacketBuilder): Dress =>
  (link, src, dst) =>
    dress(from(link).ipv6(src, dst))

const NOPS = new Uint8Array(8).fill(1)

const DRESSES: Readonly<Record<Family, Readonly<Record<string, Dress>>>> = {
  4: {
    options: dressed4({ options: NOPS }),
    'more fragments': dressed4({ moreFragments: true, id: 9 }),
    'options and more fragments': dressed4({ options: NOPS, moreFragments: true, id: 10 })
  },
  6: {
    'hop-by-hop options': dressed6(ip => ip.extension('hop-by-hop')),
    'destination options': dressed6(ip => ip.extension('destination')),
    'a routing header': dressed6(ip => ip.extension('routing')),
    'a fragment header': dressed6(ip => ip.fragment6(9, 0, false)),
    'more fragments': dressed6(ip => ip.fragment6(9, 0, true)),
    'all of them': dressed6(ip =>
      ip
        .extension('hop-by-hop')
        .extension('destination')
        .extension('routing')
        .fragment6(9, 0, true)
        .extension('destination')
    )
  }
}

export function dressedErrors(open: Opener): void {
  for (const each of CASES)
    for (const family of [4, 6] as const)
      describe(`B3: ${each.name}, v${family}`, () => {
        const asks = ASKS.ports!('udp', family, each.inward === true ? 80 : 443)
        const scene = staged(open, each.options(family, asks))
        for (const [name, dress] of Object.entries(DRESSES[family]))
          test(`B3: errors about packets with ${name}`, () => {
            const talk = new Connection(scene(), each, family, 'udp')
            talk.ask(plain)
            talk.fails(talk.ask(dress), talk.other, talk.opener)
            talk.fails(talk.answer(dress), talk.opener, talk.other)
          })
      })
}
