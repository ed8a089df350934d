// What a host of the world keeps of its flow state for the agent after this one.

import type { Clock } from '../../src/core/clock.ts'
import type { Host } from '../../src/host/host.ts'
import { restore } from '../../src/state/storage/recollection.ts'
import { StateSaver } from '../../src/state/storage/saver.ts'
import type { SavedBatch } from '../../src/state/storage/store.ts'
import type { StateTable } from '../../src/state/table.ts'
import type { Timeouts } from '../../src/state/timeouts.ts'

export class WorldJournal {
  readonly #clock: Clock
  #saved: SavedBatch[] = []

  readonly #delayMs: number

  constructor(clock: Clock, delayMs = 0) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  /** Of one agent; what a dead one had not yet given is lost. */
  saver(isHere: () => boolean): StateSaver {
    return new StateSaver({
      clock: this.#clock,
      save: batches => {
        if (isHere()) this.#saved.push(...batches)
      },
      forget: port => {
        this.#saved = this.#saved.filter(batch => batch.port !== port)
      }
    })
  }

  forgetAll(): void {
    this.#saved = []
  }

  /** `host`: undefined once the agent that asked is gone. */
  load(port: number, table: StateTable, timeouts: Timeouts, host: () => Host | undefined): void {
    this.#clock.after(this.#delayMs, () => {
      const asker = host()
      if (asker === undefined) return
      const saved = this.#saved.filter(batch => batch.port === port).map(({ bytes }) => bytes)
      const hashes = restore(table, saved, this.#clock.wall(), { timeouts })
      asker.replication.imported(hashes)
      asker.replication.handover.loaded(port)
    })
  }
}
