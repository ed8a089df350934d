// Who speaks BGP for a router, what it announces, and policies. Peers are in peer/model.ts.
//
//   router ─► bgp-speaker (its AS number; of one port, where it names one)
//     ├─────► bgp-network (a prefix to announce)
//     └─────► bgp-peer ───► bgp-policy (of import, of export)

import Type from 'typebox'
import {
  defineModel,
  type Fault,
  type ModelValue,
  Name,
  type ObjectReader,
  object,
  type Status,
  type Stored,
  Uuid
} from '../../src/resource.ts'
import { type NetworkReport, reportsIn, reportsOf, reportTable } from './table.ts'

const ASN_MAX = 0xffff_ffff
// RFC 7300 and RFC 6793 keep these; RFC 7607 keeps 0.
const RESERVED = [23_456, 65_535, ASN_MAX]

/** The number of an autonomous system. */
export const Asn = (description: string) =>
  Type.Integer({ minimum: 1, maximum: ASN_MAX, description, examples: [65_001] })

/** Faults of a field that holds the number of an autonomous system. */
export const asnFaults = (value: number | undefined, field: string): Fault[] =>
  value === undefined || !RESERVED.includes(value)
    ? []
    : [{ field, value, expected: 'the number of an autonomous system; this one is reserved' }]

/** A speaker in the store. */
export const bgpSpeakerModel = defineModel({
  kind: 'bgp-speaker',
  plural: 'bgp-speakers',
  summary: 'Has the uplink ports of a router, or one of them, speak BGP.',
  schema: object({
    router: Uuid('the router it speaks for'),
    port: Type.Optional(Uuid('the only port it is for; of two, this one counts at the port')),
    asn: Asn('our autonomous system'),
    routerId: Type.Optional(
      Type.String({ format: 'ipv4', description: "who we are; the port's first IPv4 address" })
    ),
    gracefulRestartS: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 4095,
        description: 'peers are asked to keep our routes so long while FRR restarts'
      })
    ),
    maximumPaths: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 64, default: 8, description: 'next hops of one route' })
    )
  }),
  references: [
    { field: 'router', kind: 'router', onDelete: 'cascade' },
    { field: 'port', kind: 'port', onDelete: 'cascade' }
  ],
  indexes: ['router'],
  unique: [['router', 'port']],
  validate: ({ asn }) => asnFaults(asn as number, 'asn'),
  related: soleSpeaker
})
export type BgpSpeakerModel = ModelValue<typeof bgpSpeakerModel>

async function soleSpeaker(value: Stored, others: ObjectReader): Promise<readonly Fault[]> {
  const { id, router, port } = value as BgpSpeakerModel
  if (port !== undefined) return []
  const field = 'router'
  for await (const { value: other } of others.list('bgp-speaker', { field, value: router }))
    if (other.id !== id && other.port === undefined) {
      const expected = `a router without a bgp-speaker for all its ports; it has ${other.id}`
      return [{ field, value: router, expected }]
    }
  return []
}

const networkStatus: Status = {
  fields: object({
    announced: Type.Optional(
      Type.Boolean({ readOnly: true, description: 'by one gateway at least' })
    ),
    gateways: Type.Optional(
      Type.Array(
        object({
          host: Type.String(),
          port: Type.String(),
          announced: Type.Boolean(),
          reasons: Type.Optional(Type.Array(Type.String()))
        }),
        { readOnly: true, description: 'what each says, and why it does not announce' }
      )
    )
  }),
  references: {},
  entries: ({ id, router }) => [
    { table: reportTable(router as string), key: reportsOf('network', id), isPrefix: true }
  ],
  read: (_, [text]) => {
    const isKnown = ({ announced }: NetworkReport) => typeof announced === 'boolean'
    const gateways = reportsIn<NetworkReport>(text, isKnown)
    return { announced: gateways.some(({ announced }) => announced), gateways }
  }
}

/** A network in the store. */
export const bgpNetworkModel = defineModel({
  kind: 'bgp-network',
  plural: 'bgp-networks',
  summary: 'A prefix that the speakers of a router announce to all their peers.',
  schema: object({
    router: Uuid('the router whose it is'),
    prefix: Type.String({ format: 'cidr', description: 'network, IPv4 or IPv6' })
  }),
  references: [{ field: 'router', kind: 'router', onDelete: 'cascade' }],
  indexes: ['router'],
  unique: [['router', 'prefix']],
  status: networkStatus
})
export type BgpNetworkModel = ModelValue<typeof bgpNetworkModel>

const ENTRIES_MAX = 256
const COMMUNITIES_MAX = 32

/** A policy in the store. */
export const bgpPolicyModel = defineModel({
  kind: 'bgp-policy',
  plural: 'bgp-policies',
  summary: 'Which prefixes are taken from a peer or told to it, and with what attributes.',
  schema: object({
    name: Name,
    tenant: Type.Optional(Name),
    prefixes: Type.Optional(
      Type.Array(
        object({
          prefix: Type.String({ format: 'cidr' }),
          ge: Type.Optional(Type.Integer({ minimum: 0, maximum: 128 })),
          le: Type.Optional(Type.Integer({ minimum: 0, maximum: 128 })),
          action: Type.Union([Type.Literal('permit'), Type.Literal('deny')])
        }),
        {
          maxItems: ENTRIES_MAX,
          description: 'in order, the first that fits decides; none fits: denied; empty: permitted'
        }
      )
    ),
    communities: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^([0-9]{1,5}:[0-9]{1,5}|no-export|no-advertise|graceful-shutdown|blackhole)$'
        }),
        { maxItems: COMMUNITIES_MAX, uniqueItems: true, description: 'added to what is permitted' }
      )
    ),
    localPreference: Type.Optional(Type.Integer({ minimum: 0, maximum: ASN_MAX })),
    med: Type.Optional(Type.Integer({ minimum: 0, maximum: ASN_MAX })),
    prepend: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10, description: 'our AS number so many times more' })
    )
  }),
  indexes: ['tenant'],
  unique: [['name']],
  validate: policyFaults
})
export type BgpPolicyModel = ModelValue<typeof bgpPolicyModel>

const PART_MAX = 0xffff

function policyFaults(value: Stored): Fault[] {
  const { prefixes = [], communities = [] } = value as BgpPolicyModel
  const faults: Fault[] = prefixes.flatMap(({ prefix, ge, le }, i) => {
    const length = Number(prefix.split('/')[1])
    const most = prefix.includes(':') ? 128 : 32
    const least = ge ?? length
    const at = `prefixes[${i}]`
    if (ge !== undefined && (ge < length || ge > most))
      return [{ field: `${at}.ge`, value: ge, expected: `from ${length} to ${most}` }]
    if (le !== undefined && (le < least || le > most))
      return [{ field: `${at}.le`, value: le, expected: `from ${least} to ${most}` }]
    return []
  })
  for (const [i, text] of communities.entries())
    if (text.split(':').some(part => Number(part) > PART_MAX))
      faults.push({
        field: `communities[${i}]`,
        value: text,
        expected: 'two numbers up to 65535, or a well-known name'
      })
  return faults
}
