// The cells that are known to be red, by the finding they belong to: a line for what is played,
// with the rows in which it is red.  It may only shrink: a cell that is listed and green is a
// failure, and so is one that is red and not listed.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome } from './play.ts'

const FILE = join(import.meta.dirname, 'red.txt')

interface Line {
  readonly finding: string
  readonly what: string
  readonly rows: readonly string[]
}

function lines(): Line[] {
  const text = readFileSync(FILE, 'utf8').split('\n').filter(Boolean)
  return text.map(line => {
    const [finding, what, rows] = line.split(' | ') as [string, string, string]
    return { finding, what, rows: rows.split(', ') }
  })
}

/** Finding by cell. */
export function known(): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const { finding, what, rows } of lines())
    for (const row of rows) found.set(`${row}: ${what}`, finding)
  return found
}

/** What is not as it was known to be. */
export function surprises(outcomes: readonly Outcome[]): Outcome[] {
  const red = known()
  return outcomes.filter(({ cell, wrong }) => (wrong !== undefined) !== red.has(cell.id))
}

/** Takes off the list what is green. */
export function shrink(outcomes: readonly Outcome[]): void {
  const green = new Set(outcomes.flatMap(({ cell, wrong }) => (wrong === undefined ? cell.id : [])))
  const left = lines().flatMap(({ finding, what, rows }) => {
    const red = rows.filter(row => !green.has(`${row}: ${what}`))
    return red.length === 0 ? [] : [`${finding} | ${what} | ${red.join(', ')}\n`]
  })
  writeFileSync(FILE, left.join(''))
}
