// How large a packet each port's interface takes.  Every host says so of its own, in the shared
// table `mtu/<port>`: the walk is done where a packet comes in, and there it must be known what
// fits where it will go out, whichever host that is. test/mtu.test.ts holds it.

import { limit } from '../../flow/size.ts'
import { egressTag } from '../../flow/tag.ts'
import type { PortId } from '../../simulation/device.ts'
import type { Table } from '../../topology/tables/table.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'

/** Shared table: port to bytes. */
export const MTU_TABLE = 'mtu'

/** How large a packet each port's interface takes, on whichever host. */
export class PortMtus {
  readonly #table: Table
  readonly #ours = new Map<PortId, number>()
  readonly #events: HostEvents

  constructor(view: TopologyView, events: HostEvents) {
    this.#table = view.table(MTU_TABLE)
    this.#events = events
    this.#table.onChange(port => {
      if (!this.#ours.has(port)) events.outdate([egressTag(port)])
    })
  }

  /** 0: its host has not said. */
  of(port: PortId): number {
    return this.#ours.get(port) ?? limit(Number(this.#table.get(port) ?? 0))
  }

  /** The interface of a port of this host has this MTU. */
  put(port: PortId, mtu: number): void {
    const known = limit(mtu)
    if (this.#ours.get(port) === known) return
    this.#ours.set(port, known)
    this.#table.put(port, String(known))
    this.#events.outdate([egressTag(port)])
  }

  /** The others are bound here no longer: whoever has them now speaks for them. */
  keep(bound: ReadonlySet<PortId>): void {
    for (const port of this.#ours.keys()) {
      if (bound.has(port)) continue
      this.#ours.delete(port)
      this.#table.remove(port)
      this.#events.outdate([egressTag(port)])
    }
  }
}
