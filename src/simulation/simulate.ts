// The walk.  A packet enters by a port, each device says where it leaves, and so on until it
// reaches an interface, is dropped, or is consumed.  No recursion, no await, no throw, every loop
// bounded.

import { deviceTag } from '../flow/tag.ts'
import type { SimulationContext } from './context.ts'
import type { Device, Filter, Port, PortId, Service } from './device.ts'
import { CachePolicy, Verdict } from './verdict.ts'
import { waitForDevice, waitForPort } from './waits.ts'

/** Port crossings of one branch. */
export const HOPS_MAX = 32

/** From the ingress of a port. Verdict.forward: the outcome delivers the packet somewhere. */
export function simulate(ctx: SimulationContext, entry: PortId): Verdict {
  ctx.entry = entry
  return walk(ctx, enter(ctx, entry))
}

/** From the egress of a port: what a device has made leaves its device here. */
export function simulateEgress(ctx: SimulationContext, exit: PortId): Verdict {
  ctx.generated = true
  ctx.outcome.cacheable = false
  const port = ctx.topology.port(exit)
  if (port === undefined) return ctx.postpone(waitForPort(exit))
  if (port === null) return ctx.drop('simulation.no-such-port', CachePolicy.short)
  ctx.inPort = port
  return walk(ctx, ctx.forward(exit))
}

function walk(ctx: SimulationContext, first: Verdict): Verdict {
  let verdict = first
  let dropped = false
  for (;;) {
    while (verdict === Verdict.forward) verdict = leave(ctx)
    if (verdict === Verdict.postpone) return verdict // nothing was sent: the visit never was
    if (verdict === Verdict.reject) verdict = refuse(ctx)
    dropped ||= verdict === Verdict.drop
    if (!ctx.nextBranch()) break
    verdict = Verdict.forward
  }
  if (ctx.outcome.actions.count > 0) return Verdict.forward
  if (dropped) return Verdict.drop
  return verdict === Verdict.branched ? ctx.drop('simulation.no-output') : verdict
}

function enter(ctx: SimulationContext, id: PortId): Verdict {
  if (++ctx.hops > HOPS_MAX) return ctx.drop('simulation.loop', CachePolicy.short)
  const { topology } = ctx
  const port = topology.port(id)
  if (port === undefined) return ctx.postpone(waitForPort(id))
  if (port === null) return ctx.drop('simulation.no-such-port', CachePolicy.short)
  const device = topology.device(port.kind, port.device)
  if (device === undefined) return ctx.postpone(waitForDevice(port.kind, port.device))
  if (device === null) return ctx.drop('simulation.no-such-device', CachePolicy.short)
  ctx.tag(port.tag)
  ctx.inPort = port
  ctx.outPort = null
  if (!ctx.generated) ctx.entryPort ??= port
  if (ctx.trace !== null) ctx.trace.step(`in   ${describePort(port)}`)
  ctx.key.popPriorityTags()
  if (!port.adminStateUp) return refuseAt(ctx, device, 'simulation.port-down')
  const isSecured = port.security !== null && port.host !== null
  const admitted = isSecured ? device.admit?.(ctx) : undefined
  if (admitted !== undefined && admitted !== Verdict.forward) return admitted
  const taken = port.services.length > 0 ? served(ctx, port, device) : null
  if (taken !== null) return taken === Verdict.forward ? device.process(ctx) : taken
  const passed = filterAt(ctx, port.inFilter, port.outFilter)
  if (passed !== Verdict.forward) return passed
  return device.process(ctx)
}

// What the services at a port make of a packet that comes in (`device`: for) or leaves (null).
function served(ctx: SimulationContext, port: Port, device: Device | null): Verdict | null {
  for (const { kind, id } of port.services) {
    const service = ctx.topology.device(kind, id) as Service | undefined | null
    if (service === undefined) return ctx.postpone(waitForDevice(kind, id))
    ctx.tag(deviceTag(id))
    if (service === null) continue
    const done = device === null ? service.undo?.(ctx) : service.take(ctx, device)
    if (done === undefined || done === null) continue
    if (ctx.trace !== null) ctx.trace.step(`     ${kind} ${id.slice(0, 8)} has taken it`)
    return ctx.ofWhole(done)
  }
  return null
}

function leave(ctx: SimulationContext): Verdict {
  const id = ctx.outPortId
  const port = ctx.topology.port(id)
  if (port === undefined) return ctx.postpone(waitForPort(id))
  if (port === null) return ctx.drop('simulation.no-such-port', CachePolicy.short)
  ctx.tag(port.tag)
  ctx.outPort = port
  if (ctx.trace !== null) ctx.trace.step(`out  ${describePort(port)}`)
  // What the device of a closed port has to say to whoever is refused at it leaves by it.
  const isOwnWord = ctx.generated && ctx.hops === 0
  if (!port.adminStateUp && !isOwnWord) return ctx.reject('simulation.port-down')
  ctx.key.popPriorityTags() // behind the tag of a VLAN that it has left
  const undone = port.services.length > 0 ? served(ctx, port, null) : null
  const passed = undone ?? filterAt(ctx, port.outFilter, port.inFilter)
  if (passed === Verdict.drop && port.peer === null && port.host !== null) ctx.refusedAt(port)
  return passed === Verdict.forward ? beyond(ctx, port) : passed
}

// Runs the filter of this direction.  One that filters the other direction by connections has to
// know what passes in this one: answers are answers to something.
function filterAt(ctx: SimulationContext, own: string | null, opposite: string | null): Verdict {
  if (opposite !== null) {
    const { filterKind } = ctx.topology
    const filter = ctx.topology.device(filterKind, opposite) as Filter | null | undefined
    if (filter === undefined) return ctx.postpone(waitForDevice(filterKind, opposite))
    const tracks = filter === null ? false : filter.tracks(ctx)
    if (tracks === undefined) return Verdict.postpone
    if (tracks) ctx.track()
  }
  return ctx.filter(own)
}

function beyond(ctx: SimulationContext, port: Port): Verdict {
  if (port.peer !== null) return enter(ctx, port.peer)
  if (port.host === null) return ctx.drop('simulation.port-unbound')
  ctx.output(port)
  if (ctx.trace !== null) ctx.trace.step(`send ${describePort(port)}, host ${port.host}`)
  return Verdict.branched
}

// A filter or a closed port said no.  The device the packet last entered may tell the sender.
function refuse(ctx: SimulationContext): Verdict {
  const device = ctx.topology.device(ctx.inPort.kind, ctx.inPort.device)
  if (device === undefined || device === null) return Verdict.drop
  return refuseAt(ctx, device, ctx.outcome.dropReason)
}

function refuseAt(ctx: SimulationContext, device: Device, reason: string): Verdict {
  if (!ctx.generated) device.refuse?.(ctx)
  return ctx.drop(reason)
}

/** A port in a few words, for traces. */
export const describePort = (port: Port): string =>
  `${port.name} of ${port.kind} ${port.device.slice(0, 8)}`
