// A rule's conditions, compiled: an AND of parts, each with its own inversion, the whole perhaps
// inverted once more.  The fragment policy comes first and is never inverted.
//
// Parts that ask nothing of the packet come first, then the cheap questions: evaluation stops at
// the first part that fails, and only what was asked narrows the flow.  A part whose field the
// packet does not have does not match; its inversion does.

import {
  address,
  type ConnectionState,
  deviceTag,
  ethernet,
  Fragment,
  hidesNetwork,
  hidesTransport,
  ipv4,
  type Models,
  type PortGroupModel,
  type Scope,
  type SimulationContext,
  state,
  Tuple,
  tupleOf
} from '../../src/plugin.ts'
import { AddressSet } from './address-set.ts'
import { ofAnswer } from './answer.ts'
import { flagQuestion } from './flags.ts'
import { asksL4 } from './fragments.ts'
import type { IpGroupModel, RuleModel } from './model.ts'
import { protocolNumber } from './protocols.ts'
import { quotedWithin, within } from './within.ts'

/** `isAnswer`: it is asked of the answer to the packet that an error quotes (answer.ts). */
type Question = (ctx: SimulationContext, isAnswer: boolean) => boolean

interface Part {
  readonly asks: Question
  readonly invert: boolean
  readonly hidden: Hidden
}

// Why a packet cannot be asked this: a drop reason; null: it can.
type Hidden = (ctx: SimulationContext) => string | null
const ofFrame: Hidden = () => null
const ofNetwork: Hidden = ctx => (hidesNetwork(ctx) ? 'firewall.hidden-network' : null)
const ofTransport: Hidden = ctx =>
  ofNetwork(ctx) ?? (hidesTransport(ctx) ? 'firewall.hidden-transport' : null)

// An authentication header shows, whatever is behind it.
const AH = ipv4.Protocol.ah
const ofHeaders: Hidden = ctx =>
  ofNetwork(ctx) ?? (ctx.key.isAuthenticated ? null : ofTransport(ctx))

/** What a rule looks for. */
export class Condition {
  readonly #fragments: Question | null
  readonly #asksFragments: boolean
  readonly #parts: readonly Part[]
  readonly #invert: boolean
  /**
   * The last packet hid what it was asked for: whether it matches cannot be said. A drop reason.
   */
  hidden: string | null = null

  /** `isWhole`: its action looks into packets as wholes (RuleActionPart). */
  constructor(rule: RuleModel, models: Models, isWhole: boolean) {
    this.#fragments = fragmentQuestion(rule, isWhole)
    this.#asksFragments = asksFragments(rule)
    this.#parts = compile(rule, models, isWhole)
    this.#invert = rule.condInvert ?? false
  }

