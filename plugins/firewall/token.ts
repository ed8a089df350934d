// What rules do besides accepting and refusing: other plugins bring it (address translation).  A
// rule whose action nobody has brought drops, so that leaving a plugin out never opens a chain.

import { type Models, type SimulationContext, token, type Verdict } from '../../src/plugin.ts'
import type { RuleModel } from './model.ts'

export type { RuleModel }

/** What comes after an action besides a verdict. */
export const Continue = {
  return: 0, // back to whoever jumped here
  next: -1 // the next rule is tried
} as const
export type Continue = (typeof Continue)[keyof typeof Continue]

/** Carries a rule out on a packet that matches it.  Verdict.forward accepts. */
export type RuleAction = (ctx: SimulationContext) => Verdict | Continue

/** A rule's action, compiled. */
export interface CompiledAction {
  /** Does it to a packet. */
  readonly act: RuleAction
  /** It translates by addresses alone, and remembers nothing. */
  readonly isByAddress?: boolean
  /** Sees every packet that comes to the rule, before the rule's conditions are asked. */
  readonly guard?: RuleAction
  /**
   * Of an ICMP error, whatever the rule asks of packets: translates it when it is about a
   * connection that the rule translates.  `concerns` says whether the rule's conditions match the
   * packets of that connection.  undefined: it is about none.
   */
  mend?(ctx: SimulationContext, concerns: () => boolean): Verdict | Continue | undefined
}
/** Makes an action out of a rule. */
export type CompileAction = (rule: RuleModel, models: Models) => CompiledAction

/** Where plugins bring the actions of rules. */
export interface RuleActions {
  /**
   * `compile` is called for each rule with this action, whenever its chain changes. `isWhole`: as
   * `resources.ts` declares it.
   */
  register(action: string, compile: CompileAction, isWhole?: boolean): void
}
export const RuleActions = token<RuleActions>('rule-actions')
