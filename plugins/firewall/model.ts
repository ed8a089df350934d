// Chains, their rules, and the groups that rules name, as data.  A rule's conditions are flat
// fields of the rule; each has an `invert…` flag beside it.

import Type, { type TSchema } from 'typebox'
import {
  defineModel,
  type Fault,
  type Model,
  type ModelValue,
  Name,
  object,
  type RuleActionPart,
  type Stored,
  Uuid
} from '../../src/resource.ts'
import { flagFaults } from './flags.ts'
import { asksL4 } from './fragments.ts'
import { protocolNames, protocolNumber } from './protocols.ts'

const LIST_MAX = 1024

const Invert = Type.Optional(Type.Boolean({ default: false, description: 'match what is not so' }))
const Cidr = (description: string) => Type.Optional(Type.String({ format: 'cidr', description }))
const Mac = (description: string) => Type.Optional(Type.String({ format: 'mac', description }))
const Group = (description: string) => Type.Optional(Uuid(description))
const Ports = (description: string) =>
  Type.Optional(Type.Array(Uuid('a port'), { maxItems: LIST_MAX, uniqueItems: true, description }))
const Range = (description: string) => {
  const end = Type.Optional(Type.Integer({ minimum: 0, maximum: 0xffff }))
  return Type.Optional(
    Type.Object({ start: end, end }, { additionalProperties: false, description })
  )
}
/** What becomes of a packet, by the firewall itself; other plugins declare more. */
const OWN_ACTIONS = ['accept', 'drop', 'reject', 'return', 'jump']
const ConnectionState = Type.Union([
  Type.Literal('new'),
  Type.Literal('established'),
  Type.Literal('related'),
  Type.Literal('invalid'),
  Type.Literal('untracked')
])
const TcpFlag = Type.Union([
  Type.Literal('fin'),
  Type.Literal('syn'),
  Type.Literal('rst'),
  Type.Literal('psh'),
  Type.Literal('ack'),
  Type.Literal('urg'),
  Type.Literal('ece'),
  Type.Literal('cwr')
])
const Flags = (description: string) =>
  Type.Optional(Type.Array(TcpFlag, { uniqueItems: true, description }))
const FragmentPolicy = Type.Union([
  Type.Literal('any'),
  Type.Literal('header'),
  Type.Literal('nonheader'),
  Type.Literal('unfragmented')
])

/** A chain in the store. */
export const chainModel = defineModel({
  kind: 'chain',
  plural: 'chains',
  summary: 'A list of rules that a port, bridge or router runs its packets through.',
  schema: object({
    name: Name,
    tenant: Type.Optional(Name)
  }),
  indexes: ['tenant']
})
export type ChainModel = ModelValue<typeof chainModel>

/** A set of addresses in the store. */
export const ipGroupModel = defineModel({
  kind: 'ip-group',
  plural: 'ip-groups',
  summary: 'A set of IP addresses that rules can name.',
  schema: object({
    name: Name,
    tenant: Type.Optional(Name),
    addresses: Type.Optional(
      Type.Array(Type.String({ format: 'ip' }), { maxItems: 16_384, description: 'IPv4 or IPv6' })
    )
  }),
  indexes: ['tenant']
})
export type IpGroupModel = ModelValue<typeof ipGroupModel>

