// Plays cells in an order that opens each world once, and tells of each what was wrong with it.

import type { Cell } from './cells.ts'
import { CONFIGS, configText, PLACES } from './network.ts'
import { type GroundOf, Stage, Wrong } from './stage.ts'

export interface Outcome {
  readonly cell: Cell
  readonly wrong: string | undefined // undefined: it is green
}

export function play(cells: readonly Cell[], ground?: GroundOf): Outcome[] {
  const outcomes: Outcome[] = []
  for (const place of PLACES) {
    const here = cells.filter(cell => cell.place === place)
    if (here.length === 0) continue
    const stage = new Stage(place, ground)
    try {
      for (const cell of here.sort((a, b) => orderOf(a) - orderOf(b)))
        outcomes.push({ cell, wrong: playOne(stage, cell) })
    } finally {
      stage.close()
    }
  }
  return outcomes
}

// What takes longest to change is changed least.
function orderOf({ narrow, config }: Cell): number {
  const wire = narrow === undefined ? 0 : Number(narrow.machine.port.slice(1)) * 65_536 + narrow.mtu
  return wire * CONFIGS.length + CONFIGS.indexOf(config)
}

function playOne(stage: Stage, cell: Cell): string | undefined {
  stage.story.length = 0
  try {
    stage.narrow(cell.narrow?.machine, cell.narrow?.mtu)
    stage.use(cell.config)
    cell.play(stage)
    return undefined
  } catch (error) {
    const told = error instanceof Wrong ? error.message : `${(error as Error).stack}`
    return [...stage.story, told].join('\n')
  }
}

/** What a red cell tells. */
export function tell({ cell, wrong }: Outcome): string {
  const { id, narrow, why } = cell
  const wire =
    narrow === undefined ? '' : ` (the wire of ${narrow.machine.port} takes ${narrow.mtu} bytes)`
  return [`${id}${wire}`, ...configText(cell.config), wrong ?? 'green', `  by ${why}`].join('\n')
}
