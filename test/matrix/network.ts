// The network of the matrix: one router, whose filters are exchanged for each way to translate, and
// a machine behind each of three ports.
//
//   inside 10.1.0.5 ── r0 ┐           ┌ r1 ── lan 10.2.0.2
//          fd01::5        ├── router ─┤            fd02::2
//                         ┘           └ r3 ── outside 198.51.100.9, 2001:db8:1::9
//
// Where the ports are is the place:  near: on one host.  far: r1 and r3 on another.  tunnel: the
// same, with less room between them than at the ports.  vlan: r0 is reached by a trunk of a bridge.

import { Topology } from '../world/objects.ts'
import type { WorldObject } from '../world/store.ts'
import type { Family, Link } from './bytes.ts'

export const PLACES = ['near', 'far', 'tunnel', 'vlan'] as const
export type Place = (typeof PLACES)[number]
export const WAYS = ['plain', 'snat', 'dnat', 'fixed', 'vip'] as const
export type Way = (typeof WAYS)[number]
/** `asks`: its rules ask for ports. */
export interface Config {
  readonly way: Way
  readonly asks: boolean
}
export const CONFIGS: readonly Config[] = WAYS.flatMap(way =>
  [false, true].map(asks => ({ way, asks }))
)

export interface Machine {
  readonly port: string // by which its frames go in
  readonly mac: string
  readonly router: string // MAC of the router's port
  readonly ip: Readonly<Record<Family, string>>
  readonly hop: Readonly<Record<Family, string>> // a router behind it
  readonly gateway: Readonly<Record<Family, string>>
  readonly interface: string
}

const machine = (n: number, name: string, ip4: string[], ip6: string[]): Machine => ({
  ...{ port: `r${n}`, mac: `02:00:00:00:01:0${n}`, router: `02:00:00:00:0a:0${n}` },
  ...{ ip: { 4: ip4[0]!, 6: ip6[0]! }, gateway: { 4: ip4[1]!, 6: ip6[1]! } },
  ...{ hop: { 4: ip4[2]!, 6: ip6[2]! }, interface: name }
})

export const inside = machine(
  0,
  'eth-vm0',
  ['10.1.0.5', '10.1.0.1', '10.1.0.33'],
  ['fd01::5', 'fd01::1', 'fd01::21']
)
export const lan = machine(
  1,
  'eth-vm1',
  ['10.2.0.2', '10.2.0.1', '10.2.0.33'],
  ['fd02::2', 'fd02::1', 'fd02::21']
)
export const outside = machine(
  3,
  'eth-up0',
  ['198.51.100.9', '198.51.100.1', '198.51.100.33'],
  ['2001:db8:1::9', '2001:db8:1::1', '2001:db8:1::21']
)
export const MACHINES = [inside, lan, outside]
export const PUBLIC: Readonly<Record<Family, string>> = { 4: '198.51.100.100', 6: '2001:db8:1::64' }
export const SERVICE = 80
export const SERVICE_INSIDE = 8080 // of what asks for ports and speaks to a machine inside
export const [SNAT_FIRST, SNAT_LAST] = [1024, 65_535]
export const VLAN = 10
const TRUNK = 'trunk'
const PROTOCOLS = { tcp: 6, udp: 17 } as const
const FAMILIES: readonly Family[] = [4, 6]

/** Who speaks first, and who is spoken to. */
export function endsOf({ way }: Config): { client: Machine; server: Machine } {
  if (way === 'plain') return { client: inside, server: lan }
  return way === 'snat' || way === 'fixed'
    ? { client: inside, server: outside }
    : { client: outside, server: inside }
}

export const entryOf = (m: Machine, place: Place): string =>
  place === 'vlan' && m === inside ? TRUNK : m.port

/** How a machine's frames look on its wire. */
export const linkOf = (m: Machine, place: Place): Link => ({
  ...{ from: m.mac, to: m.router },
  vlan: place === 'vlan' && m === inside ? VLAN : undefined
})

export const hostOf = (m: Machine, place: Place): string =>
  m === inside || place === 'near' || place === 'vlan' ? 'h0' : 'h1'

export function objectsOf(place: Place): readonly WorldObject[] {
  const at = new Topology().router('r')
  for (const m of MACHINES) {
    const addresses = [`${m.gateway[4]}/24`, `${m.gateway[6]}/64`]
    const where = { mac: m.router, addresses }
    if (m === inside && place === 'vlan') trunk(at, where)
    else at.bound(m.port, 'router', 'r', hostOf(m, place), { interface: m.interface, ...where })
  }
  for (const config of CONFIGS) policy(at, config)
  return at.objects
}

// Frames of VLAN 10 on a trunk are the router's on an access port.
function trunk(at: Topology, where: Record<string, unknown>): void {
  at.bridge('b').bound(TRUNK, 'bridge', 'b', 'h0', { interface: inside.interface })
  const access = { type: 'bridge', device: 'b', vlan: VLAN }
  at.link('to-r0', access, 'r0', { type: 'router', device: 'r', ...where })
}

