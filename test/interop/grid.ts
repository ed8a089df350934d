// The cells, and how they are played: some at a time, each on a ground of its own.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Lab } from '../../src/lab/index.ts'
import { CellGround, type Site } from './ground.ts'
import { played } from './play.ts'
import { bird } from './speakers/bird.ts'
import { exabgp } from './speakers/exabgp.ts'
import { frr } from './speakers/frr.ts'
import { gobgp } from './speakers/gobgp.ts'
import { type Family, type Kind, type Show, shows } from './upstream.ts'

export const kinds: readonly Kind[] = [frr, bird, gobgp, exabgp]

/** A field of the grid. */
export interface Cell {
  readonly kind: Kind
  readonly family: Family
  readonly show: Show
}

/** What became of it. */
export interface Outcome {
  readonly cell: Cell
  /** `none`: the kind cannot have it, `text` says why. */
  readonly state: 'green' | 'red' | 'none'
  /** What was seen. */
  readonly text: string
}

export const nameOf = ({ kind, family, show }: Cell): string => `${kind.name} v${family} ${show}`

export const cellsOf = (some: readonly Kind[]): Cell[] =>
  some.flatMap(kind =>
    ([4, 6] as const).flatMap(family => shows.map(show => ({ kind, family, show })))
  )

/** Opens a place for cells; `close` takes all away, what is being played too. */
export async function openSite(prefix: string): Promise<Site & { close(): Promise<void> }> {
  const lab = await Lab.open({ prefix, signals: false })
  const folder = mkdtempSync(join('/run', `${prefix}-`))
  chmodSync(folder, 0o711)
  const grounds = new Set<CellGround>()
  const close = async (): Promise<void> => {
    for (const ground of grounds) await ground.close()
    await lab.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { lab, folder, grounds, close }
}

/** Throws nothing: a cell that fails is red. */
export async function play(site: Site, cell: Cell): Promise<Outcome> {
  const { kind, show } = cell
  const lack = kind.lacks[show]
  if (lack !== undefined) return { cell, state: 'none', text: lack }
  const missing = kind.missing()
  if (missing !== undefined) return { cell, state: 'red', text: missing }
  try {
    return { cell, state: 'green', text: await onGround(site, cell) }
  } catch (error) {
    return { cell, state: 'red', text: error instanceof Error ? error.message : String(error) }
  }
}

async function onGround(site: Site, cell: Cell): Promise<string> {
  const ground = await CellGround.open(site, cell)
  site.grounds.add(ground)
  try {
    return await played[cell.show](ground)
  } finally {
    await ground.close()
    site.grounds.delete(ground)
  }
}

/** In their order, some at a time; `onEach` hears of each as it ends. */
export async function playAll(
  site: Site,
  cells: readonly Cell[],
  atOnce: number,
  onEach: (outcome: Outcome) => void
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const waiting = cells.map((cell, i) => ({ cell, i }))
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      outcomes[next.i] = await play(site, next.cell)
      onEach(outcomes[next.i]!)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return outcomes
}
