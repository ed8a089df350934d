// Uplinks of sites whose routers outside speak no BGP: a next hop, what it leads to, and BFD that
// says whether it is there.

import Type from 'typebox'
import {
  AdminStateUp,
  address,
  defineModel,
  type Fault,
  type ModelValue,
  Name,
  type ObjectReader,
  object,
  type Status,
  type Stored,
  Uuid
} from '../../../src/resource.ts'
import { bfdPart, isReachable, strayFault, twinFault } from '../neighbour/model.ts'
import { reportsIn, reportsOf, reportTable, type StaticReport } from '../table.ts'

const PREFIXES_MAX = 256
// As routes have them.
const WEIGHT_DEFAULT = 100
const SHARE_MAX = 65_535
// Heavier ones are kept for ways that are damped, and for gateways that are drained.
const WEIGHT_MAX = 100_000

const gateway = object({
  host: Type.String(),
  port: Type.String({ description: 'its uplink port' }),
  state: Type.String(),
  since: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String())
})

const FINE = ['up', 'unwatched']

const staticStatus: Status = {
  fields: object({
    state: Type.Optional(
      Type.String({
        readOnly: true,
        description: 'up, or unwatched, at every gateway that has it; else of the first that is not'
      })
    ),
    gateways: Type.Optional(
      Type.Array(gateway, { readOnly: true, description: 'as each gateway sees it' })
    )
  }),
  references: {},
  entries: ({ id, router }) => [
    { table: reportTable(router as string), key: reportsOf('static', id), isPrefix: true }
  ],
  read: (_, [text]) => {
    const isKnown = ({ state }: StaticReport) => typeof state === 'string'
    const gateways = reportsIn<StaticReport>(text, isKnown)
    const worst = gateways.find(({ state }) => !FINE.includes(state)) ?? gateways[0]
    return { state: worst?.state ?? 'none', gateways }
  }
}

/** A static uplink in the store. */
export const staticUplinkModel = defineModel({
  kind: 'static-uplink',
  plural: 'static-uplinks',
  summary: 'A router outside that speaks no BGP: a next hop of a router, watched by BFD.',
  schema: object({
    router: Uuid('the router it is an uplink of'),
    port: Type.Optional(Uuid('the only port; without, every port whose network has the address')),
    name: Type.Optional(Name),
    address: Type.String({
      format: 'ip',
      description: 'of the next hop, IPv4 or IPv6',
      examples: ['192.0.2.1']
    }),
    prefixes: Type.Optional(
      Type.Array(Type.String({ format: 'cidr' }), {
        minItems: 1,
        maxItems: PREFIXES_MAX,
        uniqueItems: true,
        description: 'what it leads to; without, all of its family: 0.0.0.0/0 or ::/0'
      })
    ),
    bfd: Type.Optional(bfdPart),
    weight: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: WEIGHT_MAX,
        default: WEIGHT_DEFAULT,
        description: 'the lower wins among ways to one prefix'
      })
    ),
    share: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: SHARE_MAX,
        description: 'of ways of one weight: what it takes of the flows beside the others; 1'
      })
    ),
    adminStateUp: Type.Optional(AdminStateUp)
  }),
  references: [
    { field: 'router', kind: 'router', onDelete: 'cascade' },
    { field: 'port', kind: 'port', onDelete: 'cascade' }
  ],
  indexes: ['router'],
  unique: [['router', 'port', 'address']],
  validate: faultsOf,
  related: relatedFaults,
  status: staticStatus
})
export type StaticUplinkModel = ModelValue<typeof staticUplinkModel>

function faultsOf(value: Stored): Fault[] {
  const { address: nextHop, prefixes = [] } = value as StaticUplinkModel
  if (!isReachable(nextHop))
    return [
      {
        field: 'address',
        value: nextHop,
        expected: 'the address of one node, none of one link alone'
      }
    ]
  const { family } = address.parseIp(nextHop)
  return prefixes.flatMap((prefix, i) =>
    address.parsePrefix(prefix).family === family
      ? []
      : [{ field: `prefixes[${i}]`, value: prefix, expected: `IPv${family}, as the next hop is` }]
  )
}

async function relatedFaults(value: Stored, others: ObjectReader): Promise<readonly Fault[]> {
  const uplink = value as StaticUplinkModel
  const fault = (await twinFault(uplink, others)) ?? (await strayFault(uplink, others))
  return fault === undefined ? [] : [fault]
}
