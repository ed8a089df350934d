// How the tenants get out of the cluster: their routers lead to one more, the edge, whose uplinks
// speak BGP with two upstream routers at each gateway. It tells what may be reached, and learns the
// way out. test/lab/demo-cluster.test.ts holds it.
//
//   red-router ──┐        ┌─ gateway1 ─┬─ r1
//                ├─ edge ─┤           ╳
//   blue-router ─┘        └─ gateway2 ─┴─ r2

import { createHash, randomUUID } from 'node:crypto'
import { ROUTER_ASNS, ROUTERS, type UpstreamPlan } from '../../lab/upstream/sessions.ts'
import { uplinkName } from '../../lab/upstream/upstream.ts'
import { families, gateways, inside, outside, tenants } from '../plan/plan.ts'
import type { AddUplinks, Create } from '../plan/static-uplinks.ts'

const ASN = 65_001
// A machine that is busy with all of the cluster is no dead one.
const BFD = { intervalMs: 300, multiplier: 3 }

/** What is beyond the gateways, as addresses. */
export const upstreamPlan: UpstreamPlan = {
  asn: ASN,
  gateways,
  addresses: [outside[4], outside[6]],
  networks: ['203.0.113.0/24', '2001:db8:113::/48'],
  bfd: BFD,
  link(gateway, router) {
    const first = 4 * (2 * gateway + router)
    const six = `2001:db8:ffff:${gateway}${router}`
    return [
      { near: `192.0.2.${first + 2}`, far: `192.0.2.${first + 1}`, length: 30 },
      { near: `${six}::2`, far: `${six}::1`, length: 64 }
    ]
  },
  behind(router) {
    const six = `2001:db8:fffe:${router}`
    return [
      { near: `198.18.0.${4 * router + 1}`, far: `198.18.0.${4 * router + 2}`, length: 30 },
      { near: `${six}::1`, far: `${six}::2`, length: 64 }
    ]
  }
}

/** What the edge tells of. */
export const announced: readonly string[] = tenants.flatMap(tenant =>
  families.flatMap(family => inside[tenant][family])
)

/** Of an uplink port: the same for all demos of that prefix, for what a killed one has left. */
export function uplinkPort(prefix: string, gateway: string, router: string): string {
  const hex = createHash('sha256').update(`${prefix} ${gateway} ${router}`).digest('hex')
  const [a, b, c, d] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16), hex.slice(17, 20)]
  return `${a}-${b}-4${c}-8${d}-${hex.slice(20, 32)}`
}

/** All uplink ports of a gateway. */
export const uplinkPorts = (prefix: string, gateway: string): string[] =>
  ROUTERS.map(router => uplinkPort(prefix, gateway, router))

/** The edge and its uplinks. */
export const edgeUplinks =
  (prefix: string): AddUplinks =>
  (create, routers, hosts) => {
    const edge = create('router', { name: 'edge' })
    for (const [t, tenant] of tenants.entries()) join(create, edge, routers[tenant], t)
    create('bgp-speaker', { router: edge, asn: ASN, maximumPaths: 8 })
    for (const told of announced) create('bgp-network', { router: edge, prefix: told })
    const ports = gateways.flatMap((gateway, g) =>
      ROUTERS.map((router, r) => {
        const id = uplinkPort(prefix, gateway, router)
        const ends = upstreamPlan.link(g, r)
        create('port', {
          id,
          name: `${gateway}-${router}`,
          type: 'router',
          device: edge,
          host: hosts[gateway],
          interface: uplinkName(r),
          mac: `02:00:00:00:02:${g}${r}`,
          addresses: ends.map(({ near, length }) => `${near}/${length}`)
        })
        for (const { far: address } of ends)
          create('bgp-peer', {
            ...{ router: edge, port: id, name: nameOf(router, address), address },
            ...{ asn: ROUTER_ASNS[r], connectS: 1, bfd: BFD }
          })
        return id
      })
    )
    create('port-group', { name: 'uplinks', stateful: true, ports })
  }

const nameOf = (router: string, address: string): string =>
  `${router}-v${address.includes(':') ? 6 : 4}`

const joint = (t: number, end: 1 | 2) => ({
  4: { address: `100.64.0.${4 * t + end}`, length: 30 },
  6: { address: `fdff:${t}::${end}`, length: 64 }
})

// A cable between the edge and a tenant's router: out by default, and in to what is told.
function join(create: Create, edge: string, router: string, t: number): void {
  const tenant = tenants[t]!
  const [up, down] = [joint(t, 1), joint(t, 2)]
  const [near, far] = [randomUUID(), randomUUID()]
  const port = (id: string, peer: string, ends: typeof up, device: string, name: string): void => {
    const addresses = families.map(family => `${ends[family].address}/${ends[family].length}`)
    const mac = `02:00:00:00:03:${t}${device === edge ? 1 : 2}`
    create('port', { id, name, type: 'router', device, peer, mac, addresses })
  }
  port(near, far, up, edge, tenant)
  port(far, near, down, router, 'edge')
  for (const family of families) {
    const destination = family === 4 ? '0.0.0.0/0' : '::/0'
    create('route', { router, destination, port: far, gateway: up[family].address })
    const gateway = down[family].address
    for (const told of inside[tenant][family])
      create('route', { router: edge, destination: told, port: near, gateway })
  }
}
