// What the main thread and a packet thread say to each other.  Plain data; one post a turn carries
// a list of them, so that learning ten thousand addresses is not ten thousand posts.

import type { CountersSnapshot } from '../core/counters.ts'
import type { DatapathDebug } from '../datapath/decorators/decorate.ts'
import type { PuntRules } from '../datapath/punt.ts'
import type { LeaseAsked } from '../host/lease-client.ts'
import type { MaintenanceSettings } from '../host/packets/maintenance.ts'
import type { BindingRules } from '../host/ports/bindable.ts'
import type { Interface } from '../host/ports/interface.ts'
import type { StateFilter } from '../host/show/state-list.ts'
import type { ExchangeSettings } from '../state/exchange/exchange.ts'
import type { SavedBatch } from '../state/storage/store.ts'
import type { Timeouts } from '../state/timeouts.ts'
import type { Assembly } from '../topology/assembly/assembly.ts'
import type { Interest } from '../topology/interest.ts'
import type { TableEvent, WatchEvent } from '../topology/store.ts'
import type { PluginPlace } from './plugins.ts'

/** What the main thread says to a packet thread. */
export type ToThread =
  | {
      readonly is: 'events'
      readonly key: string
      readonly events: readonly WatchEvent[]
      readonly ready: boolean
    }
  | {
      readonly is: 'table'
      readonly name: string
      readonly events: readonly TableEvent[]
      readonly ready: boolean
    }
  | { readonly is: 'unwanted'; readonly interest: Interest }
  | { readonly is: 'written'; readonly name: string; readonly key: string }
  | { readonly is: 'state-key'; readonly key: Uint8Array }
  // What was kept of a port's flow state, as encodeRecords wrote it; none when it is away.
  | { readonly is: 'loaded'; readonly port: number; readonly saved: readonly Uint8Array[] }
  | { readonly is: 'leased'; readonly pool: string; readonly block: number | undefined }
  | { readonly is: 'lease-lost'; readonly pool: string; readonly block: number }
  | { readonly is: 'leases-lost' }
  | { readonly is: 'call'; readonly id: number; readonly call: Call }
  | { readonly is: 'frame'; readonly interface: string; readonly frame: Uint8Array }
  | {
      readonly is: 'tunnelled'
      readonly key: number
      readonly src: number
      readonly frame: Uint8Array
    }

/** What a packet thread says to the main thread. */
export type FromThread =
  | { readonly is: 'want'; readonly interest: Interest }
  | { readonly is: 'unwant'; readonly interest: Interest }
  | { readonly is: 'put'; readonly table: string; readonly key: string; readonly value: string }
  | { readonly is: 'remove'; readonly table: string; readonly key: string }
  | { readonly is: 'save'; readonly batches: readonly SavedBatch[] }
  | { readonly is: 'forget'; readonly port: number }
  | { readonly is: 'load'; readonly port: number }
  | { readonly is: 'lease'; readonly asked: LeaseAsked }
  | { readonly is: 'release'; readonly pool: string; readonly block: number }
  | { readonly is: 'started' }
  | { readonly is: 'counters'; readonly snapshot: CountersSnapshot }
  | { readonly is: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly is: 'failure'; readonly id: number; readonly reason: string }
  | { readonly is: 'frame'; readonly interface: string; readonly frame: Uint8Array }
  | {
      readonly is: 'tunnelled'
      readonly remote: number
      readonly key: number
      readonly src: number
      readonly frame: Uint8Array
    }

/** What a packet thread is asked, and answers by the number of the question. */
export type Call =
  | { readonly name: 'flows'; readonly limit: number }
  | { readonly name: 'trace'; readonly port: string; readonly frame: Uint8Array }
  | { readonly name: 'interfaces' }
  | { readonly name: 'state'; readonly limit: number; readonly filter: StateFilter }
  | { readonly name: 'peers' }
  | { readonly name: 'status' }
  | { readonly name: 'counters' }
  | { readonly name: 'punt'; readonly port: string; readonly rules: PuntRules | null }
  | { readonly name: 'stop'; readonly keep: boolean }

/** An interface, and why it may not be bound; null: it may. */
export interface AgentStatus {
  /** Flows adopted and not yet looked at. */
  readonly unconfirmed: number
  /** Ports bound here, and up. */
  readonly bound: number
  /** Ports that are up, by host, of the hosts of which it has met a port. */
  readonly active: Readonly<Record<string, number>>
  /** Ports whose first walk is still being prepared. */
  readonly dryRuns: number
}

/** An interface, and whether it may be bound. */
export interface JudgedInterface extends Interface {
  /** Why it may not be; null: it may. */
  readonly refusal: string | null
}

/** Settings of the datapath in the kernel. */
export interface KernelSettings {
  /** Which one these are for. */
  readonly kind: 'ebpf'
  /** Path of the namespace the thread enters. */
  readonly netns: string | null
  /** Bpffs directory; null: nothing outlives the process. */
  readonly pins: string | null
  /** Flows at once. */
  readonly flowsMax: number
  /** Upcalls under way for each port. */
  readonly creditsPerPort: number
}

/** Settings of the datapath without a kernel. */
export interface MemorySettings {
  /** Which one these are for. */
  readonly kind: 'memory'
  /** Underlay address. */
  readonly address: string
  /** Names of the interfaces that there are. */
  readonly interfaces: readonly string[]
  /** Flows at once. */
  readonly flowsMax: number
  /** Upcalls under way for each port. */
  readonly creditsPerPort: number
}

/** How a packet thread keeps flow state and shares it. */
export interface StateSettings {
  /** Records of a host. */
  readonly connectionsMax: number
  /** 0: as many as there is room for. */
  readonly connectionsPerPort: number
  readonly timeouts: Timeouts
  /** How long things of the exchange may take. */
  readonly exchange: ExchangeSettings
  /** The main thread has a store for it. */
  readonly isKept: boolean
  /** For tests: of the messages sent, beside a kernel. */
  readonly lossPerMille?: number
}

/** What a packet thread is started with. */
export interface ThreadSettings {
  /** Id of the host. */
  readonly host: string
  /** Which interfaces may be bound. */
  readonly bindings: BindingRules
  /** The store's session, which owns what the thread writes to shared tables. */
  readonly session: string
  /** Which datapath, and its settings. */
  readonly datapath: KernelSettings | MemorySettings
  /** undefined: nothing around the datapath. */
  readonly debug?: DatapathDebug
  /** Name → settings. */
  readonly plugins: Readonly<Record<string, Record<string, unknown>>>
  /** Of those, where each is. */
  readonly places: readonly PluginPlace[]
  readonly assembly: Assembly
  /** How often flows are looked at. */
  readonly maintenance: Partial<MaintenanceSettings>
  /** Settings of flow state. */
  readonly state: StateSettings
  /** What is logged. */
  readonly logLevel: string
}
