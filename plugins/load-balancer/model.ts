// Load balancers as data.  A router has a load balancer, which has pools; a pool has members, and
// virtual addresses (VIPs) behind which they stand.
//
//   router ─► load-balancer ◄─ pool ◄─ vip
//                             ▲ └──► health-monitor
//                             └ pool-member

import Type from 'typebox'
import {
  AdminStateUp,
  address,
  defineModel,
  type Fault,
  type ModelValue,
  Name,
  object,
  type Status,
  type Stored,
  Uuid
} from '../../src/resource.ts'
import { CHECKER, healthOf, tableOf } from './health/table.ts'

const PORT_MAX = 0xffff
const WEIGHT_MAX = 1000

const Enabled = Type.Boolean({ default: true, description: 'false: as if it were not there' })

const PortNumber = (description: string) =>
  Type.Integer({ minimum: 1, maximum: PORT_MAX, description })

/** A load balancer in the store. */
export const loadBalancerModel = defineModel({
  kind: 'load-balancer',
  plural: 'load-balancers',
  summary: 'Gives connections to virtual addresses of a router to members of pools.',
  schema: object({
    name: Type.Optional(Name),
    tenant: Type.Optional(Name),
    adminStateUp: Type.Optional(Enabled)
  }),
  indexes: ['tenant']
})
export type LoadBalancerModel = ModelValue<typeof loadBalancerModel>

/** A pool in the store. */
export const poolModel = defineModel({
  kind: 'pool',
  plural: 'pools',
  summary: 'Members that share the connections to virtual addresses.',
  schema: object({
    loadBalancer: Uuid('the load balancer it belongs to'),
    name: Type.Optional(Name),
    adminStateUp: Type.Optional(AdminStateUp),
    algorithm: Type.Optional(
      Type.Union(
        [
          Type.Literal('rendezvous'),
          Type.Literal('weighted-random'),
          Type.Literal('least-connections')
        ],
        { default: 'rendezvous', description: 'how a member is found for a new connection' }
      )
    ),
    healthMonitor: Type.Optional(Uuid('how members are checked; not at all when left out'))
  }),
  references: [
    { field: 'loadBalancer', kind: 'load-balancer', onDelete: 'cascade' },
    { field: 'healthMonitor', kind: 'health-monitor', onDelete: 'clear' }
  ],
  indexes: ['loadBalancer']
})
export type PoolModel = ModelValue<typeof poolModel>

/** A virtual address in the store. */
export const vipModel = defineModel({
  kind: 'vip',
  plural: 'vips',
  summary: 'A virtual address and port, whose connections go to the members of a pool.',
  schema: object({
    pool: Uuid('the pool behind it'),
    name: Type.Optional(Name),
    adminStateUp: Type.Optional(Enabled),
    address: Type.String({ format: 'ip', description: 'IPv4 or IPv6' }),
    protocol: Type.Optional(
      Type.Union([Type.Literal('tcp'), Type.Literal('udp')], { default: 'tcp' })
    ),
    port: PortNumber('the first, or only, port'),
    portEnd: Type.Optional(PortNumber('the last port of a range')),
    onNoMember: Type.Optional(
      Type.Union([Type.Literal('reset-if-empty'), Type.Literal('reset'), Type.Literal('silent')], {
        default: 'reset-if-empty',
        description: 'whether clients hear that no member is there: by a reset or port unreachable'
      })
    ),
    sessionPersistence: Type.Optional(
      Type.Union([Type.Literal('none'), Type.Literal('source-address'), Type.Literal('5-tuple')], {
        default: 'none',
        description: 'what new connections have in common that go to the same member'
      })
    )
  }),
  references: [{ field: 'pool', kind: 'pool', onDelete: 'cascade' }],
  indexes: ['pool'],
  unique: [['pool', 'address', 'protocol', 'port']],
  validate: vipFaults
})
export type VipModel = ModelValue<typeof vipModel>

// As the host that checks has written it.
const memberStatus: Status = {
  fields: object({
    health: Type.Union([Type.Literal('up'), Type.Literal('down'), Type.Literal('unknown')], {
      readOnly: true,
      description: 'as its last checks found it; unknown: never checked, which counts as up'
    }),
    healthSince: Type.Optional(
      Type.String({ format: 'date-time', readOnly: true, description: 'when it became so' })
    ),
    healthReason: Type.Optional(
      Type.String({ readOnly: true, description: 'well, timeout, refused, status-503 …' })
    ),
    checker: Type.Optional(
      Type.String({ format: 'uuid', readOnly: true, description: 'the host that checks it' })
    )
  }),
  references: { checker: 'host' },
  entries: ({ id, pool }) => [id, CHECKER].map(key => ({ table: tableOf(pool as string), key })),
  read: (_, [health, checker]) => healthOf(health, checker)
}

/** A member of a pool in the store. */
export const poolMemberModel = defineModel({
  kind: 'pool-member',
  plural: 'pool-members',
  summary: 'A server of a pool.',
  schema: object({
    pool: Uuid('the pool it belongs to'),
    address: Type.String({ format: 'ip', description: 'IPv4 or IPv6' }),
    port: Type.Optional(PortNumber('the port of the VIP when left out')),
    weight: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: WEIGHT_MAX,
        default: 1,
        description: 'its share of new connections; 0: none'
      })
    ),
    adminStateUp: Type.Optional(
      Type.Boolean({ default: true, description: 'false: keeps the connections it has, no more' })
    ),
    drain: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'true: no new clients; known ones may come back'
      })
    ),
    connectionsMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000_000,
        description: 'connections at once, as one host counts them; no limit when left out'
      })
    )
  }),
  references: [{ field: 'pool', kind: 'pool', onDelete: 'cascade' }],
  indexes: ['pool'],
  unique: [['pool', 'address', 'port']],
  validate: nodeFaults,
  status: memberStatus
})
export type PoolMemberModel = ModelValue<typeof poolMemberModel>

function vipFaults(vip: Stored): Fault[] {
  const { port, portEnd } = vip as VipModel
  const faults = nodeFaults(vip)
  if (portEnd !== undefined && portEnd < port)
    faults.push({ field: 'portEnd', value: portEnd, expected: 'a port not below `port`' })
  return faults
}

// Text that is no address has been refused by its format already.
function nodeFaults({ address: value }: Stored): Fault[] {
  const ip = address.parseIp(value as string)
  const isLocal = ip.family === 6 && address.ipv6IsLinkLocal(ip.words[0]!)
  const isNode = address.isNode(ip) && !isLocal
  return isNode ? [] : [{ field: 'address', value, expected: 'the address of one node' }]
}
