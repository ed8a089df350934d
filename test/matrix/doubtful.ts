// ICMP errors that do not say whose they are by themselves: with a wrong sum, of which nothing may
// be believed, and about a later fragment, which has no ports.  Whoever translates lets none of
// them out as it is; the second is known by the first fragment of its packet, where that passed.

import { type Extra, type Family, filled, HEADER_LENGTH, ipBytes, pieces } from './bytes.ts'
import type { Part } from './cells.ts'
import { NEXT_MTU, senderOf } from './errors.ts'
import { type Direction, type Flow, type Kind, TTL, type View } from './flow.ts'
import { kindsOf } from './forms.ts'
import type { Config } from './network.ts'
import { piecesOf, type Stage } from './stage.ts'

const PIECE = 480
const LENGTH = 3 * PIECE + 100
const QUOTED = 2 // of the pieces

const SUM = 'RFC 5508 REQ-3: an error with a wrong sum is discarded by who would translate it'
const KNOWN = 'RFC 4443 §2.4 e exempts no fragment, RFC 5508 REQ-4: translated as its packet'
const UNKNOWN = 'RFC 5508 REQ-4: what cannot be translated does not leave as it is'

export function doubtfulCells(family: Family, config: Config): Part[] {
  const parts: Part[] = []
  const add = (name: string, why: string, place: Part['place'], play: Part['play']): void => {
    parts.push({ group: 'errors', name, why, place, play })
  }
  const isOpen = !config.asks && config.way === 'plain' // nobody asks what it is about
  const byAddress = !config.asks && config.way === 'fixed'
  for (const about of ['request', 'response'] as const) {
    for (const kind of kindsOf(config))
      for (const place of ['near', 'far'] as const)
        add(`with a wrong sum, about ${kind}, ${about}`, SUM, place, stage =>
          playSum(stage, { family, kind, about }, isOpen)
        )
    const extras: readonly (Extra | undefined)[] =
      family === 4 ? [undefined] : [undefined, 'destination', 'behind']
    for (const extra of extras) {
      const name = `about a later piece of a ${about}${extra === undefined ? '' : `, ${extra}`}`
      const what = { family, kind: 'udp', about, extra } as const
      add(name, KNOWN, 'near', stage => playPiece(stage, what, true, true))
      add(`${name}, of which none was seen`, UNKNOWN, 'near', stage =>
        playPiece(stage, what, false, isOpen || byAddress)
      )
    }
  }
  return parts
}

interface What {
  readonly family: Family
  readonly kind: Kind
  readonly about: Direction
  readonly extra?: Extra | undefined
}

const TOO_BIG = { 4: { type: 3, code: 4 }, 6: { type: 2, code: 0 } } as const

// What a router before the one end says to the other, of this quote.
function error(flow: Flow, view: View, about: Direction, src: string, quote: Uint8Array) {
  const { family } = flow
  const { src: dst } = flow.packet(view, about)
  const l4 = { is: 'error', ...TOO_BIG[family], rest: NEXT_MTU, quote } as const
  return { family, src, dst, ttl: TTL, l4 }
}

function playSum(stage: Stage, { family, kind, about }: What, isOpen: boolean): void {
  const flow = stage.opened(family, kind)
  const { from: told, to: by, seen } = flow.way(about)
  const hop = by.hop[family]
  const said = error(flow, seen, about, hop, ipBytes(flow.packet(seen, about)))
  const broken = (ttl: number): Uint8Array => {
    const bytes = ipBytes({ ...said, ttl })
    bytes[HEADER_LENGTH[family] + 2]! ^= 0x55
    return bytes
  }
  const right = isOpen ? [broken(TTL - 1)] : []
  stage.expect(stage.send(by, [broken(TTL)], right.length), told, right)
}

function playPiece(
  stage: Stage,
  { family, kind, about, extra }: What,
  isKnown: boolean,
  passes: boolean
): void {
  const flow = stage.opened(family, kind)
  const { from: told, to: by, sent, seen } = flow.way(about)
  const form = { body: filled(LENGTH), id: flow.id + 1, ...(extra === undefined ? {} : { extra }) }
  if (isKnown) {
    const goes = flow.packet(sent, about, form)
    const comes = flow.packet(seen, about, { ...form, ttl: TTL - 1 })
    const out = stage.send(told, piecesOf(goes, pieces(goes, PIECE)), 4)
    stage.expect(out, by, piecesOf(comes, pieces(comes, PIECE)), false)
  }
  const hop = by.hop[family]
  const quote = (view: View): Uint8Array => {
    const packet = flow.packet(view, about, form)
    return ipBytes(packet, pieces(packet, PIECE)[QUOTED])
  }
  const out = stage.send(by, [ipBytes(error(flow, seen, about, hop, quote(seen)))], passes ? 1 : 0)
  const right = error(flow, sent, about, senderOf(flow, by, hop), quote(sent))
  stage.expect(out, told, passes ? [ipBytes({ ...right, ttl: TTL - 1 })] : [])
}
