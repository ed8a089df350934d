// The configuration that the daemons have, written down so that the next agent knows it: all that
// may be there while it is being applied is written before, and what is applied after. Who finds
// both does not know what the daemons have, and gives all of it; where neither can be read they are
// started again. applied.test.ts and test/lab/bgp-engine.test.ts hold it.

import type { Clock, Log } from '../../../../src/control.ts'
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
  readonly log: Log
  readonly daemons: Daemons
}

/** Of one speaker. */
export class AppliedConfig {
  readonly #parts: AppliedParts
  #applied: Configurations = none
  #isUnsure = false // what is in #applied may be there, or not
  #isUnknown = false // anything may be there

  constructor(parts: AppliedParts) {
    this.#parts = parts
  }

  /** Reads what an earlier agent has applied; before daemons start, as they read theirs. */
  read(): void {
    const { files, log } = this.#parts
    const [applied, applying] = [File.applied, File.applying].map(name => parsed(files.read(name)))
    this.#isUnknown = applied === undefined || applying === undefined
    if (this.#isUnknown) {
      log.warn({ folder: files.folder }, 'what was applied cannot be read: all is applied anew')
      return
    }
    this.#applied = merged(applied ?? none, applying ?? none)
    this.#isUnsure = applying !== null
    if (applied === null && applying === null) this.#give(none)
  }

  /** Brings the daemons there; rejects with UNAVAILABLE, and then the next one gives all. */
  async apply(config: SpeakerConfig | null, watched: readonly WatchedNeighbour[]): Promise<void> {
    const next = configurations(config, watched)
    if (this.#isUnknown) await this.#renew(next)
    else await this.#change(next)
    const { files } = this.#parts
    files.write(File.applied, JSON.stringify(next))
    files.remove(File.applying)
    this.#applied = next
    this.#isUnsure = false
    this.#isUnknown = false
  }

  // What is not known cannot be taken back: daemons that are started again have what is given, and
  // nothing else. Until then the files stay as they are, for the next agent to find.
  async #renew(next: Configurations): Promise<void> {
    const { daemons, files } = this.#parts
    files.write(GuardFile.commands, withdrawal([...next.bfdd, ...next.bgpd]))
    files.remove(GuardFile.withdrawn)
    this.#give(next)
    await daemons.renew()
  }

  async #change(next: Configurations): Promise<void> {
    const { files } = this.#parts
    const isUnsure = this.#isUnsure
    const isWithdrawn = files.has(GuardFile.withdrawn) // the guard has taken back what is announced
    const before = isWithdrawn ? unannounced(this.#applied) : this.#applied
    this.#isUnsure = true
    this.#applied = merged(this.#applied, next)
    files.write(File.applying, JSON.stringify(this.#applied))
    const lines = [...merged(before, next).bfdd, ...before.bgpd, ...next.bgpd]
    files.write(GuardFile.commands, withdrawal(lines))
    files.remove(GuardFile.withdrawn)
    try {
      this.#give(next)
      await this.#bring(before, next, isUnsure)
    } catch (error) {
      if (isWithdrawn) files.write(GuardFile.withdrawn, '') // so it still is
      throw error
    }
  }

  async #bring(before: Configurations, next: Configurations, isUnsure: boolean): Promise<void> {
    await this.#configure('bfdd', difference(before.bfdd, next.bfdd, isUnsure), false)
    await this.#configure('bgpd', difference(before.bgpd, next.bgpd, isUnsure))
    await this.#configure('bfdd', difference(before.bfdd, next.bfdd, isUnsure), true)
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

const unannounced = ({ bgpd, bfdd }: Configurations): Configurations => ({
  bgpd: bgpd.filter(line => !announces(line)),
  bfdd: bfdd.filter(line => !announces(line))
})

// Of the second, and of the first what the second does not settle: who gives it settles the same
// without knowing which of them is there. Only what must be taken back by its own words is kept of
// both.
function merged(first: Configurations, second: Configurations): Configurations {
  const idOf = ({ key, text, isFresh }: Line): string => (isFresh ? `${key}: ${text}` : key)
  const of = (name: keyof Configurations): Line[] => [
    ...new Map([...first[name], ...second[name]].map(line => [idOf(line), line])).values()
  ]
  return { bgpd: of('bgpd'), bfdd: of('bfdd') }
}

// null: there is none; undefined: it cannot be read.
function parsed(text: string | null): Configurations | null | undefined {
  if (text === null) return null
  try {
    const read = JSON.parse(text) as Partial<Configurations> | null
    const isWhole = [read?.bgpd, read?.bfdd].every(
      each => Array.isArray(each) && each.every(isLine)
    )
    return isWhole ? (read as Configurations) : undefined
  } catch {
    return undefined
  }
}

const isLine = (line: Partial<Line> | null): boolean =>
  [line?.key, line?.text, line?.undo].every(each => typeof each === 'string') &&
  Array.isArray(line?.block) &&
  line.block.every(each => typeof each === 'string')
