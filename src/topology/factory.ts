// How a plugin brings a kind of device to life in the packet worker.  The view (view.ts) holds the
// models the worker knows; a factory says which of them its device needs and makes the device of
// them.  A device stays while its models change: `update` reads them again and says what became
// stale, so that only the flows that depended on it go.

import { deviceTag, type Tag } from '../flow/tag.ts'
import type { Device, DeviceId, Port, PortId } from '../simulation/device.ts'
import type { Interest } from './interest.ts'
import type { Stored } from './model.ts'
import type { Table } from './tables/table.ts'

/**
 * What a device may read: the objects it named in `interests`; nothing else is sure to be there.
 */
export interface Models {
  /** The object, if it is loaded. */
  get<T extends Stored>(kind: string, id: string): T | undefined
  /** Objects of a watched kind whose field has this value, by ascending id. */
  where<T extends Stored>(kind: string, field: string, value: string): readonly T[]
  /** The port as walks see it; undefined: not loaded yet, null: there is none. */
  port(id: PortId): Port | null | undefined
  /** Ports of a device, by ascending number. */
  portsOf(device: DeviceId): readonly Port[]
  /**
   * 'lasting': what agents that are gone wrote stands while their kernels forward, and is taken
   * over by those that follow them; of what a port's packets need.
   */
  table(name: string, rows?: 'lasting'): Table
}

/** A device that follows its models. */
export interface LiveDevice extends Device {
  /** It does something without packets, checks say: it is not let go when none come. */
  readonly isBusy?: boolean
  /**
   * A model this device named has changed. The tag of the device itself, when in it, takes every
   * flow through the device.
   */
  update(models: Models): readonly Tag[]
  /**
   * A crowd of packets may come to leave by one of its ports, from one moment to the next: what
   * they would have to wait for is to be known before.
   */
  expect?(port: PortId): void
  /** The device is gone. */
  close?(): void
}

/** Makes the devices of one kind. */
export interface DeviceFactory {
  /**
   * Besides its own model { kind, id }, which is always there. Asked again after every change,
   * because what is needed may depend on what is there (the peers of its ports).
   */
  interests(id: DeviceId, models: Models): readonly Interest[]
  /** Called once everything named is there. */
  make(id: DeviceId, models: Models): LiveDevice
}

/**
 * Makes devices that remember nothing from one packet to the next. `read` is given the ports of the
 * device and says what becomes of a packet; it is asked again after every change, and every flow
 * through the device is walked again.
 */
export const statelessDevice = (
  read: (id: DeviceId, models: Models) => Device['process']
): DeviceFactory => ({
  interests: id => [{ kind: 'port', field: 'device', value: id }],
  make(id, models) {
    const tag = deviceTag(id)
    let process = read(id, models)
    return {
      id,
      process(ctx) {
        ctx.tag(tag)
        return process(ctx)
      },
      update(changed) {
        process = read(id, changed)
        return [tag]
      }
    }
  }
})
