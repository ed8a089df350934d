// `npm run matrix [-- --filter WORDS] [--json] [--datapath memory|ebpf]`: plays the cells and
// prints a table of them, green of all; of each red cell its configuration, what was sent, what
// came out, and what is right by which RFC.  Ends with status 1 when a cell is red.
//
//   npm run matrix -- --filter 'v6 snat ports too big'    cells whose names have all of these words

import { optionsOf } from '../options.ts'
import { type Cell, cells } from './cells.ts'
import { type Outcome, play, tell } from './play.ts'
import { table } from './table.ts'

const TOLD_MAX = 20 // red cells of which all is told
const say = (text: string): void => void process.stdout.write(`${text}\n`)

function refuse(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}

function chosen(filter: string): Cell[] {
  const words = filter.split(/\s+/).filter(Boolean)
  const found = cells().filter(({ id }) => words.every(word => id.includes(word)))
  if (found.length === 0) refuse(`no cell has all of ${JSON.stringify(words)} in its name`)
  return found
}

async function played(list: Cell[], datapath: string): Promise<Outcome[]> {
  if (datapath === 'memory') return play(list)
  if (datapath !== 'ebpf') refuse(`--datapath is ${datapath}; expected memory or ebpf`)
  const { KernelGround } = await import('../lab/matrix-ground.ts')
  const ground = await KernelGround.open()
  try {
    return play(list, ground.world)
  } finally {
    ground.close()
  }
}

function print(outcomes: readonly Outcome[]): void {
  const red = outcomes.filter(({ wrong }) => wrong !== undefined)
  for (const each of red.slice(0, TOLD_MAX)) say(`${tell(each)}\n`)
  if (red.length > TOLD_MAX) say(`and ${red.length - TOLD_MAX} more; --filter shows others\n`)
  say(table(outcomes))
}

const { flags, texts } = optionsOf(['json'], {}, false, {
  filter: '',
  datapath: 'memory'
})
const outcomes = await played(chosen(texts.filter), texts.datapath)
if (flags.json)
  for (const { cell, wrong } of outcomes)
    say(JSON.stringify({ id: cell.id, green: wrong === undefined, wrong, why: cell.why }))
else print(outcomes)
process.exitCode = outcomes.some(({ wrong }) => wrong !== undefined) ? 1 : 0
