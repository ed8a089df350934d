// What a host is given from outside: its datapath, its ways to the other threads, its settings.

import type { Clock } from '../core/clock.ts'
import type { Counters } from '../core/counters.ts'
import type { Log } from '../core/log.ts'
import type { Random } from '../core/random.ts'
import type { Datapath } from '../datapath/datapath.ts'
import type { Plugin } from '../plugin.ts'
import type { Assembly } from '../topology/assembly/assembly.ts'
import type { ViewLink } from '../topology/view.ts'
import type { LeaseLink } from './lease-client.ts'
import type { MaintenanceSettings } from './packets/maintenance.ts'
import type { BindingRules } from './ports/bindable.ts'
import type { InterfaceWatcher } from './ports/interface.ts'
import type { StateParts } from './replication/state-parts.ts'

/** What a host is made of. */
export interface HostParts {
  /** Id. */
  readonly host: string
  readonly plugins: readonly Plugin[]
  /** Of what these plugins, and others, declare. */
  readonly assembly: Assembly
  readonly datapath: Datapath
  readonly watcher: InterfaceWatcher
  readonly link: ViewLink
  /** Without, no plugin gets a lease. */
  readonly leases?: LeaseLink
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly log: Log
  /** By plugin, complete. */
  readonly settings: Readonly<Record<string, Record<string, unknown>>>
  /** How often flows are looked at; what is not named has its default. */
  readonly maintenance?: Partial<MaintenanceSettings>
  /** Where flow state is and with whom it is shared; without, this host alone has it. */
  readonly state?: StateParts
  /** Which interfaces may be bound; default: taps and veths. */
  readonly bindings?: BindingRules
  /** Whether a port's first walk is done without a packet when it is bound. */
  readonly prefetch?: boolean
  /** Memory for a burst; default: Burst.BYTES. */
  readonly burstBytes?: number
}
