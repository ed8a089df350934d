// The other hosts as they look from this one, for control sides: the packet thread knows.
// plugins/bgp/gateway.test.ts and test/lab/survival-uplinks.test.ts hold it.

import { token } from '../../core/token.ts'
import type { PeerState } from '../../host/replication/peers.ts'

export type { PeerState } from '../../host/replication/peers.ts'

/** Which other hosts of our tunnel zones there are, and whether they answer. */
export interface OtherHosts {
  /** As they are now; rejects when the packet thread is gone. */
  list(): Promise<readonly PeerState[]>
}
/** Asks for them. */
export const OtherHosts = token<OtherHosts>('other-hosts')
