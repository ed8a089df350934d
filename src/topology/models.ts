// The models no plugin owns: hosts, tunnel zones, groups of ports, and what all ports have.

import Type, { type Static } from 'typebox'
import { isNode, parseIp, parsePrefix } from '../wire/address.ts'
import type { portFields } from './assembly/port-fields.ts'
import { hostStatus } from './hosts/registration.ts'
import { defineModel, type Fault, type ModelValue, type Stored } from './model.ts'

/** A field that names an object. */
export const Uuid = (description: string) => Type.String({ format: 'uuid', description })
/** A name for people. */
export const Name = Type.String({ minLength: 1, maxLength: 255 })
/** Whether the operator has not set it down. */
export const AdminStateUp = Type.Boolean({ default: true, description: 'false: drops everything' })

/** The schema of an object that has these fields and no others. */
export const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })

/** A host in the store. */
export const hostModel = defineModel({
  kind: 'host',
  plural: 'hosts',
  summary: 'A machine that runs an agent.',
  schema: object({
    name: Name,
    drain: Type.Optional(
      Type.Boolean({ description: 'true: traffic from outside is to take other ways' })
    )
  }),
  unique: [['name']],
  status: hostStatus
})

/** A tunnel zone in the store. */
export const tunnelZoneModel = defineModel({
  kind: 'tunnel-zone',
  plural: 'tunnel-zones',
  summary: 'Hosts that reach each other by one kind of tunnel.',
  schema: object({
    name: Name,
    type: Type.Union([Type.Literal('vxlan'), Type.Literal('gre')], { default: 'vxlan' }),
    autoJoin: Type.Optional(
      Type.Object(
        {
          interface: Type.Optional(
            Type.String({ format: 'interface', description: 'hosts that have an address on it' })
          ),
          network: Type.Optional(
            Type.String({ format: 'cidr', description: 'hosts that have an address within it' })
          )
        },
        {
          additionalProperties: false,
          description: 'which hosts join by themselves: either interface or network (IPv4)',
          examples: [{ network: '10.0.0.0/24' }]
        }
      )
    )
  }),
  unique: [['name']],
  validate: ({ autoJoin }) => (autoJoin === undefined ? [] : autoJoinFaults(autoJoin))
})
export type TunnelZoneModel = ModelValue<typeof tunnelZoneModel>

function autoJoinFaults(autoJoin: unknown): Fault[] {
  const { interface: name, network } = autoJoin as { interface?: string; network?: string }
  if ((name === undefined) === (network === undefined))
    return [{ field: 'autoJoin', value: autoJoin, expected: 'either interface or network' }]
  if (network === undefined || parsePrefix(network).family === 4) return []
  return [{ field: 'autoJoin.network', value: network, expected: 'a network of IPv4' }]
}

/** A host's membership of a tunnel zone. */
export const tunnelZoneHostModel = defineModel({
  kind: 'tunnel-zone-host',
  plural: 'tunnel-zone-hosts',
  summary: "A host's membership of a tunnel zone, with its underlay address.",
  schema: object({
    zone: Uuid('the tunnel zone'),
    host: Uuid('the host'),
    address: Type.String({ format: 'ipv4', description: 'underlay IPv4 address' }),
    joinedBy: Type.Optional(
      Type.String({
        format: 'ipv4',
        readOnly: true,
        description: 'the address it joined by itself with; while that is its address, it follows'
      })
    )
  }),
  references: [
    { field: 'zone', kind: 'tunnel-zone', onDelete: 'cascade' },
    { field: 'host', kind: 'host', onDelete: 'refuse' }
  ],
  indexes: ['zone', 'host'],
  unique: [
    ['zone', 'host'],
    ['zone', 'address']
  ],
  validate: ({ address }) =>
    isNode(parseIp(address as string))
      ? []
      : [{ field: 'address', value: address, expected: 'the address of one node' }]
})
export type TunnelZoneHostModel = ModelValue<typeof tunnelZoneHostModel>

/** Tunnel keys above are the system's own: 0xfffffd is for agents, 0xffffff for flow state. */
export const PORT_NUMBER_MAX = 0xfffffc

