// Sets plugins up on one host: gives each the services it asks for, and takes what it brings.
// host.test.ts holds it, and each test of a plugin in a world; container.test.ts holds the order.

import { Clock } from '../core/clock.ts'
import { Container } from '../core/container.ts'
import { Counters } from '../core/counters.ts'
import { fail } from '../core/errors.ts'
import type { Lifecycle } from '../core/lifecycle.ts'
import { Log } from '../core/log.ts'
import { Random } from '../core/random.ts'
import type { Plugin, Registry } from '../plugin.ts'
import { LocalDelivery } from '../simulation/local-delivery.ts'
import { HostLiveness } from '../simulation/services/host-liveness.ts'
import { Leases } from '../simulation/services/leases.ts'
import { StateKinds } from '../simulation/services/state-kinds.ts'
import { Devices, Walks } from '../simulation/services/walks.ts'
import type { Assembly } from '../topology/assembly/assembly.ts'
import type { DeviceFactory } from '../topology/factory.ts'
import type { TopologyView } from '../topology/view.ts'
import type { HostEvents } from './events.ts'

/** What plugins are given services from. */
export interface PluginParts {
  readonly plugins: readonly Plugin[]
  /** By plugin, complete. */
  readonly settings: Readonly<Record<string, Record<string, unknown>>>
  readonly assembly: Assembly
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly log: Log
  readonly events: HostEvents
  readonly view: TopologyView
  readonly leases: Leases
  readonly delivery: LocalDelivery
  readonly liveness: HostLiveness
  /** Takes the kinds of devices that plugins bring. */
  readonly factories: Map<string, DeviceFactory>
  /** Takes what plugins have to start and to stop. */
  readonly lives: Lifecycle
}

/** A plugin is set up after those whose services it asks for, and starts and stops as they do. */
export function assemble(parts: PluginParts): void {
  const container = servicesOf(parts)
  container.assemble(parts.plugins, (plugin, given) => {
    const registry: Registry = {
      device: (kind, factory) => {
        parts.factories.set(kind, factory)
      },
      provide: (token, service) => container.provide(token, service, plugin.name)
    }
    const running = plugin.setup(given, registry, parts.settings[plugin.name] ?? {})
    if (running !== undefined) parts.lives.add(plugin.name, running)
  })
}

// What a host has for plugins.
function servicesOf({ events, view, ...parts }: PluginParts): Container {
  const container = new Container()
  const { emit, wake, stale: invalidate } = events
  container.provide(Clock, parts.clock)
  container.provide(Random, parts.random)
  container.provide(Counters, parts.counters)
  container.provide(Log, parts.log)
  container.provide(Leases, parts.leases)
  container.provide(StateKinds, { number: name => numberOf(parts.assembly, name) })
  container.provide(LocalDelivery, parts.delivery)
  container.provide(HostLiveness, parts.liveness)
  container.provide(Walks, { emit, wake, invalidate })
  container.provide(Devices, { device: (kind, id) => view.device(kind, id) })
  return container
}

function numberOf({ stateKinds }: Assembly, name: string): number {
  const at = stateKinds.findIndex(kind => kind.name === name)
  if (at < 0) throw fail('NOT_FOUND', { kind: 'state kind', id: name })
  return at + 1
}
