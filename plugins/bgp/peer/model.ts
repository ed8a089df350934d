// Routers outside with which ours speak BGP.

import Type from 'typebox'
import {
  AdminStateUp,
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
import { Asn, asnFaults } from '../models.ts'
import { bfdPart, isReachable, strayFault, twinFault } from '../neighbour/model.ts'
import { reportsIn, reportsOf, reportTable, type SessionReport } from '../table.ts'

const HOLD_MIN = 3 // RFC 4271 §4.2; without a hold time nobody would miss the other
const PREFIXES_MAX = 65_536 // as many as a router takes of what is learned

const seconds = (value: number, minimum: number, description: string) =>
  Type.Integer({ default: value, minimum, maximum: 65_535, description })

const session = object({
  host: Type.String({ description: 'the gateway' }),
  port: Type.String({ description: 'its uplink port' }),
  state: Type.String(),
  since: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  received: Type.Optional(Type.Integer()),
  sent: Type.Optional(Type.Integer()),
  bfd: Type.Optional(Type.String())
})

const peerStatus: Status = {
  fields: object({
    passwordSet: Type.Optional(
      Type.Boolean({ readOnly: true, description: 'there is a password, which is never shown' })
    ),
    state: Type.Optional(
      Type.String({
        readOnly: true,
        description: 'established: at every gateway that has it; else of the first that is not'
      })
    ),
    sessions: Type.Optional(
      Type.Array(session, { readOnly: true, description: 'as each gateway sees it' })
    )
  }),
  references: {},
  entries: ({ id, router }) => [
    { table: reportTable(router as string), key: reportsOf('peer', id), isPrefix: true }
  ],
  read: ({ password }, [text]) => {
    const isKnown = ({ state }: SessionReport) => typeof state === 'string'
    const sessions = reportsIn<SessionReport>(text, isKnown)
    const worst = sessions.find(({ state }) => state !== 'established') ?? sessions[0]
    return { passwordSet: password !== undefined, state: worst?.state ?? 'none', sessions }
  }
}

/** A peer in the store. */
export const bgpPeerModel = defineModel({
  kind: 'bgp-peer',
  plural: 'bgp-peers',
  summary: 'A router outside, with which the uplink ports of a router speak BGP.',
  schema: object({
    router: Uuid('the router it is a peer of'),
    port: Type.Optional(Uuid('the only port; without, every port whose network has the address')),
    name: Type.Optional(Name),
    address: Type.String({ format: 'ip', description: 'IPv4 or IPv6', examples: ['192.0.2.1'] }),
    asn: Asn('its autonomous system; another is refused'),
    keepaliveS: Type.Optional(seconds(3, 1, 'between two signs of life')),
    holdS: Type.Optional(seconds(9, HOLD_MIN, 'after so long a silence the session ends')),
    connectS: Type.Optional(seconds(5, 1, 'between two attempts')),
    password: Type.Optional(
      Type.String({
        pattern: '^[!->@-~]{1,80}$',
        writeOnly: true,
        description: 'for TCP MD5 (RFC 2385); never shown, null takes it away'
      })
    ),
    multihop: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 255,
        description: 'hops to it, at most; without: it is a neighbour on the link'
      })
    ),
    bfd: Type.Optional(bfdPart),
    maximumPrefixes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: PREFIXES_MAX,
        default: 10_000,
        description: 'a peer that tells more is shut'
      })
    ),
    importPolicy: Type.Optional(Uuid('of what it tells; without, all is taken')),
    exportPolicy: Type.Optional(Uuid('of what it is told; without, all our networks')),
    adminStateUp: Type.Optional(AdminStateUp)
  }),
  references: [
    { field: 'router', kind: 'router', onDelete: 'cascade' },
    { field: 'port', kind: 'port', onDelete: 'cascade' },
    { field: 'importPolicy', kind: 'bgp-policy', onDelete: 'refuse' },
    { field: 'exportPolicy', kind: 'bgp-policy', onDelete: 'refuse' }
  ],
  indexes: ['router'],
  unique: [['router', 'port', 'address']],
  validate: peerFaults,
  related: relatedFaults,
  status: peerStatus
})
export type BgpPeerModel = ModelValue<typeof bgpPeerModel>

function peerFaults(value: Stored): Fault[] {
  const peer = value as BgpPeerModel
  const { asn, keepaliveS = 3, holdS = 9, multihop, port } = peer
  const faults = asnFaults(asn, 'asn')
  const need = (ok: boolean, field: keyof BgpPeerModel, expected: string): void => {
    if (!ok) faults.push({ field, value: peer[field], expected })
  }
  need(isReachable(peer.address), 'address', 'the address of one node, none of one link alone')
  need(keepaliveS < holdS, 'keepaliveS', `less than holdS, which is ${holdS}`)
  need(multihop === undefined || port !== undefined, 'port', 'one: a peer over several hops')
  return faults
}

async function relatedFaults(value: Stored, others: ObjectReader): Promise<readonly Fault[]> {
  const peer = value as BgpPeerModel
  const fault = (await twinFault(peer, others)) ?? (await farFault(peer, others))
  return fault === undefined ? [] : [fault]
}

const farFault = async (peer: BgpPeerModel, others: ObjectReader): Promise<Fault | undefined> =>
  peer.multihop === undefined
    ? strayFault(peer, others, 'the address of a neighbour, or multihop')
    : undefined