// Three ends are possible: a `peer` port (a link), an interface of a host (a binding), or nothing
// yet.  `number` is its tunnel key.  `previousHost` is written with the binding, so that the new
// host knows whom to ask for the state of its flows.
/** What all ports have; `type` is the kind of the device. See assembly/port-model.ts. */
export const commonPortFields = {
  name: Type.Optional(Name),
  type: Type.String(),
  device: Uuid('the device it belongs to'),
  number: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: PORT_NUMBER_MAX,
      readOnly: true,
      description: 'tunnel key'
    })
  ),
  adminStateUp: Type.Optional(AdminStateUp),
  peer: Type.Optional(Uuid('the port at the other end of the link')),
  host: Type.Optional(Uuid('the host it is bound on')),
  interface: Type.Optional(
    Type.String({ format: 'interface', description: 'name of the bound interface' })
  ),
  previousHost: Type.Optional(
    Type.String({
      format: 'uuid',
      readOnly: true,
      description: 'the host it was bound on before: who knows the state of its flows'
    })
  )
}

const Filter = Type.Optional(Type.String())

type WalkFields = typeof commonPortFields &
  typeof portFields & { inFilter: typeof Filter; outFilter: typeof Filter }

/** A port of any device, with the fields that the walk knows. */
export type PortModel = Static<ReturnType<typeof object<WalkFields>>> & { readonly id: string }

/** Interfaces of Mezzo itself: pairs that packets are sent by, and that lead to control planes. */
export const isOwn = (name: string): boolean => /^mz(?:inj|u[0-9a-f]{8}$)/.test(name)
/** Interfaces that no host can give: its loopback, and our own. */
export const isReserved = (name: string): boolean => name === 'lo' || isOwn(name)

/** Faults that the schema cannot say, of what all ports have. */
export function commonPortFaults(port: Stored): Fault[] {
  const faults: Fault[] = []
  const need = (ok: boolean, field: string, expected: string): void => {
    if (!ok) faults.push({ field, value: port[field], expected })
  }
  const has = (field: string): boolean => port[field] !== undefined
  need(
    typeof port.interface !== 'string' || !isReserved(port.interface),
    'interface',
    'an interface that may be bound: neither the loopback nor one of our own'
  )
  need(has('host') === has('interface'), has('host') ? 'interface' : 'host', 'both or neither')
  need(!(has('peer') && has('host')), 'peer', 'no peer on a port bound to an interface')
  need(port.peer !== port.id || !has('peer'), 'peer', 'another port')
  need(!has('previousHost') || port.previousHost !== port.host, 'previousHost', 'another host')
  return faults
}

const GROUP_MAX = 1024

/** A port group in the store. */
export const portGroupModel = defineModel({
  kind: 'port-group',
  plural: 'port-groups',
  summary: 'A set of ports that rules can name, and whose hosts may share flow state.',
  schema: object({
    name: Name,
    tenant: Type.Optional(Name),
    stateful: Type.Optional(
      Type.Boolean({
        default: false,
        description: "hosts of its ports share the state of each other's flows"
      })
    ),
    ports: Type.Optional(
      Type.Array(Uuid('a port'), {
        maxItems: GROUP_MAX,
        uniqueItems: true,
        description: 'the members'
      })
    )
  }),
  references: [{ field: 'ports', kind: 'port', onDelete: 'clear' }],
  indexes: ['tenant', 'ports']
})
export type PortGroupModel = ModelValue<typeof portGroupModel>

/** One object of a store: what all its hosts know and nobody else does. See state-key.ts. */
export const stateKeyModel = defineModel({
  kind: 'state-key',
  plural: 'state-keys',
  summary: 'The secret that proves messages of flow state to be of our hosts.',
  schema: object({
    secret: Type.String({ minLength: 64, maxLength: 64, pattern: '^[0-9a-f]{64}$' })
  }),
  hidden: true
})

/** One object of a store: what tells it from every other store. See src/main/store-mark.ts. */
export const storeIdentityModel = defineModel({
  kind: 'store-identity',
  plural: 'store-identities',
  summary: 'What tells this store from every other one.',
  schema: object({ identity: Uuid('of the store') }),
  hidden: true
})

/** Models that no plugin brings. */
export const coreModels = [
  hostModel,
  tunnelZoneModel,
  tunnelZoneHostModel,
  portGroupModel,
  stateKeyModel,
  storeIdentityModel
] as const
