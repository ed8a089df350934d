// What a context keeps company with: those who help a walk along, and what comes of it besides.

import type { SimulationContext } from './context.ts'
import type { PortId } from './device.ts'

export interface Emitted {
  readonly frame: Uint8Array
  readonly port: PortId // it leaves by this port
}

// Whoever has forwarded the packet and can tell its sender that it does not fit where it leaves.
export interface Forwarder {
  tooBig(ctx: SimulationContext, mtu: number): void
}

// Whoever can ask other hosts for state.
export interface Puller {
  canPull(ctx: SimulationContext): boolean
}
