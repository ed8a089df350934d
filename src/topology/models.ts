// The models no plugin owns: hosts, tunnel zones, and the port every device has.

import Type from 'typebox'
import {
  formatIp,
  isNode,
  macIsStation,
  maskWord,
  parseIp,
  parseMac,
  parsePrefix
} from '../wire/address.ts'
import { defineModel, type Fault, type ModelValue, type Stored } from './model.ts'
import { allowedAddresses, allowedServices, securityFaults } from './port-security.ts'
import { portStatus } from './port-status.ts'

export const Uuid = (description: string) => Type.String({ format: 'uuid', description })
export const Name = Type.String({ minLength: 1, maxLength: 255 })
export const AdminStateUp = Type.Boolean({ default: true, description: 'false: drops everything' })

/** The schema of an object that has these fields and no others. */
export const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })

export const hostModel = defineModel({
  kind: 'host',
  plural: 'hosts',
  summary: 'A machine that runs an agent.',
  schema: object({
    name: Name
  }),
  unique: [['name']]
})

export const tunnelZoneModel = defineModel({
  kind: 'tunnel-zone',
  plural: 'tunnel-zones',
  summary: 'Hosts that reach each other by one kind of tunnel.',
  schema: object({
    name: Name,
    type: Type.Union([Type.Literal('vxlan'), Type.Literal('gre')], { default: 'vxlan' })
  }),
  unique: [['name']]
})
export type TunnelZoneModel = ModelValue<typeof tunnelZoneModel>

export const tunnelZoneHostModel = defineModel({
  kind: 'tunnel-zone-host',
  plural: 'tunnel-zone-hosts',
  summary: "A host's membership of a tunnel zone, with its underlay address.",
  schema: object({
    zone: Uuid('the tunnel zone'),
    host: Uuid('the host'),
    address: Type.String({ format: 'ipv4', description: 'underlay IPv4 address' })
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

// Tunnel keys above are the system's own: 0xfffffd is for agents, 0xffffff for flow state.
const NUMBER_MAX = 0xfffffc

// A port of a bridge or of a router.  Three ends are possible: a `peer` port (a link), an
// interface of a host (a binding), or nothing yet.  `number` is its tunnel key.  `previousHost` is
// written with the binding, so that the new host knows whom to ask for the state of its flows.
export const portModel = defineModel({
  kind: 'port',
  plural: 'ports',
  summary: 'A port of a bridge or router: linked to a peer, bound to an interface, or free.',
  schema: object({
    name: Type.Optional(Name),
    type: Type.Union([Type.Literal('bridge'), Type.Literal('router')]),
    device: Uuid('the bridge or router it belongs to'),
    number: Type.Optional(
      Type.Integer({ minimum: 1, maximum: NUMBER_MAX, readOnly: true, description: 'tunnel key' })
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
    ),
    inFilter: Type.Optional(Uuid('chain for what enters')),
    outFilter: Type.Optional(Uuid('chain for what leaves')),
    allowedAddresses,
    allowedServices,
    vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4094, description: 'bridge ports' })),
    mac: Type.Optional(Type.String({ format: 'mac', description: 'router ports' })),
    addresses: Type.Optional(
      Type.Array(Type.String({ format: 'interface-address' }), {
        maxItems: 64,
        description: 'router ports: address/length, IPv4 or IPv6'
      })
    )
  }),
  references: [
    { field: 'device', kind: ['bridge', 'router'], onDelete: 'cascade' },
    { field: 'peer', kind: 'port', onDelete: 'clear' },
    { field: 'host', kind: 'host', onDelete: 'refuse' },
    { field: 'previousHost', kind: 'host', onDelete: 'clear' },
    { field: 'inFilter', kind: 'chain', onDelete: 'clear' },
    { field: 'outFilter', kind: 'chain', onDelete: 'clear' }
  ],
  indexes: ['device', 'host', 'peer'],
  unique: [['number'], ['host', 'interface']],
  sequences: { number: { sequence: 'port-number', min: 1, max: NUMBER_MAX } },
  validate: portFaults,
  status: portStatus
})
export type PortModel = ModelValue<typeof portModel>

/** Interfaces that no host can give: its loopback, and the pair that packets are sent by. */
export const isReserved = (name: string): boolean => name === 'lo' || name.startsWith('mzinj')

function portFaults(port: Stored): Fault[] {
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
  if (port.type === 'bridge') {
    need(!has('mac'), 'mac', 'none: only router ports have a MAC')
    need(!has('addresses'), 'addresses', 'none: only router ports have addresses')
  } else {
    need(!has('vlan'), 'vlan', 'none: only bridge ports have a VLAN')
    need(has('mac'), 'mac', 'a MAC address')
    need(!has('mac') || macIsStation(parseMac(port.mac as string)), 'mac', STATION)
    faults.push(...addressFaults((port.addresses ?? []) as string[]))
  }
  faults.push(...securityFaults(port))
  return faults
}

const STATION = 'the MAC of one interface: neither a group nor 00:00:00:00:00:00'

function addressFaults(addresses: readonly string[]): Fault[] {
  const faults: Fault[] = []
  const known = new Set<string>()
  addresses.forEach((value, i) => {
    const expected = wrongAddress(value, known)
    if (expected !== '') faults.push({ field: `addresses[${i}]`, value, expected })
  })
  return faults
}

// What is expected instead; '' when nothing is wrong.  Text that is no address has been refused by
// its format already.  A /31 and a /32 have no address that is nobody's (RFC 3021); nor has IPv6.
function wrongAddress(text: string, known: Set<string>): string {
  const { family, words, length } = parsePrefix(text)
  const name = formatIp({ family, words })
  if (known.has(name)) return 'an address that the port does not have yet'
  known.add(name)
  if (!isNode({ family, words })) return 'the address of one node'
  if (family === 6 || length > 30) return ''
  const host = words[3]! & ~maskWord(length)
  if (host === 0) return "an address of one node in the network, not the network's own"
  if (host === ~maskWord(length))
    return 'an address of one node in the network, not its broadcast address'
  return ''
}

const GROUP_MAX = 1024

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

// One object of a store: what all its hosts know and nobody else does.  See state-key.ts.
export const stateKeyModel = defineModel({
  kind: 'state-key',
  plural: 'state-keys',
  summary: 'The secret that proves messages of flow state to be of our hosts.',
  schema: object({
    secret: Type.String({ minLength: 64, maxLength: 64, pattern: '^[0-9a-f]{64}$' })
  }),
  hidden: true
})

export const coreModels = [
  hostModel,
  tunnelZoneModel,
  tunnelZoneHostModel,
  portModel,
  portGroupModel,
  stateKeyModel
] as const
