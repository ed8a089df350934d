// Two checkouts, side by side: a commit is checked out below ~/.cache and set up by its own
// setup.mjs; then each figure is taken here and there in turn, in the order here-there, there-here,
// so that a machine that drifts drifts for both.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { median } from '../../src/lab/index.ts'
import type { Figures } from './figures.ts'

const here = join(import.meta.dirname, '..', '..')
const BENCH = join('test', 'bench', 'bench.ts')

export interface Compared {
  /** Medians of the rounds. */
  readonly here: number
  readonly there: number
  /** Median, smallest and largest of here / there of each round. */
  readonly ratio: readonly [number, number, number]
}

/** Checks the commit out and sets it up; gives its folder. Throws where git or its setup fail. */
export function checkOut(commit: string, say: (line: string) => void): string {
  const found = git(['rev-parse', '--verify', '--quiet', `${commit}^{commit}`])
  if (found === '') throw new Error(`${commit} is no commit of this repository`)
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const folder = join(cache, 'mezzo', 'against', found)
  if (!existsSync(join(folder, 'package.json'))) {
    mkdirSync(folder, { recursive: true })
    say(`checking ${commit} out`)
    git(['clone', '--quiet', '--shared', '--no-checkout', here, folder])
    git(['-C', folder, 'checkout', '--quiet', '--detach', found])
  }
  say(`setting ${commit} up`)
  const setup = spawnSync(process.execPath, ['setup.mjs', '--lab'], { cwd: folder })
  if (setup.status !== 0) throw new Error(`setup of ${commit}: ${setup.stderr}`)
  return folder
}

function git(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: here, encoding: 'utf8' })
  if (status !== 0 && args[0] !== 'rev-parse') throw new Error(`git ${args[0]}: ${stderr}`)
  return stdout.trim()
}

/** A benchmark in turns; a figure that only one of the two has is left out. */
export async function compare(
  name: string,
  there: string,
  rounds: number,
  seconds: number
): Promise<Record<string, Compared>> {
  const taken: { here: Figures; there: Figures }[] = []
  for (let i = 0; i < rounds; i++) {
    const order = i % 2 === 0 ? [here, there] : [there, here]
    const figures: Figures[] = []
    for (const folder of order) figures.push(await run(folder, name, seconds))
    if (i % 2 !== 0) figures.reverse()
    taken.push({ here: figures[0]!, there: figures[1]! })
  }
  const names = Object.keys(taken[0]?.here ?? {})
  return Object.fromEntries(
    names
      .filter(figure => taken.every(each => each.here[figure]! > 0 && each.there[figure]! > 0))
      .map(figure => [figure, compared(taken.map(t => [t.here[figure]!, t.there[figure]!]))])
  )
}

function compared(pairs: readonly (readonly [number, number])[]): Compared {
  const ratios = pairs.map(([a, b]) => a / b)
  return {
    here: median(pairs.map(([a]) => a))!,
    there: median(pairs.map(([, b]) => b))!,
    ratio: [median(ratios)!, Math.min(...ratios), Math.max(...ratios)]
  }
}

function run(folder: string, name: string, seconds: number): Promise<Figures> {
  const args = [BENCH, name, '--json', '--rounds', '1', '--seconds', String(seconds)]
  const node = join(folder, 'node_modules', '.bin', 'node')
  return new Promise((done, failed) => {
    const child = spawn(node, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', chunk => (said += chunk))
    child.on('error', failed)
    child.on('close', status => {
      if (status === 0) done(JSON.parse(said.trim().split('\n').at(-1)!) as Figures)
      else failed(new Error(`${name} in ${folder} ended with status ${status}`))
    })
  })
}
