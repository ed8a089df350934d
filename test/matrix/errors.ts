// ICMP errors about a flow, from either side of the router: the one about whose packet it is must
// see a quote of what it has sent itself, and an address it knows as its sender's.

import { type Extra, type Family, ipBytes, l4Bytes, type Packet, type Piece } from './bytes.ts'
import type { Part } from './cells.ts'
import type { Direction, Flow, Kind, View } from './flow.ts'
import { EXTRAS, kindsOf } from './forms.ts'
import { type Config, type Machine, PUBLIC } from './network.ts'
import type { Stage } from './stage.ts'

export const NEXT_MTU = 1300
const [ERROR_TTL, QUOTED_TTL] = [60, 61]

interface ErrorKind {
  readonly name: string
  readonly type: number
  readonly code: number
  readonly rest: number
  readonly byEnd: boolean // by the end itself, or by a router before it
}

const ERRORS: Readonly<Record<Family, readonly ErrorKind[]>> = {
  4: [
    { name: 'unreachable', type: 3, code: 3, rest: 0, byEnd: true },
    { name: 'too big', type: 3, code: 4, rest: NEXT_MTU, byEnd: false },
    { name: 'time exceeded', type: 11, code: 0, rest: 0, byEnd: false },
    { name: 'parameter problem', type: 12, code: 0, rest: 20 * 2 ** 24, byEnd: true }
  ],
  6: [
    { name: 'unreachable', type: 1, code: 4, rest: 0, byEnd: true },
    { name: 'too big', type: 2, code: 0, rest: NEXT_MTU, byEnd: false },
    { name: 'time exceeded', type: 3, code: 0, rest: 0, byEnd: false },
    { name: 'parameter problem', type: 4, code: 0, rest: 40, byEnd: true }
  ]
}

interface QuoteForm {
  readonly name: string
  readonly extra?: Extra
  readonly first?: boolean // it was the first fragment of a packet
  readonly cut?: boolean // no more than must be quoted
  readonly zero?: boolean
}

const SENDERS: readonly Direction[] = ['request', 'response']

const quotesOf = (family: Family): readonly QuoteForm[] => [
  { name: 'plain' },
  { name: 'eight bytes', cut: true },
  { name: 'first fragment', first: true },
  ...EXTRAS[family].map(extra => ({ name: extra, extra })),
  ...EXTRAS[family].map(extra => ({ name: `${extra} and fragment`, extra, first: true }))
]

export function errorCells(family: Family, config: Config): Part[] {
  const parts: Part[] = []
  for (const kind of kindsOf(config))
    for (const about of SENDERS)
      for (const error of ERRORS[family]) {
        for (const quote of quotesOf(family))
          parts.push(part('errors', 'near', { family, kind, about, error, quote }))
        const quote = { name: 'plain' }
        for (const place of ['far', 'vlan'] as const)
          parts.push(
            part(place === 'vlan' ? 'vlan' : 'errors', place, { family, kind, about, error, quote })
          )
      }
  if (family === 4)
    for (const about of SENDERS)
      for (const error of ERRORS[family]) {
        const quote = { name: 'zero checksum', zero: true }
        parts.push(part('errors', 'near', { family, kind: 'udp', about, error, quote }))
      }
  return parts
}

interface What {
  readonly family: Family
  readonly kind: Kind
  readonly about: Direction // whose packet is quoted
  readonly error: ErrorKind
  readonly quote: QuoteForm
}

function part(group: string, place: Part['place'], what: What): Part {
  const { kind, about, error, quote, family } = what
  const by = about === 'request' ? 'server' : 'client'
  const rfc = family === 4 ? 'RFC 5508 §4 REQ-4, REQ-5' : 'RFC 4443 §2.4, RFC 5508 §4'
  return {
    ...{ group, place },
    name: `${error.name} from the ${by} about ${kind}, quoting ${quote.name}`,
    why: `${rfc}: outside and in its quote an error is translated as its flow, back`,
    play: stage => play(stage, what)
  }
}

function play(stage: Stage, { family, kind, about, error, quote }: What): void {
  const flow = stage.opened(family, kind)
  const { from: told, to: by, sent, seen } = flow.way(about)
  const hop = error.byEnd ? by.ip[family] : by.hop[family]
  const said = (view: View, src: string): Packet => {
    const quoted = flow.packet(view, about, { ttl: QUOTED_TTL, ...bodyOf(quote) })
    return {
      ...{ family, src, dst: quoted.src, ttl: ERROR_TTL },
      l4: { is: 'error', ...withoutName(error), quote: quoteBytes(quoted, quote) }
    }
  }
  const out = stage.send(by, [ipBytes(said(seen, hop))], 1)
  const right = { ...said(sent, senderOf(flow, by, hop)), ttl: ERROR_TTL - 1 }
  stage.expect(out, told, [ipBytes(right)])
}

const bodyOf = ({ extra, zero }: QuoteForm) => ({
  ...(extra === undefined ? {} : { extra }),
  zero: zero === true,
  body: new Uint8Array(64).fill(0x5a)
})

const withoutName = ({ type, code, rest }: ErrorKind) => ({ type, code, rest })

function quoteBytes(quoted: Packet, { first, cut }: QuoteForm): Uint8Array {
  const l4 = l4Bytes(quoted)
  const bytes = l4.slice(0, l4.length & ~7)
  const piece: Piece | undefined = first === true ? { offset: 0, more: true, bytes } : undefined
  const whole = ipBytes(quoted, piece)
  return cut === true ? whole.slice(0, whole.length - l4.length + 8) : whole
}

// Who is behind a translation is not seen before it, be it an end or a router on the way to it
// (RFC 5508 REQ-5 d); who is in the open keeps its address.
export function senderOf(flow: Flow, by: Machine, hop: string): string {
  const { family, near, far, server } = flow
  const [own, seen] =
    by === server ? [far.server.ip, near.server.ip] : [near.client.ip, far.client.ip]
  if (own === seen) return hop
  return hop === own ? seen : PUBLIC[family]
}
