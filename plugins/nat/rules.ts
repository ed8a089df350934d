// Rules of translation, compiled.

import { address, type Models, type SimulationContext, Verdict } from '../../src/plugin.ts'
import { type RuleAction, type RuleModel, Then } from '../firewall/token.ts'
import { APPLIED, type Bindings, SKIPPED } from './bindings.ts'
import { Done, fixedWork, prefixWork, type Work } from './fixed.ts'
import { returnedGuard } from './returned.ts'
import type { Side } from './rewrite.ts'
import { isFixed, ownAddress, parseTarget, TargetList } from './targets.ts'

/** Verdicts are positive; what bindings say besides is not. */
type Answer = ReturnType<Bindings['forward']>

export function forwardAction(
  side: Side,
  bindings: Bindings,
  rule: RuleModel,
  models: Models
): RuleAction {
  const does = forwardOf(side, bindings, rule)
  return side === 'src' ? { ...does, guard: returnedGuard(rule, models) } : does
}

function forwardOf(side: Side, bindings: Bindings, rule: RuleModel): RuleAction {
  const then = thenOf(rule, 'accept')
  const work = statelessWork(side, rule)
  if (work !== null) return stateless(work, then)
  const list = new TargetList(rule.natTargets!.map(parseTarget))
  return {
    act: ctx => outcome(bindings.forward(ctx, list, true), then),
    mend: ctx => mended(bindings.mend(ctx, false), then)
  }
}

function stateless({ act, mend }: Work, then: Verdict | Then): RuleAction {
  const said = (ctx: SimulationContext, done: Done): Verdict | Then => {
    if (done === Done.impossible) return ctx.drop('nat.no-such-prefix')
    if (done !== Done.applied) return Then.next
    ctx.tracksAnswers = false
    return then
  }
  const does: RuleAction = { act: ctx => said(ctx, act(ctx)), isByAddress: true }
  if (mend === undefined) return does
  return {
    ...does,
    mend: (ctx, concerns) => {
      const done = concerns() ? mend(ctx) : Done.skipped
      return done === Done.skipped ? undefined : said(ctx, done)
    }
  }
}

function statelessWork(side: Side, rule: RuleModel): Work | null {
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
function isOfOne(side: Side, rule: RuleModel): boolean {
  if (rule.icmpDataSource !== undefined || rule.icmpDataDestination !== undefined) return true
  const [from, isInverted] =
    side === 'src' ? [rule.source, rule.invertSource] : [rule.destination, rule.invertDestination]
  if (from === undefined || isInverted === true || rule.condInvert === true) return false
  const { family, length } = address.parsePrefix(from)
  return length === (family === 4 ? 32 : 128)
}

export function masqueradeAction(bindings: Bindings, rule: RuleModel): RuleAction {
  const then = thenOf(rule, 'accept')
  return {
    act: ctx => {
      const list = ownAddress(ctx)
      return list === undefined ? Then.next : outcome(bindings.forward(ctx, list, false), then)
    },
    mend: ctx => mended(bindings.mend(ctx, false), then)
  }
}

export function reverseAction(bindings: Bindings, rule: RuleModel): RuleAction {
  const then = thenOf(rule, 'continue')
  return {
    act: ctx => outcome(bindings.reverse(ctx), then),
    mend: ctx => mended(bindings.mend(ctx, true), then)
  }
}

function mended(answer: Answer, then: Verdict | Then): Verdict | Then | undefined {
  return answer === SKIPPED ? undefined : outcome(answer, then)
}

function outcome(answer: Answer, then: Verdict | Then): Verdict | Then {
  if (answer === APPLIED) return then
  return answer === SKIPPED ? Then.next : (answer as Verdict)
}

function thenOf(rule: RuleModel, usual: NonNullable<RuleModel['natThen']>): Verdict | Then {
  switch (rule.natThen ?? usual) {
    case 'accept':
      return Verdict.forward
    case 'continue':
      return Then.next
    case 'return':
      return Then.return
  }
}
