// Sets plugins up on one host: gives each the services it asks for, and takes what it brings.

import { Container } from '../core/container.ts'
import type { Lifecycle } from '../core/lifecycle.ts'
import type { Plugin, Registry } from '../plugin.ts'
import type { DeviceFactory } from '../topology/factory.ts'

export interface PluginParts {
  readonly plugins: readonly Plugin[]
  /** By plugin, complete. */
  readonly settings: Readonly<Record<string, Record<string, unknown>>>
  /** Takes the kinds of devices that plugins bring. */
  readonly factories: Map<string, DeviceFactory>
  /** Takes what plugins have to start and to stop. */
  readonly lives: Lifecycle
}

/** `provide` gives a container the services of this host. */
export function assemble(
  { plugins, settings, factories, lives }: PluginParts,
  provide: (container: Container) => void
): void {
  const container = new Container()
  provide(container)
  container.assemble(plugins, (plugin, given) => {
    const registry: Registry = {
      device: (kind, factory) => {
        factories.set(kind, factory)
      },
      provide: (token, service) => container.provide(token, service, plugin.name)
    }
    const running = plugin.setup(given, registry, settings[plugin.name] ?? {})
    if (running !== undefined) lives.add(plugin.name, running)
  })
}
