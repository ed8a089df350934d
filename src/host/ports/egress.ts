// The last step of a walk: outputs that name virtual ports become outputs to interfaces and
// tunnels.  Only here does it matter on which host a port is.
// port-bindings.test.ts and test/mtu.test.ts hold it.

import { ActionList, ActionType, OUT_PEER } from '../../flow/actions.ts'
import { type Limits, least, NO_LIMITS, tunnelRoom } from '../../flow/size.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import type { Port } from '../../simulation/device.ts'
import * as vlan from '../../wire/vlan.ts'
import { waitForInterface, waitForTunnel } from '../waits.ts'
import type { PortBindings } from './port-bindings.ts'

/** Turns outputs to virtual ports into interfaces and tunnels. */
export class Egress {
  /** Physical actions of the last packet. */
  readonly actions = new ActionList(64)
  /** What the last packet has to wait for; '' for nothing. */
  waitingFor = ''
  /** Outputs that led nowhere. */
  unreachable = 0
  /** Of all outputs. */
  limits: Limits = NO_LIMITS
  /** Of each, in the order of `actions`. */
  readonly outputs: Limits[] = []
  #pushed = 0 // bytes of tags pushed so far
  readonly #bindings: PortBindings

  constructor(bindings: PortBindings) {
    this.#bindings = bindings
  }

  /**
   * Fills `actions` from the outcome in `ctx` and tags what it depended on. False: the way to a
   * host is not known yet, the packet must wait for `waitingFor`.
   */
  translate(ctx: SimulationContext): boolean {
    const { actions } = this
    actions.clear()
    this.unreachable = this.#pushed = 0
    this.limits = NO_LIMITS
    this.outputs.length = 0
    let next = 0
    let used = 0 // actions up to the last output; edits behind it change nothing
    for (let i = 0; i < ctx.outcome.actions.count; i++) {
      if (ctx.outcome.actions.type(i) !== ActionType.output) {
        actions.append(ctx.outcome.actions, i)
        this.#tags(ctx.outcome.actions.type(i))
        continue
      }
      const port = ctx.outcome.outPorts[next++]!
      ctx.tag(port.egress)
      if (!this.#output(ctx, port)) return false
      used = actions.count
    }
    actions.count = used
    return true
  }

  // For a port that is about to be activated a packet waits; a flood goes without it.
  #notHere(ctx: SimulationContext, port: Port): boolean {
    const ifindex =
      ctx.outcome.outPorts.length > 1 ? 0 : this.#bindings.attachments.comingBy(port.id)
    if (ifindex === 0) this.unreachable++
    else this.waitingFor = waitForInterface(ifindex)
    return ifindex === 0
  }

  #output(ctx: SimulationContext, port: Port): boolean {
    if (this.#bindings.isHere(port)) {
      const local = this.#bindings.local(port)
      if (local === undefined) return this.#notHere(ctx, port)
      this.actions.output(local.ifindex, local.peerRedirect ? OUT_PEER : 0)
      this.#limit({ mtu: local.mtu, room: 0 })
      return true
    }
    const tunnel = this.#bindings.tunnel(port)
    if (tunnel === undefined) {
      this.waitingFor = waitForTunnel(port.host!)
      return false
    }
    if (tunnel === null) {
      this.unreachable++
      ctx.outcome.cacheable = false // the way may appear without this flow's tags knowing
      return true
    }
    ctx.tag(tunnel.tag)
    this.actions.tunnel(tunnel.kind, port.number, tunnel.remote, tunnel.local, tunnel.ifindex)
    const room = tunnelRoom(tunnel.kind, tunnel.mtu, this.#pushed)
    this.#limit({ mtu: this.#bindings.mtuElsewhere(port), room })
    return true
  }

  #tags(type: number): void {
    if (type === ActionType.pushVlan) this.#pushed += vlan.LENGTH
    else if (type === ActionType.popVlan) this.#pushed = Math.max(0, this.#pushed - vlan.LENGTH)
  }

  #limit(limits: Limits): void {
    this.outputs.push(limits)
    const { mtu, room } = this.limits
    this.limits = { mtu: least(mtu, limits.mtu), room: least(room, limits.room) }
  }
}
