// Which static uplinks a port has, and whom BFD is to watch for them: pure. static-plan.test.ts
// holds it.

import { address, type PortModel } from '../../../src/control.ts'
import type { WatchedNeighbour } from '../engine/engine.ts'
import type { StaticUplinkModel } from '../static/model.ts'

/** A static uplink at a port. */
export interface PlannedStatic {
  readonly id: string
  /** Its own; its address when it has none. */
  readonly name: string
  /** Of the next hop, in its shortest form. */
  readonly address: string
  /** What it leads to, in their shortest forms. */
  readonly prefixes: readonly string[]
  /** null: it is taken as there. */
  readonly bfd: { readonly intervalMs: number; readonly multiplier: number } | null
  /** As declared. */
  readonly weight: number | undefined
  /** Beside others of its weight. */
  readonly share: number
  /** An operator has shut it. */
  readonly isShut: boolean
  /** Why the far end is not to send to us; none: it may. */
  readonly reasons: readonly string[]
}

/** `reasons`: why nobody is to send to this port. */
export function staticsAt(
  port: PortModel,
  uplinks: readonly StaticUplinkModel[],
  reasons: readonly string[]
): PlannedStatic[] {
  const networks = (port.addresses ?? []).map(address.parsePrefix)
  const here = new Map<string, PlannedStatic>()
  for (const uplink of uplinks) {
    const ip = address.parseIp(uplink.address)
    const isNear = networks.some(network => address.prefixContains(network, ip))
    const text = address.formatIp(ip)
    if ((uplink.port ?? port.id) !== port.id || !isNear || here.has(text)) continue
    here.set(text, plannedOf(uplink, text, reasons))
  }
  return [...here.values()]
}

function plannedOf(
  uplink: StaticUplinkModel,
  ip: string,
  reasons: readonly string[]
): PlannedStatic {
  const { id, name, prefixes = [allOf(ip)], bfd, weight, share = 1, adminStateUp } = uplink
  return {
    ...{ id, name: name ?? ip, address: ip, weight, share, reasons },
    prefixes: [...new Set(prefixes.map(shortest))],
    bfd: bfd === undefined ? null : { intervalMs: bfd.intervalMs, multiplier: bfd.multiplier },
    isShut: adminStateUp === false
  }
}

const shortest = (prefix: string): string => address.formatPrefix(address.parsePrefix(prefix))

const allOf = (nextHop: string): string => (nextHop.includes(':') ? '::/0' : '0.0.0.0/0')

/** Those of them that BFD is asked for. */
export const watchedOf = (statics: readonly PlannedStatic[]): WatchedNeighbour[] =>
  statics.flatMap(({ address: ip, bfd, isShut, reasons }) =>
    bfd === null ? [] : [{ address: ip, ...bfd, shutdown: isShut || reasons.length > 0 }]
  )