  /** Whether the packet has all of it; asks no more of the key than it must. */
  matches(ctx: SimulationContext): boolean {
    this.hidden = null
    const hidden = this.#asksFragments ? ofNetwork(ctx) : null
    if (hidden === null && this.#fragments !== null && !this.#fragments(ctx, false)) return false
    if (!this.#holds(ctx)) return false
    this.hidden = hidden
    return hidden === null
  }

  // Of all parts but the fragment policy.
  #holds(ctx: SimulationContext): boolean {
    for (const { asks, invert, hidden } of this.#parts) {
      this.hidden = hidden(ctx)
      if (this.hidden !== null) return false
      if (asks(ctx, false) === invert) return this.#invert
    }
    return !this.#invert
  }

  /** Whether the connection matches that an ICMP error is about: the answer to what it quotes. */
  concerns(ctx: SimulationContext): boolean {
    return ofAnswer(ctx, () => {
      if (this.#fragments !== null && !this.#fragments(ctx, true)) return false
      const matches = this.#parts.every(({ asks, invert }) => asks(ctx, true) !== invert)
      return matches !== this.#invert
    })
  }
}

const asksFragments = ({ fragmentPolicy = 'any' }: RuleModel): boolean => fragmentPolicy !== 'any'

function fragmentQuestion(rule: RuleModel, isWhole: boolean): Question | null {
  const isOfPorts = asksL4(rule)
  switch (rule.fragmentPolicy ?? (isOfPorts && !isWhole ? 'header' : 'any')) {
    case 'any':
      return null
    case 'header':
      return ctx => ctx.key.fragment !== Fragment.later
    case 'nonheader':
      return ctx => ctx.key.fragment === Fragment.later
    case 'unfragmented':
      return ctx => ctx.key.fragment === Fragment.none
  }
}

// A packet is translated as a whole: its later fragments answer for ports as the first one did.
// What was never seen to begin cannot be translated, and must not leave as it is.
const scratch = new Int32Array(state.KEY_WORDS)
const nowhere: Scope = { kind: state.Kind.connection, words: [0, 0] }
const ofWhole: Hidden = ctx => {
  const { fragment } = ctx.key
  if (fragment === Fragment.none || !isIp(ctx)) return ofTransport(ctx)
  const isKnown = tupleOf(ctx, nowhere, false, scratch) !== Tuple.none
  if (fragment === Fragment.later && !isKnown) return 'nat.lost-fragment'
  return ofTransport(ctx)
}

// Behind the header of an IPv6 fragment may be others than that of transport; in the first alone.
const ofKind: Hidden = ctx =>
  ctx.key.fragment === Fragment.later && ctx.key.ipProto === ipv4.Protocol.destinationOptions
    ? ofWhole(ctx)
    : ofTransport(ctx)

const hiddenKind = ({ protocol }: RuleModel, isWhole: boolean): Hidden => {
  if (protocol !== undefined && protocolNumber(protocol) === AH) return ofHeaders
  return isWhole ? ofKind : ofTransport
}

// Takes a condition if its field is given.
type Add = <T>(
  value: T | undefined,
  invert: boolean | undefined,
  to: (value: T) => Question,
  hidden?: Hidden
) => void

function compile(rule: RuleModel, models: Models, isWhole: boolean): Part[] {
  const parts: Part[] = []
  const add: Add = (value, invert, to, hidden = ofNetwork) => {
    if (value !== undefined) parts.push({ asks: to(value), invert: invert ?? false, hidden })
  }
  const members = (id: string): ReadonlySet<string> =>
    new Set(models.get<PortGroupModel>('port-group', id)?.ports)
  const addresses = (id: string): AddressSet =>
    new AddressSet(models.get<IpGroupModel>('ip-group', id)?.addresses ?? [])

  add(rule.traversedDevice, rule.invertTraversedDevice, traversed, ofFrame)
  add(rule.inPorts, rule.invertInPorts, ports => enteredBy(new Set(ports)), ofFrame)
  add(rule.outPorts, rule.invertOutPorts, ports => leavesBy(new Set(ports)), ofFrame)
  add(rule.portGroup, rule.invertPortGroup, id => cameFrom(members(id)), ofFrame)
  add(rule.inPortGroup, rule.invertInPortGroup, id => enteredBy(members(id)), ofFrame)
  add(rule.outPortGroup, rule.invertOutPortGroup, id => leavesBy(members(id)), ofFrame)
  if (rule.noVlan === true) add(rule.noVlan, false, () => untagged, ofFrame)
  add(rule.vlan, false, vlan => ctx => vidOf(ctx) === vlan, ofFrame)
  add(rule.ethType, rule.invertEthType, type => ctx => ctx.key.ethType === type)
  add(rule.ethSrc, rule.invertEthSrc, mac => macQuestion('ethSrc', mac, rule.ethSrcMask), ofFrame)
  add(rule.ethDst, rule.invertEthDst, mac => macQuestion('ethDst', mac, rule.ethDstMask), ofFrame)
  const ofProtocol = hiddenKind(rule, isWhole)
  add(rule.protocol, rule.invertProtocol, value => protocolQuestion(rule, value), ofProtocol)
  add(rule.tos, rule.invertTos, tos => ctx => isIp(ctx) && ctx.key.ipTos === tos)
  add(rule.source, rule.invertSource, text => within('src', address.parsePrefix(text)))
  add(rule.destination, rule.invertDestination, text => within('dst', address.parsePrefix(text)))
  addTransport(rule, add, isWhole)
  add(rule.ipGroupSource, rule.invertIpGroupSource, id => addresses(id).question('src'))
  add(rule.ipGroupDestination, rule.invertIpGroupDestination, id => addresses(id).question('dst'))
  add(rule.icmpDataSource, rule.invertIcmpDataSource, text =>
    quotedWithin('src', address.parsePrefix(text))
  )
  add(rule.icmpDataDestination, rule.invertIcmpDataDestination, text =>
    quotedWithin('dst', address.parsePrefix(text))
  )
  // Last, because they ask for the whole 5-tuple.
  if (rule.matchForwardFlow === true) add(true, false, () => isForward)
  if (rule.matchReturnFlow === true) add(true, false, () => isReturn)
  add(rule.connectionStates, rule.invertConnectionStates, states => inState(new Set(states)))
  return parts
}

function addTransport(rule: RuleModel, add: Add, isWhole: boolean): void {
  const ofPorts = isWhole ? ofWhole : ofTransport
  add(rule.sourcePorts, rule.invertSourcePorts, range => inRange('l4Src', range), ofPorts)
  add(rule.destinationPorts, rule.invertDestinationPorts, range => inRange('l4Dst', range), ofPorts)
  add(
    rule.tcpFlags,
    rule.invertTcpFlags,
    flags => {
      const asks = flagQuestion(flags, rule.tcpFlagsMask)
      return ctx => isIp(ctx) && asks(ctx)
    },
    ofTransport
  )
}

const isForward: Question = ctx => !ctx.isReturnFlow
const isReturn: Question = ctx => ctx.isReturnFlow
// What the answer to the quoted packet would be.
const answerState = {
  untracked: 'untracked',
  new: 'new',
  established: 'established',
  related: 'established',
  invalid: 'new'
} as const satisfies Record<ConnectionState, ConnectionState>
const inState =
  (states: ReadonlySet<string>): Question =>
  (ctx, isAnswer) =>
    states.has(isAnswer ? answerState[ctx.connectionState] : ctx.connectionState)

// --- what asks nothing of the packet ------------------------------------------------------------

// Each port, device and chain on the way has left its tag.
function traversed(id: string): Question {
  const tag = deviceTag(id)
  return ctx => {
    for (let i = 0; i < ctx.outcome.tagCount; i++) if (ctx.outcome.tags[i] === tag) return true
    return false
  }
}

const enteredBy =
  (ports: ReadonlySet<string>): Question =>
  ctx =>
    ports.has(ctx.inPort.id)

// While a flood is undecided there is no such port.
const leavesBy =
  (ports: ReadonlySet<string>): Question =>
  ctx =>
    ctx.outPort !== null && ports.has(ctx.outPort.id)

const cameFrom =
  (ports: ReadonlySet<string>): Question =>
  ctx =>
    ports.has(ctx.entry)

// --- what does ----------------------------------------------------------------------------------

// VLAN 0 is none.
const untagged: Question = ctx => vidOf(ctx) === 0
const vidOf = (ctx: SimulationContext): number => ctx.key.vlanOuter & 0xfff

const isIp = (ctx: SimulationContext): boolean => {
  const type = ctx.key.ethType
  return type === ethernet.Type.ipv4 || type === ethernet.Type.ipv6
}

function macQuestion(field: 'ethSrc' | 'ethDst', text: string, maskText?: string): Question {
  const mac = address.parseMac(text)
  const mask = maskText === undefined ? address.MAC_BROADCAST : address.parseMac(maskText)
  const hi = address.macHi(mac)
  const lo = address.macLo(mac)
  const maskHi = address.macHi(mask)
  const maskLo = address.macLo(mask)
  return ctx => {
    const value = ctx.key[field]
    return (
      ((address.macHi(value) ^ hi) & maskHi) === 0 && ((address.macLo(value) ^ lo) & maskLo) === 0
    )
  }
}

// In ARP the same field holds the operation: it is asked for only by a rule that says so, lest a
// rule against ICMP (1) stop ARP requests (1).
function protocolQuestion(rule: RuleModel, value: number | string): Question {
  const protocol = protocolNumber(value)
  const plain = rule.ethType !== undefined && !rule.invertEthType
  if (protocol === AH)
    return ctx => isIp(ctx) && (ctx.key.isAuthenticated || ctx.key.ipProto === AH)
  return ctx => (plain || isIp(ctx)) && ctx.key.ipProto === protocol
}

function inRange(field: 'l4Src' | 'l4Dst', range: { start?: number; end?: number }): Question {
  const { start = 0, end = 0xffff } = range
  return ctx => {
    if (!isIp(ctx) || !hasPorts(ctx.key.ipProto)) return false
    const port = ctx.key[field]
    return port >= start && port <= end
  }
}

const hasPorts = (protocol: number): boolean =>
  protocol === ipv4.Protocol.tcp ||
  protocol === ipv4.Protocol.udp ||
  protocol === ipv4.Protocol.icmp ||
  protocol === ipv4.Protocol.icmpv6
