// Packets from outside for an address that a rule translates sources to. The translation they
// belong to would have given them another destination before they were routed; without one they
// would be sent back to where they came from, and come again until their TTL runs out.

import {
  address,
  ethernet,
  type Models,
  type PortGroupModel,
  type SimulationContext
} from '../../src/plugin.ts'
import { Continue, type RuleAction } from '../firewall/token.ts'
import type { NatRule } from './model.ts'
import { parseTarget } from './targets.ts'

/** A range of addresses of one family that differ in their last 32 bits only. */
interface Range {
  readonly family: 4 | 6
  readonly words: Int32Array // the first
  readonly last: number // of words[3]
}

/** The guard of an `snat` rule: drops what would go back out to one of its targets. */
export function returnedGuard(rule: NatRule, models: Models): RuleAction {
  const isOurs = rangesOf(rule).map(isDestinedTo)
  const uplinks = new Set(rule.outPorts)
  if (rule.outPortGroup !== undefined)
    for (const id of models.get<PortGroupModel>('port-group', rule.outPortGroup)?.ports ?? [])
      uplinks.add(id)
  return ctx => {
    if (ctx.generated || !comesFromOutside(ctx, uplinks)) return Continue.next
    return isOurs.some(asks => asks(ctx)) ? ctx.drop('nat.no-translation') : Continue.next
  }
}

function rangesOf({ natTargets, natPrefix }: NatRule): Range[] {
  if (natPrefix !== undefined) {
    const prefix = address.parsePrefix(natPrefix)
    // A large IPv6 network is many ranges; it is routed, and its own router answers for it.
    if (prefix.family === 6 && prefix.length < 96) return []
    const { words } = address.networkOf(prefix)
    const bits = prefix.family === 4 ? 32 - prefix.length : 128 - prefix.length
    return [{ family: prefix.family, words, last: words[3]! | hostBits(bits) }]
  }
  return natTargets!.map(target => {
    const { family, first, count } = parseTarget(target)
    return { family, words: first, last: (first[3]! + count - 1) | 0 }
  })
}

const hostBits = (bits: number): number => (bits >= 32 ? -1 : (1 << bits) - 1)

// It came in by a port at which the rule would translate what goes out.
function comesFromOutside(
  { inPort, outPort }: SimulationContext,
  uplinks: ReadonlySet<string>
): boolean {
  if (outPort === null) return false
  if (inPort.id === outPort.id) return true
  if (uplinks.has(inPort.id) && uplinks.has(outPort.id)) return true
  return inPort.outFilter !== null && inPort.outFilter === outPort.outFilter
}

// Asks for the bits that the whole range shares, and for the rest only of what has them.
function isDestinedTo({ family, words, last }: Range): (ctx: SimulationContext) => boolean {
  const type = family === 4 ? ethernet.Type.ipv4 : ethernet.Type.ipv6
  const first = words[3]!
  const mask = address.maskWord(Math.clz32(first ^ last))
  return ({ key }) => {
    if (key.ethType !== type) return false
    if (family === 6) for (let i = 0; i < 3; i++) if (key.ipDstWord(i) !== words[i]) return false
    if (((key.ipDstWord(3, mask) ^ first) & mask) !== 0) return false
    const at = key.ipDstWord(3) >>> 0
    return at >= first >>> 0 && at <= last >>> 0
  }
}
