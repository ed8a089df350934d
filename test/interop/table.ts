// The grid as a table: a row for each kind and family, a column for what is shown. Below it, why
// a kind cannot have something, and what was wrong. table.test.ts holds it.

import { nameOf, type Outcome } from './grid.ts'
import { shows } from './upstream.ts'

const NAME_WIDTH = 20
const WIDTH = 28

/** `versions`: by the name of the kind. */
export function table(
  outcomes: readonly Outcome[],
  versions: Readonly<Record<string, string>>
): string {
  const rowOf = ({ cell: { kind, family } }: Outcome): string =>
    `${kind.name} ${versions[kind.name] ?? ''} v${family}`
  const rows = [...new Set(outcomes.map(rowOf))]
  const line = (name: string, cells: readonly string[]): string =>
    (name.padEnd(NAME_WIDTH) + cells.map(each => each.padEnd(WIDTH)).join('')).trimEnd()
  const inRow = (row: string): string[] =>
    shows.map(show => {
      const found = outcomes.find(each => rowOf(each) === row && each.cell.show === show)
      return found === undefined ? '' : shortOf(found)
    })
  return [line('', shows), ...rows.map(row => line(row, inRow(row))), ...notes(outcomes)].join('\n')
}

const shortOf = ({ state, text }: Outcome): string =>
  state === 'green' ? text : state === 'none' ? '–' : 'RED'

function notes(outcomes: readonly Outcome[]): string[] {
  const lacks = outcomes
    .filter(({ state }) => state === 'none')
    .map(({ cell: { kind, show }, text }) => `– ${kind.name}, ${show}: ${text}`)
  const reds = outcomes
    .filter(({ state }) => state === 'red')
    .map(({ cell, text }) => `RED ${nameOf(cell)}: ${text}`)
  return [...new Set(lacks), ...reds]
}
