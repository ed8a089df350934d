// What postponed packets wait for, as text. Whoever brings it wakes them by the same text.

import type { DeviceId, PortId } from './device.ts'

/** Until the port is loaded. */
export const waitForPort = (id: PortId): string => `port/${id}`
/** Until the device is loaded. */
export const waitForDevice = (kind: string, id: DeviceId): string => `${kind}/${id}`

/** The first fragment of the packet that a later one is of. */
export const WAIT_FOR_FIRST = 'first fragment'

/** What a walk waits for that would rather ask other hosts than do without state. */
export const WAIT_FOR_PULL = 'pull'