/** What rules have whatever their action is. */
const ruleFields = {
  chain: Uuid('the chain it belongs to'),
  position: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'lowest first; behind all others if absent'
    })
  ),
  action: Type.String(),
  jumpChain: Type.Optional(Uuid('the chain a jump goes to')),
  condInvert: Invert,
  fragmentPolicy: Type.Optional(FragmentPolicy),
  matchForwardFlow: Type.Optional(
    Type.Boolean({ description: 'in the direction in which its connection was opened' })
  ),
  matchReturnFlow: Type.Optional(Type.Boolean({ description: 'in the other direction' })),
  connectionStates: Type.Optional(
    Type.Array(ConnectionState, { minItems: 1, uniqueItems: true, description: 'any of these' })
  ),
  invertConnectionStates: Invert,
  noVlan: Type.Optional(Type.Boolean({ description: 'untagged frames only' })),
  vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4094, description: 'outer tag' })),
  inPorts: Ports('where the packet entered the device; an empty list matches none'),
  invertInPorts: Invert,
  outPorts: Ports('where it is about to leave the device; an empty list matches none'),
  invertOutPorts: Invert,
  portGroup: Group('a group of the port where the packet entered the network'),
  invertPortGroup: Invert,
  inPortGroup: Group('a group of the port where it entered the device'),
  invertInPortGroup: Invert,
  outPortGroup: Group('a group of the port where it is about to leave the device'),
  invertOutPortGroup: Invert,
  traversedDevice: Group('a port, device or chain the packet has been through'),
  invertTraversedDevice: Invert,
  ethType: Type.Optional(
    Type.Integer({ minimum: 0x600, maximum: 0xffff, description: 'behind any VLAN tags' })
  ),
  invertEthType: Invert,
  ethSrc: Mac('source MAC'),
  ethSrcMask: Mac('bits of it that count'),
  invertEthSrc: Invert,
  ethDst: Mac('destination MAC'),
  ethDstMask: Mac('bits of it that count'),
  invertEthDst: Invert,
  tos: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 255, description: 'TOS byte, or traffic class' })
  ),
  invertTos: Invert,
  protocol: Type.Optional(
    Type.Union([
      Type.Integer({ minimum: 0, maximum: 255 }),
      Type.String({ minLength: 1, maxLength: 16 })
    ])
  ),
  invertProtocol: Invert,
  source: Cidr('network of the source, IPv4 or IPv6'),
  invertSource: Invert,
  destination: Cidr('network of the destination, IPv4 or IPv6'),
  invertDestination: Invert,
  sourcePorts: Range('of TCP or UDP; of ICMP the types'),
  invertSourcePorts: Invert,
  destinationPorts: Range('of TCP or UDP; of ICMP the codes'),
  invertDestinationPorts: Invert,
  tcpFlags: Flags('that are set, of those in the mask; a TCP packet besides'),
  tcpFlagsMask: Flags('that count; when left out, those of tcpFlags'),
  invertTcpFlags: Invert,
  ipGroupSource: Group('an IP group that has the source'),
  invertIpGroupSource: Invert,
  ipGroupDestination: Group('an IP group that has the destination'),
  invertIpGroupDestination: Invert,
  icmpDataSource: Cidr('network of the source of the packet an ICMP error quotes'),
  invertIcmpDataSource: Invert,
  icmpDataDestination: Cidr('network of its destination'),
  invertIcmpDataDestination: Invert
}

/** Rules whose actions are the firewall's own, and these. */
export const ruleModelOf = (actions: readonly RuleActionPart[]): Model =>
  defineModel({
    kind: 'rule',
    plural: 'rules',
    summary: 'One rule of a chain: what it looks for, and what becomes of a packet that matches.',
    schema: object({
      ...ruleFields,
      action: Type.Union(
        [...OWN_ACTIONS, ...actions.map(({ name }) => name)].map(name => Type.Literal(name))
      ),
      ...actionFields(actions)
    }),
    references: [
      { field: 'chain', kind: 'chain', onDelete: 'cascade' },
      { field: 'jumpChain', kind: 'chain', onDelete: 'cascade' },
      // An empty list matches no port, so forgetting a port never makes a rule wider.
      { field: 'inPorts', kind: 'port', onDelete: 'clear' },
      { field: 'outPorts', kind: 'port', onDelete: 'clear' },
      // Forgetting a group would: the rule would no longer ask.
      ...['portGroup', 'inPortGroup', 'outPortGroup'].map(
        field => ({ field, kind: 'port-group', onDelete: 'refuse' }) as const
      ),
      { field: 'ipGroupSource', kind: 'ip-group', onDelete: 'refuse' },
      { field: 'ipGroupDestination', kind: 'ip-group', onDelete: 'refuse' }
      // `traversedDevice` refers to nothing on purpose: what is gone was not traversed.
    ],
    indexes: ['chain'],
    validate: rule => ruleFaults(rule, actions),
    ordered: 'position'
  })
