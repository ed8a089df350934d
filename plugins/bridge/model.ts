// What a bridge is, as data: the store, the API, the CLI and the docs are made of this.

import Type from 'typebox'
import {
  AdminStateUp,
  type Completing,
  defineModel,
  type ModelValue,
  Name,
  type PortPart,
  portFields,
  type Stored,
  securityFaults,
  Uuid
} from '../../src/resource.ts'
import { MAC_AGE_MS, MACS_MAX } from './limits.ts'

/** A bridge in the store. */
export const bridgeModel = defineModel({
  kind: 'bridge',
  plural: 'bridges',
  summary: 'A virtual switch: learns addresses, forwards by them, floods what it does not know.',
  schema: Type.Object(
    {
      name: Type.Optional(Name),
      tenant: Type.Optional(Name),
      adminStateUp: Type.Optional(AdminStateUp),
      inFilter: Type.Optional(Uuid('chain for untagged frames that enter')),
      outFilter: Type.Optional(Uuid('chain for untagged frames that leave')),
      relayReserved: Type.Optional(
        Type.Boolean({
          default: false,
          description:
            'true: relays frames for 01:80:c2:00:00:03 to :0f (802.1X, LLDP); those below never'
        })
      ),
      macAgeMs: Type.Optional(
        Type.Integer({
          minimum: 1000,
          maximum: 86_400_000,
          default: MAC_AGE_MS,
          description: 'how long a silent address is remembered'
        })
      ),
      macsMax: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1_048_576,
          default: MACS_MAX,
          description: 'addresses remembered at most'
        })
      )
    },
    { additionalProperties: false }
  ),
  references: [
    { field: 'inFilter', kind: 'chain', onDelete: 'clear' },
    { field: 'outFilter', kind: 'chain', onDelete: 'clear' }
  ],
  indexes: ['tenant']
})
export type BridgeModel = ModelValue<typeof bridgeModel>

const { allowedAddresses, allowedServices, vlan } = portFields

/** What ports of bridges have beside what all ports have. */
export const bridgePort: PortPart = {
  fields: { allowedAddresses, allowedServices, vlan },
  validate: securityFaults,
  complete: withSecurity
}

/** What a port may send whose body says nothing of port security. */
const NEW_PORTS = {
  off: {},
  services: { allowedServices: [] },
  addresses: { allowedAddresses: [] }
} as const

// A body that says anything of port security has thought of it.
function withSecurity(port: Stored, { newPorts }: Completing): Readonly<Record<string, unknown>> {
  const isSaid = port.allowedAddresses !== undefined || port.allowedServices !== undefined
  return isSaid ? {} : NEW_PORTS[newPorts]
}
