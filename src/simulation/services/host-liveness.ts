// Which of the other hosts are dead, as this one sees it: neither their agents nor their kernels
// answer.  A plugin whose work another host does for all need not wait for the store to notice.

import { token } from '../../core/token.ts'

/** Which hosts have stopped answering. */
export interface HostLiveness {
  /** Whether the host (its id) has. */
  isDead(host: string): boolean
  /** Calls when a host has died, and when it answers again. */
  onChange(fire: (host: string) => void): void
}
export const HostLiveness = token<HostLiveness>('host-liveness')
