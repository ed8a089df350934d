// What a plugin declares as data, in its `resources.ts`: of all plugins together the store, the
// API, the command line and the docs are made. The core knows no device by name; what it has to
// know of one is said here.

import type { TObject, TSchema } from 'typebox'
import type { Completing, Fault, Model, Stored } from '../model.ts'

/** What the core has to know of a kind of devices; its model is among the plugin's `models`. */
export interface DeviceKind {
  /** Kind of its model, and of its devices in a packet thread. */
  readonly kind: string
  /**
   * What an interface is that one of its ports is bound to: `uplink` carries the traffic of many
   * out of the network, `vm` (the default) that of one station.
   */
  readonly portClass?: 'vm' | 'uplink'
  /** What its ports have beside what all ports have. */
  readonly port?: PortPart
}

/** What ports of one kind of devices have beside what all ports have. */
export interface PortPart {
  /** Each optional. Those of `portFields` are compiled for the walk; others are `Port.own`. */
  readonly fields: Readonly<Record<string, TSchema>>
  /** Faults the schema cannot say. Called with the whole port. */
  readonly validate?: (port: Stored) => readonly Fault[]
  /** What a new port gets where its body is silent, beside what it says. */
  readonly complete?: (port: Stored, given: Completing) => Readonly<Record<string, unknown>>
}

/** A kind of devices that are services (`Service`): ports name one each in a field. */
export interface ServiceKind {
  /** Kind of its model, and of its devices in a packet thread. */
  readonly kind: string
  /** Of ports: holds the id of the service that sits there. */
  readonly portField: string
  /** For people. */
  readonly description?: string
}

/** A kind of flow state: numbers are given out when plugins are put together (`StateKinds`). */
export interface StateKindPart {
  /** Of all plugins' kinds; `state.<name>` counts its records. */
  readonly name: string
  /**
   * Of records that are memories and stand for no connection: how long one outlives its last
   * use, seconds, by default; the setting is `state.timeouts.<name>S`. Left out: as the protocol
   * says.
   */
  readonly idleS?: number
  /** Of that setting. */
  readonly description?: string
}

/**
 * An action of rules, beside those that the plugin of rules has itself. What it does is registered
 * with that plugin's token, in `index.ts`.
 */
export interface RuleActionPart {
  /** The value of the rule's `action`. */
  readonly name: string
  /** Fields that rules with this action have, each optional; actions may share one. */
  readonly fields?: Readonly<Record<string, TSchema>>
  /** Faults the schema cannot say. Called with the whole rule. */
  readonly validate?: (rule: Stored) => readonly Fault[]
  /** It looks into packets as wholes: later fragments answer for the ports of the first. */
  readonly isWhole?: boolean
}

/** A command: `mezzo NOUN VERB [HOST]` asks a route of the plugin's control side and shows it. */
export interface CommandPart {
  /** No kind of object. */
  readonly noun: string
  /** What is asked. */
  readonly verb: string
  /** A sentence for the help. */
  readonly summary: string
  /** Of the GET route, below `/hosts/{id}/<plugin>`. */
  readonly path: string
}

/** All that is declared, for models that depend on what others declare. */
export interface Declared {
  readonly deviceKinds: readonly DeviceKind[]
  /** Kinds of records that plugins declare, in the order of their numbers. */
  readonly stateKinds: readonly StateKindPart[]
  /** Actions of rules that plugins declare. */
  readonly ruleActions: readonly RuleActionPart[]
  readonly serviceKinds: readonly ServiceKind[]
}

/** What a plugin declares as data: for store, API, command line and documents. */
export interface Resources {
  /** Where the plugin is, a URL that ends in `/`; whoever loads it writes it. */
  readonly folder?: string
  /** The plugin's: that of its folder. */
  readonly name: string
  /** Its models; a function where they depend on what other plugins declare. */
  readonly resources?: readonly Model[] | ((all: Declared) => readonly Model[])
  /** Its section of the configuration, `plugins.<name>`: made by `section`. */
  readonly settings?: TObject
  readonly deviceKinds?: readonly DeviceKind[]
  /** Kinds of records that the plugin leaves in flow state. */
  readonly stateKinds?: readonly StateKindPart[]
  /** Actions of rules that the plugin brings. */
  readonly ruleActions?: readonly RuleActionPart[]
  readonly serviceKinds?: readonly ServiceKind[]
  /** What the command line may ask its control side. */
  readonly commands?: readonly CommandPart[]
  /** Kind of the devices that filter at ports: `inFilter`, `outFilter`. One plugin has them. */
  readonly filterKind?: string
}
