// Packets that come in pieces: all of them leave, translated alike, whichever comes first.  What
// came in order leaves in order, the first packet of a flow too, which waits for its state.

import { type Family, filled, type Piece, pieces } from './bytes.ts'
import type { Part } from './cells.ts'
import { type Direction, TTL } from './flow.ts'
import type { Place } from './network.ts'
import { piecesOf, type Stage } from './stage.ts'

const PIECE = 480
const LENGTH = 3 * PIECE + 100 // with the header of UDP: four pieces

const ORDERS: Readonly<Record<string, readonly number[]>> = {
  'in order': [0, 1, 2, 3],
  reversed: [3, 2, 1, 0],
  'first last': [1, 2, 3, 0],
  'middle first': [2, 0, 1, 3]
}

const WHY =
  'RFC 4787 REQ-14, RFC 6146 §3.4: pieces are translated in any order, and none untranslated'

export function fragmentCells(family: Family): Part[] {
  const parts: Part[] = []
  const add = (group: string, place: Place, direction: Direction, isNew: boolean): void => {
    for (const [name, order] of Object.entries(ORDERS))
      parts.push({
        ...{ group, place, why: WHY },
        name: `${isNew ? 'first' : 'later'} ${direction} in pieces, ${name}`,
        play: stage => play(stage, family, direction, isNew, order)
      })
  }
  for (const place of ['near', 'far'] as const) {
    add('fragments', place, 'request', true)
    add('fragments', place, 'request', false)
    add('fragments', place, 'response', false)
  }
  add('vlan', 'vlan', 'request', true)
  add('vlan', 'vlan', 'response', false)
  return parts
}

function play(
  stage: Stage,
  family: Family,
  direction: Direction,
  isNew: boolean,
  order: readonly number[]
): void {
  const flow = isNew ? stage.flow(family, 'udp') : stage.opened(family, 'udp')
  const { from, to, sent, seen } = flow.way(direction)
  const form = { body: filled(LENGTH) }
  const goes = flow.packet(sent, direction, form)
  const cut = sorted(pieces(goes, PIECE), order)
  const out = stage.send(from, piecesOf(goes, cut), order.length)
  stage.learn(flow, direction, out)
  const comes = flow.packet(seen, direction, { ...form, ttl: TTL - 1 })
  const right = sorted(pieces(comes, PIECE), order)
  stage.expect(out, to, piecesOf(comes, right), order[0] === 0)
}

const sorted = (cut: readonly Piece[], order: readonly number[]): Piece[] => order.map(i => cut[i]!)
