// Packets that come in pieces: all of them leave, translated alike, whichever comes first.  What
// came in order leaves in order, the first packet of a flow too, which waits for its state.

import { type Extra, type Family, filled, type Piece, pieces } from './bytes.ts'
import type { Part } from './cells.ts'
import { type Direction, TTL } from './flow.ts'
import type { Config, Place } from './network.ts'
import { piecesOf, type Stage } from './stage.ts'

const PIECE = 480
const LATE_MS = 4000
const LENGTH = 3 * PIECE + 100 // with the header of UDP: four pieces

const ORDERS: Readonly<Record<string, readonly number[]>> = {
  'in order': [0, 1, 2, 3],
  reversed: [3, 2, 1, 0],
  'first last': [1, 2, 3, 0],
  'middle first': [2, 0, 1, 3]
}

const WHY =
  'RFC 4787 REQ-14, RFC 6146 §3.4: pieces are translated in any order, and none untranslated'

export function fragmentCells(family: Family, config: Config): Part[] {
  const parts: Part[] = []
  const add = (
    group: string,
    place: Place,
    direction: Direction,
    isNew: boolean,
    extra?: Extra
  ): void => {
    for (const [name, order] of Object.entries(ORDERS))
      parts.push({
        ...{ group, place, why: WHY },
        name: `${isNew ? 'first' : 'later'} ${direction} in pieces, ${name}${nameOf(extra)}`,
        play: stage => play(stage, { family, direction, isNew, order, extra })
      })
  }
  for (const place of ['near', 'far'] as const) {
    add('fragments', place, 'request', true)
    add('fragments', place, 'request', false)
    add('fragments', place, 'response', false)
  }
  const extras: readonly Extra[] = family === 4 ? ['options'] : ['destination', 'behind']
  for (const extra of extras) {
    add('fragments', 'near', 'request', true, extra)
    add('fragments', 'near', 'response', false, extra)
  }
  add('vlan', 'vlan', 'request', true)
  add('vlan', 'vlan', 'response', false)
  for (const direction of ['request', 'response'] as const)
    parts.push({
      ...{ group: 'fragments', place: 'near', why: WHY },
      name: `later ${direction} without its first piece`,
      play: stage => playRest(stage, family, config, direction)
    })
  return parts
}

// Who has to know the ports lets nothing pass that has none, however long it is waited for.
function playRest(stage: Stage, family: Family, config: Config, direction: Direction): void {
  const flow = stage.opened(family, 'udp')
  const { from, to, sent, seen } = flow.way(direction)
  const form = { body: filled(LENGTH), id: flow.id + 1 } // no piece of it was seen
  const goes = flow.packet(sent, direction, form)
  const comes = flow.packet(seen, direction, { ...form, ttl: TTL - 1 })
  const isStateless = !config.asks && (config.way === 'plain' || config.way === 'fixed')
  const right = isStateless ? piecesOf(comes, pieces(comes, PIECE).slice(1)) : []
  const out = stage.send(from, piecesOf(goes, pieces(goes, PIECE).slice(1)), right.length)
  stage.expect([...out, ...stage.wait(LATE_MS)], to, right)
}

const nameOf = (extra: Extra | undefined): string =>
  extra === undefined ? '' : `, ${extra === 'behind' ? 'destination behind the cut' : extra}`

interface What {
  readonly family: Family
  readonly direction: Direction
  readonly isNew: boolean
  readonly order: readonly number[]
  readonly extra: Extra | undefined
}

function play(stage: Stage, { family, direction, isNew, order, extra }: What): void {
  const flow = isNew ? stage.flow(family, 'udp') : stage.opened(family, 'udp')
  const { from, to, sent, seen } = flow.way(direction)
  const form = { body: filled(LENGTH), ...(extra === undefined ? {} : { extra }) }
  const goes = flow.packet(sent, direction, form)
  const cut = sorted(pieces(goes, PIECE), order)
  const out = stage.send(from, piecesOf(goes, cut), order.length)
  stage.learn(flow, direction, out)
  const comes = flow.packet(seen, direction, { ...form, ttl: TTL - 1 })
  const right = sorted(pieces(comes, PIECE), order)
  stage.expect(out, to, piecesOf(comes, right), order[0] === 0)
}

const sorted = (cut: readonly Piece[], order: readonly number[]): Piece[] => order.map(i => cut[i]!)