/** What the router is while a configuration holds. */
export function routerOf(config: Config): Record<string, unknown> {
  const name = nameOf(config)
  const filters = { inFilter: `${name}-in`, outFilter: `${name}-out` }
  return { id: 'r', ...(config.way === 'vip' ? { loadBalancer: name } : filters) }
}

const nameOf = ({ way, asks }: Config): string => `${way}${asks ? '-ports' : ''}`

/** Its rules, a line for each; of a load balancer its parts. */
export function configText(config: Config): string[] {
  const at = new Topology()
  policy(at, config)
  return at.objects
    .filter(({ kind }) => kind !== 'chain')
    .map(({ kind, value: { id, ...fields } }) => `  ${kind} ${id} ${JSON.stringify(fields)}`)
}

type Rule = { readonly action: string } & Record<string, unknown>

function policy(at: Topology, config: Config): void {
  const name = nameOf(config)
  if (config.way === 'vip') return balancer(at, name, config.asks)
  const rules = rulesOf(config)
  for (const [end, list] of Object.entries(rules)) {
    at.add('chain', `${name}-${end}`, { name: `${name}-${end}` })
    for (const [i, { action, ...fields }] of list.entries())
      at.rule(`${name}-${end}`, i + 1, action, fields)
  }
}

// A rule for each family; one for each protocol as well where it asks for ports.
function forAll(asks: boolean, field: string, rule: (family: Family) => Rule): Rule[] {
  if (!asks) return FAMILIES.map(rule)
  const ports = { [field]: { start: SERVICE, end: SERVICE } }
  return Object.values(PROTOCOLS).flatMap(protocol =>
    FAMILIES.map(family => ({ ...rule(family), protocol, ...ports }))
  )
}

const one = (family: Family, ip: string): string => `${ip}/${family === 4 ? 32 : 128}`
const INSIDE_NET = { 4: '10.1.0.0/24', 6: 'fd01::/64' } as const

function rulesOf({ way, asks }: Config): { in: Rule[]; out: Rule[] } {
  const port = asks ? { portFrom: SERVICE_INSIDE, portTo: SERVICE_INSIDE } : {}
  const range = { portFrom: SNAT_FIRST, portTo: SNAT_LAST }
  const [to, from] = ['destinationPorts', 'sourcePorts']
  const outward = { action: 'snat', outPorts: [outside.port] }
  switch (way) {
    case 'snat': {
      const rules = forAll(asks, to, family => ({
        ...{ ...outward, source: INSIDE_NET[family] },
        natTargets: [{ from: PUBLIC[family], ...range }]
      }))
      return { in: [{ action: 'reverse-snat' }], out: rules }
    }
    case 'dnat': {
      const target = (family: Family) => ({ from: inside.ip[family], ...port })
      const rules = forAll(asks, to, family => ({
        ...{ action: 'dnat', destination: one(family, PUBLIC[family]) },
        natTargets: [target(family), target(family)] // of one alone nothing is remembered
      }))
      return { in: rules, out: [{ action: 'reverse-dnat' }] }
    }
    case 'fixed':
      return {
        in: forAll(asks, from, family => ({
          ...{ action: 'dnat', destination: one(family, PUBLIC[family]) },
          natTargets: [{ from: inside.ip[family] }]
        })),
        out: forAll(asks, to, family => ({
          ...{ ...outward, source: one(family, inside.ip[family]) },
          natTargets: [{ from: PUBLIC[family] }]
        }))
      }
    default:
      return { in: asks ? guard : [], out: [] }
  }
}

// Answers to what was asked, questions to the service, and nothing else.
const guard: Rule[] = [
  { action: 'accept', connectionStates: ['established', 'related'] },
  ...forAll(true, 'destinationPorts', family => ({
    ...{ action: 'accept', source: INSIDE_NET[family], connectionStates: ['new'] }
  })),
  { action: 'drop' }
]

function balancer(at: Topology, name: string, asks: boolean): void {
  at.add('load-balancer', name).add('pool', name, { loadBalancer: name, algorithm: 'rendezvous' })
  for (const family of FAMILIES) {
    const to = asks ? { port: SERVICE_INSIDE } : {}
    const address = inside.ip[family]
    at.add('pool-member', `${name}-member-${family}`, { pool: name, weight: 1, address, ...to })
    for (const protocol of Object.keys(PROTOCOLS)) {
      const vip = { pool: name, address: PUBLIC[family], protocol, port: SERVICE }
      const more = { portEnd: SERVICE, sessionPersistence: 'none' }
      at.add('vip', `${name}-${protocol}-${family}`, { ...vip, ...more })
    }
  }
}
