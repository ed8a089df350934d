// A host with a kernel: the eBPF datapath and the interfaces of the thread's network namespace.

import type { Clock } from '../../core/clock.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { openEbpf } from '../../datapath/ebpf/ebpf.ts'
import type { Interface, InterfaceWatcher } from '../../host/ports/interface.ts'
import { enterNamespace, loadAddon } from '../../native/addon.ts'
import { NativeExchange } from '../../native/exchange.ts'
import { NativeStateTable } from '../../native/state-table.ts'
import { kindsStamp, type StateKind } from '../../state/kinds.ts'
import type { KernelSettings, StateSettings } from '../messages.ts'
import { leadOut } from './default-routes.ts'
import type { NativeState } from './thread-state.ts'

/**
 * Enters the namespace first: sockets, programs and interface events are of wherever the thread is.
 */
export function openKernelPlatform(
  settings: KernelSettings,
  clock: Clock
): { datapath: Datapath; watcher: InterfaceWatcher; trim: () => void } {
  const { netns, pins, flowsMax, creditsPerPort } = settings
  if (netns !== null) enterNamespace(netns)
  const datapath = openEbpf({
    clock,
    flowsMax,
    creditsPerPort,
    ...(pins === null ? {} : { pins })
  })
  const { interfaces } = datapath
  return {
    datapath,
    trim: () => {
      loadAddon().trim()
    },
    watcher: {
      // An interface without carrier takes no frames: to us it is down.
      list: (): Interface[] =>
        interfaces.list().map(each => ({ ...each, up: each.up && each.running })),
      onChange: fire => interfaces.onChange(fire),
      leadOut,
      close: () => {} // it belongs to the datapath
    }
  }
}

/** Opened after the platform: its sockets are of the namespace the thread is in. */
export function openNativeState(
  settings: StateSettings,
  stateKinds: readonly StateKind[],
  host: number
): NativeState {
  const kinds = kindsStamp(stateKinds)
  const { timeouts, exchange, connectionsMax: capacity, lossPerMille: dropPerMille = 0 } = settings
  const table = new NativeStateTable({ capacity, timeouts })
  return {
    table,
    openExchange: listener =>
      new NativeExchange({ host, kinds, table, settings: exchange, listener, dropPerMille })
  }
}
