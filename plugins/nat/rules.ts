// Rules of translation, compiled.

import { address, Verdict } from '../../src/plugin.ts'
import { type Act, type RuleModel, Then } from '../firewall/token.ts'
import { APPLIED, type Bindings, SKIPPED } from './bindings.ts'
import { Done, fixedWork, prefixWork } from './fixed.ts'
import type { Side } from './rewrite.ts'
import { isFixed, ownAddress, parseTarget, TargetList } from './targets.ts'

/** Verdicts are positive; what bindings say besides is not. */
type Answer = ReturnType<Bindings['forward']>

export function forwardAct(side: Side, bindings: Bindings, rule: RuleModel): Act {
  const then = thenOf(rule, 'accept')
  const work = statelessWork(side, rule)
  if (work !== null)
    return ctx => {
      const done = work(ctx)
      if (done === Done.impossible) return ctx.drop('nat.no-such-prefix')
      return done === Done.applied ? then : Then.next
    }
  const list = new TargetList(rule.natTargets!.map(parseTarget))
  return ctx => outcome(bindings.forward(ctx, list, true), then)
}

function statelessWork(side: Side, rule: RuleModel) {
  if (rule.natPrefix !== undefined) {
    const from = address.parsePrefix((side === 'src' ? rule.source : rule.destination)!)
    return prefixWork(side, from, address.parsePrefix(rule.natPrefix))
  }
  const targets = rule.natTargets!.map(parseTarget)
  if (!isFixed(targets)) return null
  const { family, first } = targets[0]!
  return fixedWork(side, rule, { family, words: first })
}

export function masqueradeAct(bindings: Bindings, rule: RuleModel): Act {
  const then = thenOf(rule, 'accept')
  return ctx => {
    const list = ownAddress(ctx)
    return list === undefined ? Then.next : outcome(bindings.forward(ctx, list, false), then)
  }
}

export function reverseAct(bindings: Bindings, rule: RuleModel): Act {
  const then = thenOf(rule, 'continue')
  return ctx => outcome(bindings.reverse(ctx), then)
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
