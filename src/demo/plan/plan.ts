// The demo's network as data: who is where, under which address, and who may reach whom. Both
// tenants use the same networks; web1 and web2 of both even have the same addresses, so an answer
// counts only together with who gave it.

/** The version of the Internet Protocol. */
export type Family = 4 | 6
/** Both. */
export const families = [4, 6] as const

/** The hosts by name. */
export const hosts = ['compute1', 'compute2', 'gateway1', 'gateway2'] as const
export type HostName = (typeof hosts)[number]
/** Those of them that have uplinks. */
export const gateways = ['gateway1', 'gateway2'] as const
export type GatewayName = (typeof gateways)[number]

/** Two tenants with the same addresses. */
export const tenants = ['red', 'blue'] as const
export type Tenant = (typeof tenants)[number]
/** The networks of each tenant. */
export const networks = ['web', 'db'] as const
export type Network = (typeof networks)[number]

/** A virtual machine. */
export interface VmPlan {
  readonly name: string
  readonly tenant: Tenant
  readonly network: Network
  /** Where it is at first. */
  readonly host: HostName
  /** The last group of its addresses. */
  readonly number: number
}

/**
 * The first of blue's web servers is on the other host than the first of red's: what is in the same
 * place cannot be told from what has the same address.
 */
export const vms: readonly VmPlan[] = [
  { name: 'red-web1', tenant: 'red', network: 'web', host: 'compute1', number: 11 },
  { name: 'red-web2', tenant: 'red', network: 'web', host: 'compute2', number: 12 },
  { name: 'red-db1', tenant: 'red', network: 'db', host: 'compute2', number: 21 },
  { name: 'blue-web1', tenant: 'blue', network: 'web', host: 'compute2', number: 11 },
  { name: 'blue-web2', tenant: 'blue', network: 'web', host: 'compute2', number: 12 },
  { name: 'blue-db1', tenant: 'blue', network: 'db', host: 'compute1', number: 22 }
]

const numberOf: Readonly<Record<Network, number>> = { web: 1, db: 2 }

/** Address of a network's router. */
export const gatewayOf = (network: Network, family: Family): string =>
  family === 4 ? `10.0.${numberOf[network]}.1` : `fd00:${numberOf[network]}::1`

/** Address of a VM. */
export const addressOf = ({ network, number }: VmPlan, family: Family): string =>
  family === 4 ? `10.0.${numberOf[network]}.${number}` : `fd00:${numberOf[network]}::${number}`

/** Bits of a network's prefix. */
export const lengthOf: Readonly<Record<Family, number>> = { 4: 24, 6: 64 }

/** The network outside: an address of its own, behind the far ends of all uplinks. */
export const outside = { name: 'outside', 4: '203.0.113.10', 6: '2001:db8:113::10' } as const

/** The two ends of an uplink in one family. */
export interface UplinkEnd {
  /** Our router's address. */
  readonly near: string
  /** The outside's address. */
  readonly far: string
  /** Bits of the prefix between them. */
  readonly length: number
}

/** A way out: a tenant's router on a gateway, and what the outside network has at the other end. */
export interface Uplink extends Readonly<Record<Family, UplinkEnd>> {
  readonly tenant: Tenant
  /** The host it is at. */
  readonly gateway: GatewayName
  /** Its interface there. */
  readonly interface: string
  /** Of the router's port. */
  readonly mac: string
}

/** One for each tenant at each gateway. */
export const uplinks: readonly Uplink[] = tenants.flatMap((tenant, t) =>
  gateways.map((gateway, g) => {
    const at = 8 * t + 4 * g
    const six = `2001:db8:ffff:${t}${g}`
    return {
      tenant,
      gateway,
      interface: `up-${tenant}`,
      mac: `02:00:00:00:01:${t}${g}`,
      4: { near: `192.0.2.${at + 2}`, far: `192.0.2.${at + 1}`, length: 30 },
      6: { near: `${six}::2`, far: `${six}::1`, length: 64 }
    }
  })
)

/** What blue looks like from outside. */
export const snat: Readonly<Record<Family, string>> = { 4: '198.51.100.40', 6: '2001:db8:64::40' }
/** Before red's web servers. */
export const vip = { address: '198.51.100.80', port: 80 } as const

/** A route of the outside network. */
export interface RouteOut {
  /** Prefix. */
  readonly to: string
  /** Address of our router. */
  readonly via: string
}

/** What the outside network reaches by a tenant's uplinks. */
export const inside: Readonly<Record<Tenant, Readonly<Record<Family, readonly string[]>>>> = {
  red: { 4: ['10.0.0.0/8', `${vip.address}/32`], 6: ['fd00::/16'] },
  blue: { 4: [`${snat[4]}/32`], 6: [`${snat[6]}/128`] }
}

/** What the outside network needs to reach everybody by one gateway. */
export const routesBy = (gateway: GatewayName): RouteOut[] =>
  uplinks
    .filter(uplink => uplink.gateway === gateway)
    .flatMap(uplink =>
      families.flatMap(family =>
        inside[uplink.tenant][family].map(to => ({ to, via: uplink[family].near }))
      )
    )

/** Somebody who asks or is asked: a VM, or the outside. */
export interface Node {
  readonly name: string
  readonly tenant: Tenant | null
  /** Its address. */
  address(family: Family): string
}

/** All VMs, then the outside of each tenant. */
export const nodes: readonly Node[] = [
  ...vms.map(vm => ({
    name: vm.name,
    tenant: vm.tenant,
    address: (family: Family) => addressOf(vm, family)
  })),
  { name: outside.name, tenant: null, address: (family: Family) => outside[family] }
]

/** A question that one node asks another. */
export interface Pair {
  /** Its place in the plan. */
  readonly id: number
  /** Who asks. */
  readonly from: Node
  /** Who is asked. */
  readonly to: Node
  readonly family: Family
  /** Whether `from` is meant to reach `to`. */
  readonly expected: boolean
  /** Why it should be answered, or not. */
  readonly because: string
}

export const pairs: readonly Pair[] = families.flatMap((family, f) =>
  nodes.flatMap((from, i) =>
    nodes.flatMap((to, j) => {
      if (from === to) return []
      const id = (f * nodes.length + i) * nodes.length + j
      return [{ id, from, to, family, ...expectation(from, to) }]
    })
  )
)

function expectation(from: Node, to: Node): { expected: boolean; because: string } {
  if (from.tenant === to.tenant) return { expected: true, because: 'same tenant' }
  if (from.tenant !== null && to.tenant !== null)
    return { expected: false, because: 'another tenant' }
  if (from.tenant === 'blue') return { expected: true, because: 'SNAT' }
  if (to.tenant === 'blue') return { expected: false, because: 'no way in to blue' }
  if (to.name === 'red-db1') return { expected: false, because: 'firewall' }
  return { expected: true, because: "red's uplinks" }
}
