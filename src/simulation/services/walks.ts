// What a device may ask for outside its own walk: from a timer, or when a table has changed.

import { token } from '../../core/token.ts'
import type { Tag } from '../../flow/tag.ts'
import type { PortId, Topology } from '../device.ts'

/** What plugins may ask of walks: to emit frames, to walk packets again. */
export interface Walks {
  /** Sends a frame of the device's own making out of a port. */
  emit(frame: Uint8Array, port: PortId): void
  /** Lets the packets go on that were postponed with this text. */
  wake(waitingFor: string): void
  /** Every flow that carries one of the tags is walked again. */
  invalidate(tags: readonly Tag[]): void
}
export const Walks = token<Walks>('walks')

/** Other devices, as a walk would find them. */
export type Devices = Pick<Topology, 'device'>
export const Devices = token<Devices>('devices')
