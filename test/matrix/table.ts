// The table: a row for each address family and configuration, a column for each group of cells.

import { type Cell, rowOf } from './cells.ts'
import type { Outcome } from './play.ts'

const GROUPS = ['forms', 'errors', 'fragments', 'sizes', 'tiny', 'vlan']
const NAME_WIDTH = 18
const WIDTH = 11

export function table(outcomes: readonly Outcome[]): string {
  const rows = [...new Set(outcomes.map(({ cell }) => rowOf(cell)))]
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(NAME_WIDTH) + cells.map(each => each.padStart(WIDTH)).join('')
  const counts = (within: (cell: Cell) => boolean): string[] =>
    [...GROUPS, ''].map(group =>
      greenOf(outcomes.filter(({ cell }) => within(cell) && (group === '' || cell.group === group)))
    )
  return [
    line('green of all', [...GROUPS, 'all']),
    ...rows.map(row =>
      line(
        row,
        counts(cell => rowOf(cell) === row)
      )
    ),
    line(
      'all',
      counts(() => true)
    )
  ].join('\n')
}

function greenOf(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return '-'
  const green = outcomes.filter(({ wrong }) => wrong === undefined).length
  return `${green}/${outcomes.length}${green === outcomes.length ? ' ' : '!'}`
}
