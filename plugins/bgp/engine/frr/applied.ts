// The configuration that the daemons have, written down so that the next agent knows it: what is
// being applied is written before, and what is applied after. Who finds both does not know what the
// daemons have, and gives all of it. test/lab/bgp-engine.test.ts holds it.

import { type Clock, fail } from '../../../../src/control.ts'
import type { SpeakerConfig, WatchedNeighbour } from '../engine.ts'
import type { PlaceFiles } from '../place/files.ts'
import { configure } from './configure.ts'
import type { DaemonName, Daemons } from './daemons.ts'
import { announces, GuardFile, withdrawal } from './guard.ts'
import { difference, fileOf, type Line } from './lines.ts'
import { type Configurations, configurations } from './render.ts'
import type { Installation } from './version.ts'

const File = { applied: 'applied', applying: 'applying' } as const
const none: Configurations = { bgpd: [], bfdd: [] }

/** What it is made of. */
export interface AppliedParts {
  readonly files: PlaceFiles
  readonly installation: Installation
  readonly clock: Clock
  readonly daemons: Daemons
}

/** Of one speaker. */
export class AppliedConfig {
  readonly #parts: AppliedParts
  #applied: Configurations = none
  #isUnsure = false // what is in #applied may be there, or not

  constructor(parts: AppliedParts) {
    this.#parts = parts
  }

  /** Reads what an earlier agent has applied; before daemons start, as they read theirs. */
  read(): void {
    const { files } = this.#parts
    const [applied, applying] = [File.applied, File.applying].map(name => parsed(files.read(name)))
    this.#applied = merged(applied ?? none, applying ?? none)
    this.#isUnsure = applying !== null && applying !== undefined
    if (applied === null && applying === null) this.#give(none)
  }

  /** Brings the daemons there; rejects with UNAVAILABLE, and then the next one gives all. */
  async apply(config: SpeakerConfig | null, watched: readonly WatchedNeighbour[]): Promise<void> {
    const { files } = this.#parts
    const next = configurations(config, watched)
    const before = this.#withoutWithdrawn()
    files.write(File.applying, JSON.stringify(next))
    const both = merged(before, next)
    files.write(GuardFile.commands, withdrawal([...both.bfdd, ...both.bgpd]))
    this.#give(next)
    const isUnsure = this.#isUnsure
    this.#isUnsure = true
    this.#applied = both
    await this.#configure('bfdd', difference(before.bfdd, next.bfdd, isUnsure), false)
    await this.#configure('bgpd', difference(before.bgpd, next.bgpd, isUnsure))
    await this.#configure('bfdd', difference(before.bfdd, next.bfdd, isUnsure), true)
    files.write(File.applied, JSON.stringify(next))
    files.remove(File.applying)
    this.#applied = next
    this.#isUnsure = false
  }

  // The guard may have taken back what is announced.
  #withoutWithdrawn(): Configurations {
    const { files } = this.#parts
    if (!files.has(GuardFile.withdrawn)) return this.#applied
    files.remove(GuardFile.withdrawn)
    const { bgpd, bfdd } = this.#applied
    const stays = (line: Line): boolean => !announces(line)
    return { bgpd: bgpd.filter(stays), bfdd: bfdd.filter(stays) }
  }

  #give({ bgpd, bfdd }: Configurations): void {
    const { files, installation } = this.#parts
    files.give('bgpd.conf', fileOf(bgpd), installation.gid)
    files.give('bfdd.conf', fileOf(bfdd), installation.gid)
  }

  // What comes in, or with `isUndo` what goes out; left out: both.
  #configure(
    name: DaemonName,
    all: readonly ReturnType<typeof difference>[number][],
    isUndo?: boolean
  ): Promise<void> {
    const { clock, daemons } = this.#parts
    const commands = all.filter(each => isUndo === undefined || each.isUndo === isUndo)
    return configure(daemons.vtyOf(name), clock, commands)
  }
}

// Of the second, and of the first what the second does not settle.
function merged(first: Configurations, second: Configurations): Configurations {
  const of = (name: keyof Configurations): Line[] => [
    ...new Map([...first[name], ...second[name]].map(line => [line.key, line])).values()
  ]
  return { bgpd: of('bgpd'), bfdd: of('bfdd') }
}

function parsed(text: string | null): Configurations | null {
  if (text === null) return null
  try {
    return JSON.parse(text) as Configurations
  } catch (error) {
    throw fail('UNAVAILABLE', { what: 'what was applied', reason: 'it cannot be read' }, error)
  }
}