/** A rule in the store, whatever its action is. */
export type RuleModel = ModelValue<Model<ReturnType<typeof object<typeof ruleFields>>>>

/** Actions may share a field, when it is the same. */
function actionFields(actions: readonly RuleActionPart[]): Record<string, TSchema> {
  const fields: Record<string, TSchema> = {}
  for (const [field, schema] of actions.flatMap(each => Object.entries(each.fields ?? {}))) {
    if (field in ruleFields || (fields[field] ?? schema) !== schema)
      throw new Error(`two plugins give rules a field called ${field}`)
    fields[field] = schema
  }
  return fields
}

function actionFaults(rule: Stored, actions: readonly RuleActionPart[]): Fault[] {
  const own = actions.find(({ name }) => name === rule.action)
  const foreign = Object.keys(actionFields(actions)).filter(
    field => rule[field] !== undefined && own?.fields?.[field] === undefined
  )
  const faults = foreign.map(field => {
    const having = actions.flatMap(({ name, fields }) => (fields?.[field] ? [name] : []))
    return { field, value: rule[field], expected: `none: only ${having.join(', ')} have this` }
  })
  return [...faults, ...(own?.validate?.(rule) ?? [])]
}

function ruleFaults(rule: Stored, actions: readonly RuleActionPart[]): Fault[] {
  const faults = actionFaults(rule, actions)
  const need = (ok: boolean, field: string, expected: string): void => {
    if (!ok) faults.push({ field, value: rule[field], expected })
  }
  const has = (field: string): boolean => rule[field] !== undefined
  const jumps = rule.action === 'jump'
  need(has('jumpChain') === jumps, 'jumpChain', jumps ? 'a chain' : 'none: only jumps have one')
  const both = rule.matchForwardFlow === true && rule.matchReturnFlow === true
  need(!both, 'matchReturnFlow', 'not beside matchForwardFlow: nothing would match')
  need(!(rule.noVlan === true && has('vlan')), 'vlan', 'none beside noVlan')
  need(has('ethSrc') || !has('ethSrcMask'), 'ethSrcMask', 'a mask only beside ethSrc')
  need(has('ethDst') || !has('ethDstMask'), 'ethDstMask', 'a mask only beside ethDst')
  for (const field of Object.keys(rule))
    if (field.startsWith('invert') && rule[field] === true) {
      const of = `${field.charAt(6).toLowerCase()}${field.slice(7)}`
      need(has(of), field, `${of} beside it`)
    }
  const names = `0 to 255, or one of ${protocolNames.join(', ')}`
  const protocol = rule.protocol as number | string | undefined
  need(protocol === undefined || protocolNumber(protocol) !== undefined, 'protocol', names)
  for (const field of ['sourcePorts', 'destinationPorts']) checkRange(field)
  flagFaults(rule as RuleModel, need)
  const isWhole = actions.some(({ name, isWhole }) => name === rule.action && isWhole === true)
  const policy = (rule.fragmentPolicy ?? 'header') as string
  const legal = !asksL4(rule) || isWhole || policy === 'header' || policy === 'unfragmented'
  need(legal, 'fragmentPolicy', 'header or unfragmented: later fragments have no ports')
  return faults

  function checkRange(field: string): void {
    const range = rule[field] as { start?: number; end?: number } | undefined
    if (range === undefined) return
    const { start = 0, end = 0xffff } = range
    const given = range.start !== undefined || range.end !== undefined
    need(given && start <= end, field, 'a start, an end or both, the start not above the end')
  }
}
