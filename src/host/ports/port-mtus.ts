// How large a packet each port's interface takes.  Every host says so of its own, in a shared table
// of its own, `mtu/<host>`: the walk is done where a packet comes in, and there it must be known
// what fits where it will go out, whichever host that is. test/mtu.test.ts holds it.

import { limit } from '../../flow/size.ts'
import { egressTag } from '../../flow/tag.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import type { Table } from '../../topology/tables/table.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'

/** Shared table of a host: port to bytes. */
export const mtuTable = (host: string): string => `mtu/${host}`

/** How large a packet each port's interface takes, on whichever host. */
export class PortMtus {
  readonly #view: TopologyView
  readonly #events: HostEvents
  readonly #host: string
  readonly #ours = new Map<PortId, number>()
  readonly #tables = new Map<string, Table>() // by host

  constructor(view: TopologyView, events: HostEvents, host: string) {
    this.#view = view
    this.#events = events
    this.#host = host
  }

  /** Of a port of ours; 0: nobody has said. */
  of(port: PortId): number {
    return this.#ours.get(port) ?? 0
  }

  /** Of a port, as the host says that has it; 0: it has not. */
  elsewhere({ id, host }: Port): number {
    const own = this.#ours.get(id)
    if (own !== undefined || host === null) return own ?? 0
    return limit(Number(this.#of(host).get(id) ?? 0))
  }

  /** The interface of a port of this host has this MTU. */
  put(port: PortId, mtu: number): void {
    const known = limit(mtu)
    if (this.#ours.get(port) === known) return
    this.#ours.set(port, known)
    this.#of(this.#host).put(port, String(known))
    this.#events.outdate([egressTag(port)])
  }

  /** The others are bound here no longer: whoever has them now speaks for them. */
  keep(bound: ReadonlySet<PortId>): void {
    for (const port of this.#ours.keys()) {
      if (bound.has(port)) continue
      this.#ours.delete(port)
      this.#of(this.#host).remove(port)
      this.#events.outdate([egressTag(port)])
    }
  }

  // Asked for when a port of the host is met.
  #of(host: string): Table {
    const known = this.#tables.get(host)
    if (known !== undefined) return known
    const table = this.#view.table(mtuTable(host))
    this.#tables.set(host, table)
    table.onChange(port => {
      if (!this.#ours.has(port)) this.#events.outdate([egressTag(port)])
    })
    return table
  }
}
