// Which devices are to be brought up to date, and when: at once, or once for all that was taken in
// together. A router of thousands of ports names thousands of interests; were it brought up to date
// as each of them comes, it would be read thousands of times. renewals.test.ts holds it.

import type { Slot } from './sweeper.ts'

/** What is done to devices, and told when it is. */
export interface RenewalParts {
  /** Brings a device up to date with the models it named. */
  readonly renew: (slot: Slot) => void
  /** Something has come, changed or gone. */
  readonly changed: () => void
}

/** Devices that wait for the end of what is taken in together. */
export class Renewals {
  readonly #parts: RenewalParts
  #due: Set<Slot> | null = null // null: nothing is taken in together
  #hasChanged = false
  #isClosed = false

  constructor(parts: RenewalParts) {
    this.#parts = parts
  }

  /** Something came for these devices. */
  add(slots: Iterable<Slot>): void {
    if (this.#isClosed) return
    if (this.#due === null) {
      for (const slot of slots) this.#parts.renew(slot)
      this.#parts.changed()
      return
    }
    for (const slot of slots) this.#due.add(slot)
    this.#hasChanged = true
  }

  /** Somebody is about to use the device: it cannot wait. */
  beforeUse(slot: Slot): void {
    if (this.#due?.delete(slot) === true) this.#parts.renew(slot)
  }

  /** Nothing is brought up to date any more: a device would begin what nobody ends. */
  close(): void {
    this.#isClosed = true
    this.#due?.clear()
    this.#hasChanged = false
  }

  /** Devices hear at the end of the work, once, of all that it brings. */
  together(work: () => void): void {
    if (this.#due !== null) return work()
    this.#due = new Set()
    try {
      work()
    } finally {
      const due = this.#due
      const { renew, changed } = this.#parts
      this.#due = null
      for (const slot of due) renew(slot)
      if (this.#hasChanged) changed()
      this.#hasChanged = false
    }
  }
}
