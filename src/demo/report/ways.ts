// By which gateways the tenants' packets go: of what the outside network has seen at each uplink.

import type { Passed } from '../ground.ts'
import { type GatewayName, type Tenant, tenants } from '../plan/plan.ts'

/** By which gateways a tenant's packets went lately; null: none did. */
export interface WayReport {
  readonly tenant: Tenant
  /** The gateway by which most went out. */
  readonly out_by: GatewayName | null
  /** The gateway by which most came back. */
  readonly back_by: GatewayName | null
}

/** From what was seen at the uplinks at two times. */
export function reportWays(before: readonly Passed[], now: readonly Passed[]): WayReport[] {
  const grown = now.map((each, i) => ({
    uplink: each.uplink,
    out: each.out - (before[i]?.out ?? 0),
    back: each.back - (before[i]?.back ?? 0)
  }))
  const most = (tenant: Tenant, way: 'out' | 'back'): GatewayName | null => {
    const own = grown.filter(each => each.uplink.tenant === tenant && each[way] > 0)
    return own.sort((a, b) => b[way] - a[way])[0]?.uplink.gateway ?? null
  }
  return tenants.map(tenant => ({
    tenant,
    out_by: most(tenant, 'out'),
    back_by: most(tenant, 'back')
  }))
}
