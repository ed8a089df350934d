// Which interfaces of a host may be a port's.  All that comes in by a bound interface is taken from
// the host, so those it lives by are refused: the loopback, underlays, our own devices, and what
// the default route leaves by.  Of the others taps and veths may be bound, being made for that;
// whatever else (a network card, a VLAN of one) the settings must name.

import { isReserved } from '../../topology/models.ts'
import { bindingFaultsTable } from '../../topology/ports/port-status.ts'
import type { Table } from '../../topology/tables/table.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { Interface } from './interface.ts'

/** What the settings allow to be bound. */
export interface BindingRules {
  /** For faults that people read. */
  readonly hostName: string
  /** Names, `*` and `?` standing for others: what may be bound beside taps and veths. */
  readonly interfaces: readonly string[]
}

/** What the host knows of an interface beside what it is. */
export interface Standing {
  /** Tunnels go by it. */
  readonly isUnderlay: boolean
  /** It has a default route. */
  readonly leadsOut: () => boolean
}

// Of kernel link types.  macvtap is a tap that sits on a card.
const KINDS = ['veth', 'tun', 'macvtap']

/** Taps and veths only. */
export const ANY_BINDING: BindingRules = { hostName: 'this one', interfaces: [] }

/** Which interfaces may be a port's, and why others may not. */
export class Bindable {
  readonly #named: ReadonlySet<string>
  readonly #patterns: readonly RegExp[]

  constructor({ interfaces }: BindingRules) {
    this.#named = new Set(interfaces)
    this.#patterns = interfaces.map(pattern)
  }

  /** Why an interface may not be bound; undefined: it may. */
  refusal({ name, kind }: Interface, { isUnderlay, leadsOut }: Standing): string | undefined {
    if (kind === 'loopback') return 'it is the loopback'
    if (isReserved(name)) return 'Mezzo itself uses it'
    if (isUnderlay) return 'it is an underlay: tunnels go by it'
    if (this.#named.has(name)) return undefined
    if (!KINDS.includes(kind) && !this.#patterns.some(each => each.test(name))) {
      const what = kind === '' ? 'a network card' : `a ${kind}`
      return `it is ${what}; taps and veths may be bound, and what bindings.interfaces names`
    }
    return leadsOut() ? "the host's default route leaves by it" : undefined
  }
}

const pattern = (glob: string): RegExp => {
  const parts = glob.replace(/[\\^$.+|(){}[\]]/g, '\\$&')
  return new RegExp(`^${parts.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

/** Says of each port that is bound here and not up why it is not, for who looks at it. */
export class BindingFaults {
  readonly #view: TopologyView
  readonly #host: string
  #told: ReadonlyMap<string, string> = new Map()

  constructor(view: TopologyView, host: string) {
    this.#view = view
    this.#host = host
  }

  /** Writes why ports are not bound here, by port; what is fixed goes. */
  tell(faults: ReadonlyMap<string, string>): void {
    if (faults.size === 0 && this.#told.size === 0) return
    const table: Table = this.#view.table(bindingFaultsTable(this.#host))
    for (const [port, why] of faults) if (this.#told.get(port) !== why) table.put(port, why)
    for (const port of this.#told.keys()) if (!faults.has(port)) table.remove(port)
    this.#told = new Map(faults)
  }
}
