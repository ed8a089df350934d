// The cells: every combination of address family, configuration, and what is played in it.

import type { Family } from './bytes.ts'
import { doubtfulCells } from './doubtful.ts'
import { errorCells } from './errors.ts'
import { formCells } from './forms.ts'
import { fragmentCells } from './fragments.ts'
import { CONFIGS, type Config, type Machine, type Place } from './network.ts'
import { sizeCells } from './sizes.ts'
import type { Stage } from './stage.ts'

export interface Cell {
  readonly id: string
  readonly group: string // a column of the table
  readonly family: Family
  readonly config: Config
  readonly place: Place
  readonly narrow?: { readonly machine: Machine; readonly mtu: number }
  readonly why: string // by which RFC it is right
  readonly play: (stage: Stage) => void // throws what is wrong
}

/** A cell without what its row says. */
export type Part = Omit<Cell, 'family' | 'config' | 'id'> & { readonly name: string }

export const rowOf = ({ family, config }: Pick<Cell, 'family' | 'config'>): string =>
  `v${family} ${config.way}${config.asks ? ' ports' : ''}`

export function cells(): Cell[] {
  const all: Cell[] = []
  for (const family of [4, 6] as const)
    for (const config of CONFIGS)
      for (const make of [formCells, errorCells, doubtfulCells, fragmentCells, sizeCells])
        for (const { name, ...part } of make(family, config))
          all.push({
            ...{ ...part, family, config },
            id: `${rowOf({ family, config })}: ${part.group}, ${part.place}, ${name}`
          })
  return all
}
