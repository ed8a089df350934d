// A host's ports: what its interfaces are bound to, how frames come in there and by tunnels, and
// when a port may be used. port-bindings.test.ts, readiness.test.ts and host.test.ts hold it.

import type { Lifecycle } from '../../core/lifecycle.ts'
import type { StateReplication } from '../replication/state-replication.ts'
import { Attachments, type AttachmentsParts } from './attachments.ts'
import { ANY_BINDING, type BindingRules } from './bindable.ts'
import { Ingress } from './ingress.ts'
import type { LocalDeliveries } from './local-deliveries.ts'
import { PortBindings, type PortBindingsParts } from './port-bindings.ts'
import { Punts, type PuntsParts } from './punts.ts'
import { Readiness } from './readiness.ts'
import { Tunnels, type TunnelsParts } from './tunnels.ts'

/** What ports are made of. */
export interface PortsParts
  extends Omit<PortBindingsParts, 'attachments' | 'tunnels' | 'rules' | 'readiness' | 'punts'> {
  /** Takes programs on interfaces, and the senders of tunnelled frames. */
  readonly datapath: AttachmentsParts['datapath'] &
    TunnelsParts['datapath'] &
    PuntsParts['datapath']
  /** Which interfaces may be bound; undefined: taps and veths. */
  readonly rules: BindingRules | undefined
  /** A port waits for the state of its flows. */
  readonly replication: Pick<StateReplication, 'isPortReady'>
  /** What frames for this host itself are given to. */
  readonly deliveries: LocalDeliveries
  /** Whether what is attached stays when the host stops. */
  keeps(): boolean
}

/** What the rest of the host asks of its ports. */
export interface Ports {
  readonly bindings: PortBindings
  readonly ingress: Ingress
  readonly readiness: Readiness
  readonly punts: Punts
}

/** They begin and end with the host's other parts. */
export function portsOf(parts: PortsParts, lives: Lifecycle): Ports {
  const { replication, rules = ANY_BINDING, deliveries, keeps } = parts
  const tunnels = new Tunnels(parts)
  const readiness = new Readiness()
  readiness.requires(model => replication.isPortReady(model))
  const punts = new Punts(parts)
  const attachments = new Attachments({ ...parts, punts })
  const placed = { ...parts, attachments, tunnels, rules, readiness, punts }
  const bindings = new PortBindings(placed)
  lives.add('bindings', { start: () => bindings.start(), stop: () => bindings.close(keeps()) })
  lives.add('punts', { stop: () => punts.close() })
  return { bindings, ingress: new Ingress(bindings, deliveries), readiness, punts }
}
