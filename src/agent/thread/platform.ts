// What a packet thread stands on: the kernel, by the addon, or memory. kernel-platform.ts and
// memory-platform.ts are the two; this chooses, and puts the decorators around the datapath.

import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { decorate } from '../../datapath/decorators/decorate.ts'
import type { InterfaceWatcher } from '../../host/ports/interface.ts'
import { hostHash } from '../../state/record.ts'
import type { FromThread, ThreadSettings } from '../messages.ts'
import { MemoryPlatform } from './memory-platform.ts'
import type { NativeState } from './thread-state.ts'

/** A datapath, and what belongs to it. */
export interface Platform {
  readonly datapath: Datapath
  readonly watcher: InterfaceWatcher
  /** Frames from and to the main thread; null: the kernel has them. */
  readonly memory: MemoryPlatform | null
  /** Flow state in native memory; null: it is in JavaScript's. */
  readonly native: NativeState | null
  /** Gives malloc's spare pages of all threads back. */
  trim(): void
}

/** What a platform is given. */
export interface PlatformParts {
  readonly clock: Clock
  readonly log: Log
  /** A message to the main thread. */
  send(message: FromThread): void
}

/** Opens what the settings name; rejects with the reason when it cannot be. */
export async function openPlatform(
  settings: ThreadSettings,
  parts: PlatformParts
): Promise<Platform> {
  const platform = await open(settings, parts)
  return { ...platform, datapath: decorate(platform.datapath, settings.debug, parts) }
}

async function open(settings: ThreadSettings, { clock, send }: PlatformParts): Promise<Platform> {
  const { datapath, assembly } = settings
  if (datapath.kind === 'memory') {
    const memory = new MemoryPlatform(datapath, () => clock.now(), send)
    return { datapath: memory.datapath, watcher: memory, memory, native: null, trim: () => {} }
  }
  // Loaded only here: a machine without the addon runs the memory datapath all the same.
  const { openKernelPlatform, openNativeState } = await import('./kernel-platform.ts')
  const kernel = openKernelPlatform(datapath, clock)
  const native = openNativeState(settings.state, assembly.stateKinds, hostHash(settings.host))
  return { ...kernel, native, memory: null }
}
