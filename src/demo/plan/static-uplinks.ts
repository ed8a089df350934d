// Uplinks of each tenant's own, with routes that are declared: out by the first gateway while it
// lives; answers may come in by any of the group. test/lab/demo.test.ts holds it.

import { families, type HostName, type Tenant, tenants, uplinks } from './plan.ts'

/** Of an object. */
export type Fields = Readonly<Record<string, unknown>>

/** Makes an object of a kind; gives its id. */
export type Create = (kind: string, fields: Fields) => string

/** Makes the ways out of the tenants' routers. */
export type AddUplinks = (
  create: Create,
  routers: Readonly<Record<Tenant, string>>,
  hosts: Readonly<Record<HostName, string>>
) => void

/** One for each tenant at each gateway. */
export const staticUplinks: AddUplinks = (create, routers, hosts) => {
  for (const tenant of tenants) {
    const router = routers[tenant]
    const ports = uplinks
      .filter(each => each.tenant === tenant)
      .map((uplink, i) => {
        const addresses = families.map(f => `${uplink[f].near}/${uplink[f].length}`)
        const port = create('port', {
          name: `${tenant}-${uplink.gateway}`,
          type: 'router',
          device: router,
          host: hosts[uplink.gateway],
          interface: uplink.interface,
          mac: uplink.mac,
          addresses
        })
        for (const [destination, family] of [
          ['0.0.0.0/0', 4],
          ['::/0', 6]
        ] as const) {
          const gateway = uplink[family].far
          create('route', { router, destination, port, gateway, weight: 10 * (i + 1) })
        }
        return port
      })
    create('port-group', { name: `${tenant}-uplinks`, tenant, stateful: true, ports })
  }
}
