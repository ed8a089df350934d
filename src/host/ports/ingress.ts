// Where a packet enters the virtual topology: by the port behind an interface, or by a tunnel from
// the host that has walked it. port-bindings.test.ts and underlays.test.ts hold it.

import type { SimulationContext } from '../../simulation/context.ts'
import { AGENT_KEY } from '../../simulation/local-delivery.ts'
import { simulate } from '../../simulation/simulate.ts'
import { CachePolicy, Verdict } from '../../simulation/verdict.ts'
import { WAIT_FOR_BINDINGS, WAIT_FOR_SENDERS, waitForInterface } from '../waits.ts'
import { interfaceTag } from './attachments.ts'
import type { LocalDeliveries } from './local-deliveries.ts'
import { type PortBindings, strayTag } from './port-bindings.ts'
import { senderTag } from './tunnels.ts'

const FLOW_STATE_KEY = 0xffffff

/** Finds the port by which a packet enters the virtual topology. */
export class Ingress {
  readonly #bindings: PortBindings
  readonly #deliveries: LocalDeliveries

  constructor(bindings: PortBindings, deliveries: LocalDeliveries) {
    this.#bindings = bindings
    this.#deliveries = deliveries
  }

  /**
   * A key of 0 does not make a frame of the underlay one of an interface: the flow would take
   * everything that comes in there.
   */
  enter(ctx: SimulationContext, ifindex: number): Verdict {
    return this.#bindings.attachments.isUnderlay(ifindex)
      ? this.#fromTunnel(ctx)
      : this.#fromInterface(ctx, ifindex)
  }

  #fromInterface(ctx: SimulationContext, ifindex: number): Verdict {
    const port = this.#bindings.entry(ifindex)
    ctx.tag(interfaceTag(ifindex))
    if (port === undefined && this.#bindings.attachments.isComing(ifindex))
      return ctx.postpone(waitForInterface(ifindex))
    if (port === undefined) return ctx.drop('agent.unbound-interface', CachePolicy.short)
    if (port.isUplink && this.#bindings.underlays.takes(ctx))
      return ctx.drop('agent.underlay-from-uplink')
    return simulate(ctx, port.id)
  }

  // The ingress host has done the walk; a tunnelled frame only needs its last step.
  #fromTunnel(ctx: SimulationContext): Verdict {
    const number = ctx.key.tunnelKey
    const sender = ctx.key.tunnelSrc
    const isSender = this.#bindings.isSender(sender)
    if (isSender === undefined) return ctx.postpone(WAIT_FOR_SENDERS)
    ctx.tag(senderTag(sender))
    if (!isSender) return ctx.drop('agent.stranger', CachePolicy.short)
    // It is for the sockets of the exchange; what comes up here, they did not take.
    if (number === FLOW_STATE_KEY) return ctx.drop('agent.flow-state', CachePolicy.short)
    if (number === AGENT_KEY) return this.#visit(ctx)
    const port = this.#bindings.numbered(number)
    if (port === undefined && !this.#bindings.known) return ctx.postpone(WAIT_FOR_BINDINGS)
    if (port === undefined) {
      ctx.tag(strayTag(number))
      return ctx.drop('agent.stray-tunnel', CachePolicy.short)
    }
    ctx.output(port)
    return Verdict.forward
  }

  #visit(ctx: SimulationContext): Verdict {
    const frame = ctx.frame()
    if (frame !== undefined) ctx.hand(frame, this.#deliveries)
    return ctx.consume()
  }
}
