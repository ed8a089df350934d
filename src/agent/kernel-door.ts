// A host with a kernel: the eBPF datapath and the interfaces of the thread's network namespace.

import type { Clock } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Datapath } from '../datapath/datapath.ts'
import type { KernelSettings } from './messages.ts'
import type { InterfaceWatcher } from './places.ts'

export async function openKernelDoor(
  _settings: KernelSettings,
  _clock: Clock
): Promise<{ datapath: Datapath; watcher: InterfaceWatcher }> {
  throw fail('UNAVAILABLE', { what: 'the eBPF datapath', reason: 'it is not built' })
}
