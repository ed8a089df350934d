// The plugins' door: everything a plugin may import, in one place.  A plugin says what it needs,
// receives it, and registers what it brings.  Nothing is looked up after start.
//
// A plugin has two sides.  `index.ts`, by this door, is alive in every packet worker, where devices
// are.  `resources.ts`, by the other door (resource.ts), is data: its models and settings, of which
// the store, the API, the CLI and the docs are made.  A worker never loads the second.

import type { Running } from './core/lifecycle.ts'
import type { Given, Needs, Token } from './core/token.ts'
import type { DeviceFactory } from './topology/factory.ts'

export { Allowance } from './core/allowance.ts'
export { Clock, type Timer } from './core/clock.ts'
export { Counters } from './core/counters.ts'
export { Log } from './core/log.ts'
export { Random } from './core/random.ts'
export { openTls, type TlsOver } from './core/tls-over.ts'
export { type Token, token } from './core/token.ts'
export { FlowKey, Fragment, VLAN_PRESENT, Word } from './flow/key.ts'
export {
  derive,
  deviceTag,
  egressTag,
  hashOf,
  hashWith,
  type Tag,
  tagOf
} from './flow/tag.ts'
export { ConnectionState } from './simulation/connection.ts'
export type { SimulationContext } from './simulation/context.ts'
export type {
  AllowedAddresses,
  AllowedNetwork,
  Device,
  DeviceId,
  Filter,
  Forwarder,
  LocalEndpoint,
  NextHop,
  Port,
  PortAddress,
  PortId,
  PortSecurity,
  Service
} from './simulation/device.ts'
export { hidesNetwork, hidesTransport } from './simulation/hidden.ts'
export { LocalDelivery } from './simulation/local-delivery.ts'
export { HostLiveness } from './simulation/services/host-liveness.ts'
export { Leases } from './simulation/services/leases.ts'
export { StateKinds } from './simulation/services/state-kinds.ts'
export { Devices, Walks } from './simulation/services/walks.ts'
export { describePort } from './simulation/simulate.ts'
export {
  isErrorAbout,
  isErrorPacket,
  isUnreadableError,
  type Scope,
  Tuple,
  tupleOf
} from './simulation/tuple.ts'
export { CachePolicy, Verdict } from './simulation/verdict.ts'
export { WAIT_FOR_PULL, waitForDevice } from './simulation/waits.ts'
export * as state from './state/record.ts'
export { isOver } from './state/timeouts.ts'
export {
  type DeviceFactory,
  type LiveDevice,
  type Models,
  statelessDevice
} from './topology/factory.ts'
export type { Interest } from './topology/interest.ts'
export type { Stored } from './topology/model.ts'
export type { PortGroupModel } from './topology/models.ts'
export type { Table } from './topology/tables/table.ts'
export * as address from './wire/address.ts'
export * as arp from './wire/arp.ts'
export * as checksum from './wire/checksum.ts'
export { echoReply } from './wire/echo.ts'
export { type ErrorFields, icmpError, mayAnswerWithError } from './wire/errors.ts'
export * as ethernet from './wire/ethernet.ts'
export * as frames from './wire/frames.ts'
export * as icmp from './wire/icmp.ts'
export * as icmpv6 from './wire/icmpv6.ts'
export * as ipv4 from './wire/ipv4.ts'
export * as ipv6 from './wire/ipv6.ts'
export * as nd from './wire/nd.ts'
export * as query from './wire/query.ts'
export type { Quoted } from './wire/quoted.ts'
export * as quoted from './wire/quoted.ts'
export { tcpReset } from './wire/reset.ts'
export * as tcp from './wire/tcp.ts'
export * as udp from './wire/udp.ts'
export * as vlan from './wire/vlan.ts'

/** What a plugin brings while it is set up. */
export interface Registry {
  /** Takes the factory of a kind of device. */
  device(kind: string, factory: DeviceFactory): void
  /** Takes a service that others may need. */
  provide<T>(token: Token<T>, service: T): void
}

/** What `index.ts` of a plugin exports: the plugin alive in a packet thread. */
export interface Plugin<N extends Needs = Needs, S = object> {
  readonly name: string
  /** Services that `setup` is given. */
  readonly needs: N
  /** Services that it will provide. */
  readonly provides?: readonly Token<unknown>[]
  /** `settings` are its section of the configuration, complete. */
  setup(given: Given<N>, registry: Registry, settings: S): Running | undefined
}

/** What a plugin says of itself; what it leaves out it does without. */
export interface PluginDefinition<N extends Needs, S>
  extends Omit<Plugin<N, S>, 'needs' | 'setup'> {
  /** Services that `setup` is given; default: none. */
  readonly needs?: N
  /** Kinds of devices whose factories need no service; others are registered in `setup`. */
  readonly devices?: Readonly<Record<string, DeviceFactory>>
  /** As a plugin's; default: nothing but `devices` is brought. */
  readonly setup?: (given: Given<N>, registry: Registry, settings: S) => Running | undefined
}

/** Makes it whole, and ties `setup` to `needs` at compile time. */
export function definePlugin<const N extends Needs = Record<never, never>, S = object>(
  definition: PluginDefinition<N, S>
): Plugin<N, S> {
  const { devices = {}, needs = {} as N, setup, ...said } = definition
  return {
    ...said,
    needs,
    setup(given, registry, settings) {
      for (const [kind, factory] of Object.entries(devices)) registry.device(kind, factory)
      return setup?.(given, registry, settings)
    }
  }
}
