// Lets go of what no walk has met for a while: devices first, then the interests that nobody names
// any more.  What ports of our own need stays, and so do devices that do something by themselves.
// view.test.ts holds it.

import type { Clock, Timer } from '../core/clock.ts'
import type { Port, PortId } from '../simulation/device.ts'
import type { DeviceFactory, LiveDevice } from './factory.ts'
import type { Interest } from './interest.ts'
import type { Replica, Watched } from './replica.ts'
import type { SharedTable } from './tables/shared-table.ts'

/** The place of a device in the view. */
export interface Slot {
  /** Kind of the device. */
  readonly kind: string
  readonly id: string
  readonly factory: DeviceFactory
  /** Keys of the interests it named. */
  needs: ReadonlySet<string>
  /** Keys of those of the tables that it asked for when it was made or updated. */
  readonly tables: Set<string>
  /** By a walk, since the last sweep. */
  isUsed: boolean
  /** Sweeps without use. */
  idle: number
  /** Undefined: it is loaded; null: it does not exist. */
  device: LiveDevice | null | undefined
}

/** What the view has, and how it hears. */
export interface SweeperParts {
  readonly clock: Clock
  /** Ports that are known here. */
  readonly ports: ReadonlyMap<PortId, Port>
  readonly replica: Replica
  /** By kind, then id. */
  readonly slots: ReadonlyMap<string, Map<string, Slot>>
  /** Who named an interest, by its key. */
  readonly users: Map<string, Set<Slot>>
  /** Keys of interests that others than devices have asked for, for good. */
  readonly pinned: ReadonlySet<string>
  /** Keys of those that are being let go. */
  readonly leaving: Map<string, boolean>
  /** Shared tables that are followed here. */
  readonly tables: ReadonlyMap<string, SharedTable>
  /** Whether a device has a port of this host. */
  readonly isOurs: (device: string) => boolean
  /** A device was let go. */
  readonly gone: (slot: Slot) => void
  /** Tells the store that an interest is not needed any more. */
  readonly unwant: (interest: Interest) => void
}

// Ten minutes.  A flow in use is walked again every minute.
const SWEEP_MS = 60_000
const IDLE_SWEEPS = 10
// Who has asked for a port may not have gone on to its device yet.
const YOUNG_SWEEPS = 2

/** Looks every minute. */
export class Sweeper {
  /** Devices let go so far. */
  letGo = 0
  readonly #parts: SweeperParts
  #timer: Timer

  constructor(parts: SweeperParts) {
    this.#parts = parts
    this.#timer = parts.clock.after(SWEEP_MS, () => this.#sweep())
  }

  /** Nothing is let go any more. */
  close(): void {
    this.#timer.cancel()
  }

  #sweep(): void {
    const { clock, slots, replica, leaving, unwant } = this.#parts
    for (const ofKind of slots.values())
      for (const slot of [...ofKind.values()]) {
        slot.idle = slot.isUsed ? 0 : slot.idle + 1
        slot.isUsed = false
        if (slot.idle >= IDLE_SWEEPS && !this.#isKept(slot)) this.#let(ofKind, slot)
      }
    for (const watched of [...replica.all()]) {
      watched.sweeps++
      if (leaving.has(watched.key) || this.#isNeeded(watched)) continue
      leaving.set(watched.key, false)
      unwant(watched.interest)
    }
    this.#timer = clock.after(SWEEP_MS, () => this.#sweep())
  }

  #isKept({ id, device }: Slot): boolean {
    return device === undefined || device?.isBusy === true || this.#parts.isOurs(id)
  }

  #let(slots: Map<string, Slot>, slot: Slot): void {
    const { users, gone } = this.#parts
    this.letGo++
    slots.delete(slot.id)
    for (const key of [...slot.needs, ...slot.tables]) {
      const others = users.get(key)
      others?.delete(slot)
      if (others?.size === 0) users.delete(key)
    }
    slot.device?.close?.()
    gone(slot)
  }

  // A port that walks ask for is needed as long as the device they go on to.
  #isNeeded({ key, interest, ready, sweeps }: Watched): boolean {
    const { pinned, users, tables, ports, slots } = this.#parts
    if (!ready || pinned.has(key) || (users.get(key)?.size ?? 0) > 0) return true
    if (sweeps <= YOUNG_SWEEPS) return true
    if ('table' in interest) return tables.get(interest.table)?.isWriting === true
    if (!('id' in interest) || interest.kind !== 'port') return false
    const port = ports.get(interest.id)
    return port !== undefined && slots.get(port.kind)?.has(port.device) === true
  }
}
