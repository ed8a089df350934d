// Rules of translation, compiled.

import { address, type Models, type SimulationContext, Verdict } from '../../src/plugin.ts'
import { type CompiledAction, Continue } from '../firewall/token.ts'
import { Done, fixedWork, prefixWork, type Work } from './fixed.ts'
import type { NatRule } from './model.ts'
import { returnedGuard } from './returned.ts'
import type { Side } from './rewrite.ts'
import { isFixed, ownAddress, parseTarget, TargetList } from './targets.ts'
import { APPLIED, SKIPPED, type Translations } from './translations.ts'

/** Verdicts are positive; what translations say besides is not. */
type Answer = ReturnType<Translations['forward']>

/** What `snat` and `dnat` do. */
export function forwardAction(
  side: Side,
  translations: Translations,
  rule: NatRule,
  models: Models
): CompiledAction {
  const does = forwardOf(side, translations, rule)
  return side === 'src' ? { ...does, guard: returnedGuard(rule, models) } : does
}

function forwardOf(side: Side, translations: Translations, rule: NatRule): CompiledAction {
  const then = thenOf(rule, 'accept')
  const work = statelessWork(side, rule)
  if (work !== null) return stateless(work, then)
  const list = new TargetList(rule.natTargets!.map(parseTarget))
  return {
    act: ctx => outcome(translations.forward(ctx, list, true), then),
    mend: ctx => mended(translations.mend(ctx, false), then)
  }
}

function stateless({ act, mend }: Work, then: Verdict | Continue): CompiledAction {
  const said = (ctx: SimulationContext, done: Done): Verdict | Continue => {
    if (done === Done.impossible) return ctx.drop('nat.no-such-prefix')
    if (done !== Done.applied) return Continue.next
    ctx.tracksAnswers = false
    return then
  }
  const does: CompiledAction = { act: ctx => said(ctx, act(ctx)), isByAddress: true }
  if (mend === undefined) return does
  return {
    ...does,
    mend: (ctx, concerns) => {
      const done = concerns() ? mend(ctx) : Done.skipped
      return done === Done.skipped ? undefined : said(ctx, done)
    }
  }
}

function statelessWork(side: Side, rule: NatRule): Work | null {
  if (rule.natPrefix !== undefined) {
    const from = address.parsePrefix((side === 'src' ? rule.source : rule.destination)!)
    return prefixWork(side, from, address.parsePrefix(rule.natPrefix))
  }
  const targets = rule.natTargets!.map(parseTarget)
  if (!isFixed(targets) || !isOfOne(side, rule)) return null
  const { family, first } = targets[0]!
  return fixedWork(side, rule, { family, words: first })
}

// Whether only one address can be meant: of several that become one, somebody has to remember
// which it was.
function isOfOne(side: Side, rule: NatRule): boolean {
  if (rule.icmpDataSource !== undefined || rule.icmpDataDestination !== undefined) return true
  const [from, isInverted] =
    side === 'src' ? [rule.source, rule.invertSource] : [rule.destination, rule.invertDestination]
  if (from === undefined || isInverted === true || rule.condInvert === true) return false
  const { family, length } = address.parsePrefix(from)
  return length === (family === 4 ? 32 : 128)
}

/** What `masquerade` does: as `snat`, to the address of the port it leaves by. */
export function masqueradeAction(translations: Translations, rule: NatRule): CompiledAction {
  const then = thenOf(rule, 'accept')
  return {
    act: ctx => {
      const list = ownAddress(ctx)
      return list === undefined
        ? Continue.next
        : outcome(translations.forward(ctx, list, false), then)
    },
    mend: ctx => mended(translations.mend(ctx, false), then)
  }
}

/** What `reverse-snat` and `reverse-dnat` do. */
export function reverseAction(translations: Translations, rule: NatRule): CompiledAction {
  const then = thenOf(rule, 'continue')
  return {
    act: ctx => outcome(translations.reverse(ctx), then),
    mend: ctx => mended(translations.mend(ctx, true), then)
  }
}

function mended(answer: Answer, then: Verdict | Continue): Verdict | Continue | undefined {
  return answer === SKIPPED ? undefined : outcome(answer, then)
}

function outcome(answer: Answer, then: Verdict | Continue): Verdict | Continue {
  if (answer === APPLIED) return then
  return answer === SKIPPED ? Continue.next : (answer as Verdict)
}

function thenOf(rule: NatRule, usual: NonNullable<NatRule['natThen']>): Verdict | Continue {
  switch (rule.natThen ?? usual) {
    case 'accept':
      return Verdict.forward
    case 'continue':
      return Continue.next
    case 'return':
      return Continue.return
  }
}
