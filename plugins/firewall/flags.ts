// TCP flags that a rule asks for: those of a mask, of which some are set and the others are not.
// They are bits of the flow key, so a flow whose rule asked for them holds for such packets only.

import { ipv4, type SimulationContext, tcp, Word } from '../../src/plugin.ts'
import type { RuleModel } from './model.ts'

type Names = NonNullable<RuleModel['tcpFlags']>
type Need = (ok: boolean, field: string, expected: string) => void

const bitsOf = (names: Names): number => names.reduce((bits, name) => bits | tcp.Flag[name], 0)

/** A function that says whether a packet has these TCP flags, and of `mask` no others. */
export function flagQuestion(
  flags: Names,
  mask: Names = flags
): (ctx: SimulationContext) => boolean {
  const set = bitsOf(flags)
  const asked = bitsOf(mask)
  return ({ key }) => key.ipProto === ipv4.Protocol.tcp && key.ask(Word.l4Misc, asked) === set
}

/** What is wrong with a rule's TCP flags. */
export function flagFaults({ tcpFlags, tcpFlagsMask }: RuleModel, need: Need): void {
  need(tcpFlags !== undefined || tcpFlagsMask === undefined, 'tcpFlagsMask', 'tcpFlags beside it')
  if (tcpFlags === undefined) return
  const mask = tcpFlagsMask ?? tcpFlags
  need(mask.length > 0, tcpFlagsMask ? 'tcpFlagsMask' : 'tcpFlags', 'a flag, or more')
  need(
    tcpFlags.every(flag => mask.includes(flag)),
    'tcpFlags',
    'none but those of tcpFlagsMask'
  )
}
