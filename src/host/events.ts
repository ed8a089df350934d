// What happens on one host. The emitter is made before all parts, so that a part knows it and what
// was built before, never what comes after; and so that each can be built alone in a test.
// `events.wake(cause)` says it, `events.wake.on(…)` hears it. Each comment names who says it, and
// who hears it. host.test.ts and test/state/replication.test.ts hold who hears what.

import { type Signal, signal } from '../core/signal.ts'
import type { Tag } from '../flow/tag.ts'
import type { Port, PortId } from '../simulation/device.ts'
import type { ExchangeListener, Liveness } from '../state/exchange/exchange.ts'
import type { ViewListener } from '../topology/view.ts'
import type { OtherHost } from './replication/peers.ts'

/** What happens on one host: who says it and who hears it stands at each event. */
export class HostEvents implements ViewListener, ExchangeListener {
  // --- packets and flows -------------------------------------------------------------------------

  /**
   * What walks were postponed for is here. Said by whoever brings it: the topology view, bindings,
   * tunnels, replication and plugins. Heard by the worker and by dry runs.
   */
  readonly wake: Signal<[cause: string]> = signal()

  /**
   * Every flow that carries one of these tags goes now. Said by flow state that came, changed or
   * went, by tunnels and by plugins. Heard by the worker.
   */
  readonly stale: Signal<[tags: readonly Tag[]]> = signal()

  /**
   * The same, of the topology: those in use are walked again before their next packets, and stay
   * until then. Said by the topology view, bindings and tunnels. Heard by the worker.
   */
  readonly outdate: Signal<[tags: readonly Tag[]]> = signal()

  /**
   * A device sends a frame of its own out of a port. Said by plugins, outside of walks. Heard by
   * the worker.
   */
  readonly emit: Signal<[frame: Uint8Array, port: PortId]> = signal()

  // --- topology and ports ------------------------------------------------------------------------

  /**
   * An object or a row has come, changed or gone. Said by the topology view. Heard by replication,
   * bindings and prefetch.
   */
  readonly topologyChanged: Signal<[]> = signal()

  /**
   * Where ports are has to be looked at again. Said by the watcher of interfaces, and by the
   * prefetcher and dry runs when a port need not wait for them any longer. Heard by bindings.
   */
  readonly bindingsChanged: Signal<[]> = signal()

  /** A port is about to become active here. Said by attachments. Heard by dry runs. */
  readonly portComing: Signal<[port: Port]> = signal()

  /**
   * The state of a port's flows is here, or late: the port, by its number, may be activated. Said
   * by port states. Heard by bindings.
   */
  readonly portReady: Signal<[port: number]> = signal()

  /** A port is bound here no longer. Said by bindings. Heard by replication. */
  readonly portGone: Signal<[port: Port]> = signal()

  // --- other hosts -------------------------------------------------------------------------------

  /**
   * The other hosts in our tunnel zones, each once. Said by tunnels, when they are found and when
   * they change. Heard by replication.
   */
  readonly peers: Signal<[others: readonly OtherHost[]]> = signal()

  /**
   * A host stopped answering, or answers again. Said by replication's hosts. Heard by the topology
   * view and by the liveness that plugins ask.
   */
  readonly peer: Signal<[host: string, alive: boolean]> = signal()

  /**
   * The agent of a host is gone, whether its kernel answers or not; or it is there again. Said by
   * replication's hosts. Heard by the topology view and by port states.
   */
  readonly agentAway: Signal<[host: string, isAway: boolean]> = signal()

  /**
   * A host takes no state any more, and gives none. Said by replication's hosts. Heard by port
   * states.
   */
  readonly peerLeft: Signal<[host: string]> = signal()

  /**
   * All that a host knows of these ports, by number, has been sent to us. Said by replication's
   * hosts. Heard by port states.
   */
  readonly given: Signal<[host: string, ports: readonly number[]]> = signal()

  // --- the exchange of flow state: what each means is said at ExchangeListener -------------------

  /** Heard by the worker: what was held under the ticket may leave. */
  readonly released: Signal<[ticket: number]> = signal()

  /** Heard by replication, which makes flows stale, and by prefetch. */
  readonly imported: Signal<[hashes: readonly number[]]> = signal()

  /** Heard by the worker: every flow that rests on state is walked again. */
  readonly lost: Signal<[]> = signal()

  /** Heard by replication, which wakes the packet that asked. */
  readonly pulled: Signal<[ticket: number, found: boolean]> = signal()

  /** Heard by the replication peers. */
  readonly liveness: Signal<[of: Liveness]> = signal()

  /** Heard by replication's hosts and by port states: from now on it can be asked. */
  readonly joined: Signal<[word: number]> = signal()

  /** Heard by replication's hosts. */
  readonly owed: Signal<[word: number]> = signal()

  /** Heard by port states: they have it answered when what was kept here is loaded. */
  readonly asked: Signal<[word: number, ports: readonly number[]]> = signal()

  /** Heard by replication's hosts. */
  readonly told: Signal<[word: number, bytes: Uint8Array]> = signal()
}
