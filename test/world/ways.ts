// By which ports the packets of each connection have gone, as walks say, and not as hosts tell one
// another: the host of a port may hold the record of what has left by it, though the record does
// not name that port (docs/flow-state.md, Invariants).  Flows that are there do not say it all: a
// SYN makes none, and a route that changes takes them away.  test/oracle/found.test.ts holds it.

import type { Host } from '../../src/host/host.ts'
import type { SimulationContext } from '../../src/simulation/context.ts'
import { KEY_WORDS, RECORD_WORDS } from '../../src/state/record.ts'

/** The ports that packets of each connection have entered and left by, on any host. */
export class Ways {
  readonly #ports = new Map<string, Set<number>>() // their numbers, by key A
  readonly #record = new Int32Array(RECORD_WORDS)

  /** From now on, walks of this host count. */
  watch({ replication: { flowState } }: Host): void {
    const { conclude, links } = flowState
    flowState.conclude = (ctx, verdict) => {
      const outcome = conclude.call(flowState, ctx, verdict)
      this.#note(ctx)
      return outcome
    }
    flowState.links = ctx => {
      this.#note(ctx)
      return links.call(flowState, ctx)
    }
  }

  /** Numbers of the ports that packets of a connection have gone by; `key`: `keyOf` its record. */
  of(key: string): ReadonlySet<number> {
    return this.#ports.get(key) ?? new Set()
  }

  #note(ctx: SimulationContext): void {
    const { state, outcome, entryPort, refusedBy } = ctx
    if (ctx.isOnlyAbout) return
    const ports = [entryPort, refusedBy, ...outcome.outPorts].flatMap(port => port?.number ?? [])
    for (const handle of state.refs.subarray(0, state.refCount)) {
      if (!state.table.read(handle >>> 1, this.#record)) continue
      const key = keyOf(this.#record)
      const known = this.#ports.get(key)
      if (known === undefined) this.#ports.set(key, new Set(ports))
      else for (const port of ports) known.add(port)
    }
  }
}

/** What tells a record from others, wherever it is held: its key A. */
export const keyOf = (record: Int32Array): string => record.subarray(0, KEY_WORDS).join()
