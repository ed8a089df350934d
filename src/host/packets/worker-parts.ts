// What a worker is made of.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'
import type { Ingress } from '../ports/ingress.ts'
import type { PortBindings } from '../ports/port-bindings.ts'
import type { FlowState } from '../replication/flow-state.ts'
import type { PortHandover } from '../replication/port-handover.ts'

/** What a worker is made of. */
export interface WorkerParts {
  readonly datapath: Datapath
  readonly view: TopologyView
  readonly bindings: PortBindings
  readonly clock: Clock
  readonly counters: Counters
  readonly flowState: FlowState
  /** Whether the state of the ports is here, and of hosts that begin at the same time. */
  readonly handover: Pick<PortHandover, 'settled' | 'complete'>
  readonly ingress: Ingress
  readonly events: HostEvents
  /** Memory for a burst; default: Burst.BYTES. */
  readonly burstBytes?: number | undefined
}
