// By which gateways the tenants' packets go: of what the outside network has seen at each uplink.

import type { Passed } from '../ground.ts'
import type { GatewayName, Tenant } from '../plan/plan.ts'

/** By which gateways a tenant's packets went lately; null: none did. */
export interface WayReport {
  /** null: those of all tenants, where they have their uplinks in common. */
  readonly tenant: Tenant | null
  /** The gateway by which most went out. */
  readonly out_by: GatewayName | null
  /** The gateway by which most came back. */
  readonly back_by: GatewayName | null
}

/** From what was seen at the uplinks at two times. */
export function reportWays(before: readonly Passed[], now: readonly Passed[]): WayReport[] {
  const grown = now.map((each, i) => ({
    tenant: each.tenant,
    gateway: each.gateway,
    out: each.out - (before[i]?.out ?? 0),
    back: each.back - (before[i]?.back ?? 0)
  }))
  const most = (tenant: Tenant | null, way: 'out' | 'back'): GatewayName | null => {
    const own = grown.filter(each => each.tenant === tenant && each[way] > 0)
    return own.sort((a, b) => b[way] - a[way])[0]?.gateway ?? null
  }
  return [...new Set(now.map(({ tenant }) => tenant))].map(tenant => ({
    tenant,
    out_by: most(tenant, 'out'),
    back_by: most(tenant, 'back')
  }))
}
