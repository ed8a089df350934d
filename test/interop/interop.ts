// `npm run interop [-- --filter WORDS] [--at-once N] [--json]`: our engine of BGP against each kind
// of router outside, in namespaces, and a table of what was seen. Ends with status 1 when a cell
// is not green; what a kind cannot have by its own nature is shown as –, with the reason.
//
//   npm run interop -- --filter 'BIRD v6'    cells whose names have all of these words

import { Lab } from '../../src/lab/index.ts'
import { optionsOf } from '../options.ts'
import { type Cell, cellsOf, kinds, nameOf, type Outcome, openSite, playAll } from './grid.ts'
import { table } from './table.ts'

const AT_ONCE = 4 // most of a cell is waiting

function refuse(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}

function chosen(filter: string): Cell[] {
  const words = filter.split(/\s+/).filter(Boolean)
  const found = cellsOf(kinds).filter(cell => words.every(word => nameOf(cell).includes(word)))
  if (found.length === 0) refuse(`no cell has all of ${JSON.stringify(words)} in its name`)
  return found
}

const { flags, numbers, texts } = optionsOf(['json'], { 'at-once': AT_ONCE }, false, { filter: '' })
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const tell = ({ cell, state, text }: Outcome): void =>
  flags.json
    ? say(JSON.stringify({ cell: nameOf(cell), state, text }))
    : say(`${nameOf(cell)}: ${state === 'green' ? text : `${state}: ${text}`}`)

const cells = chosen(texts.filter)
const reason = Lab.available()
if (reason !== null) refuse(`no lab: ${reason}`)
const site = await openSite('mz-interop')
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void site.close().finally(() => process.exit(1)))
try {
  const outcomes = await playAll(site, cells, Math.ceil(numbers['at-once']), tell)
  const present = kinds.filter(kind => kind.missing() === undefined)
  const versions = await Promise.all(present.map(async kind => [kind.name, await kind.version()]))
  if (!flags.json) say(`\n${table(outcomes, Object.fromEntries(versions))}`)
  process.exitCode = outcomes.some(({ state }) => state === 'red') ? 1 : 0
} finally {
  await site.close()
}
