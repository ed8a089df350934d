// What a router is made of, as the API and the store know it: the router itself and its routes.
// The routes to what its ports are connected to, and to their own addresses, are not stored:
// they follow from the addresses of the ports (routes.ts).

import Type from 'typebox'
import {
  AdminStateUp,
  address,
  defineModel,
  type Fault,
  type ModelValue,
  Name,
  object,
  type PortPart,
  portFields,
  type Random,
  type Stored,
  stationFaults,
  Uuid
} from '../../src/resource.ts'
import { SHARE_MAX, WEIGHT_DEFAULT } from './weight.ts'

const WEIGHT_MAX = 0x7fff_ffff

/** A router in the store. */
export const routerModel = defineModel({
  kind: 'router',
  plural: 'routers',
  summary: 'Forwards IPv4 and IPv6 between its ports by the longest matching route.',
  schema: object({
    name: Type.Optional(Name),
    tenant: Type.Optional(Name),
    adminStateUp: Type.Optional(AdminStateUp),
    inFilter: Type.Optional(Uuid('chain for what is about to be routed')),
    outFilter: Type.Optional(Uuid('chain for what has been routed')),
    loadBalancer: Type.Optional(Uuid('the load balancer that packets are offered to'))
  }),
  references: [
    { field: 'inFilter', kind: 'chain', onDelete: 'clear' },
    { field: 'outFilter', kind: 'chain', onDelete: 'clear' },
    { field: 'loadBalancer', kind: 'load-balancer', onDelete: 'clear' }
  ],
  indexes: ['tenant', 'loadBalancer']
})
export type RouterModel = ModelValue<typeof routerModel>

// Locally administered (02) and ours (4d, an M): a capture shows at once who made it.
const MAC_PREFIX = 0x024d

const newMac = (random: Random): string =>
  address.formatMac(address.macFrom(MAC_PREFIX, random.uint32()))

/** What ports of routers have beside what all ports have. */
export const routerPort: PortPart = {
  fields: { mac: portFields.mac, addresses: portFields.addresses },
  validate: stationFaults,
  complete: ({ mac }, { random }) => (mac === undefined ? { mac: newMac(random) } : {})
}

/** A route in the store. */
export const routeModel = defineModel({
  kind: 'route',
  plural: 'routes',
  summary: 'Where a router sends packets for a destination.',
  schema: object({
    router: Uuid('the router it belongs to'),
    destination: Type.String({ format: 'cidr', description: 'network, IPv4 or IPv6' }),
    source: Type.Optional(
      Type.String({ format: 'cidr', description: 'senders it is for; everyone when left out' })
    ),
    type: Type.Optional(
      Type.Union([Type.Literal('port'), Type.Literal('blackhole'), Type.Literal('reject')], {
        default: 'port',
        description: 'blackhole: drops in silence; reject: tells the sender'
      })
    ),
    port: Type.Optional(Uuid('the port it leaves by; needed for type port')),
    gateway: Type.Optional(
      Type.String({ format: 'ip', description: 'next hop; the destination when left out' })
    ),
    weight: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: WEIGHT_MAX,
        default: WEIGHT_DEFAULT,
        description: 'the lower wins among routes of one destination'
      })
    ),
    share: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: SHARE_MAX,
        description: 'of routes of one weight: what it takes of the flows beside the others; 1'
      })
    )
  }),
  references: [
    { field: 'router', kind: 'router', onDelete: 'cascade' },
    { field: 'port', kind: 'port', onDelete: 'cascade' }
  ],
  indexes: ['router', 'port'],
  validate: routeFaults
})
export type RouteModel = ModelValue<typeof routeModel>

function routeFaults(value: Stored): Fault[] {
  const route = value as RouteModel
  const faults: Fault[] = []
  const need = (ok: boolean, field: keyof RouteModel, expected: string): void => {
    if (!ok) faults.push({ field, value: route[field], expected })
  }
  const type = route.type ?? 'port'
  const family = familyOf(route.destination)
  const like = `an IPv${family} address, as ${route.destination} is`
  if (type === 'port') need(route.port !== undefined, 'port', 'a port of the router')
  else {
    need(route.port === undefined, 'port', `none: a ${type} route leads nowhere`)
    need(route.gateway === undefined, 'gateway', `none: a ${type} route leads nowhere`)
  }
  if (route.source !== undefined)
    need(familyOf(route.source) === family, 'source', like.replace('address', 'network'))
  if (route.gateway !== undefined) {
    need(familyOf(route.gateway) === family, 'gateway', like)
    need(address.isNode(address.parseIp(route.gateway)), 'gateway', 'the address of one node')
  }
  return faults
}

const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
