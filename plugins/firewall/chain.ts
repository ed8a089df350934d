// A chain of rules, run at a port or a device.  Rules are tried in order; accept, drop and reject
// end everything, return goes back to the chain that jumped here, and so does the end of the list.
// Who gets back to the first chain, or finds no rule, passes.
//
// An ICMP error about a connection that a rule translates is translated as its packets are,
// whatever the rules on the way to it ask of packets (RFC 5508 §4): `#mend` goes the way of those.

import {
  CachePolicy,
  type DeviceId,
  deviceTag,
  type Filter,
  isErrorAbout,
  isErrorPacket,
  isUnreadableError,
  type LiveDevice,
  type Models,
  type SimulationContext,
  type Tag,
  Verdict,
  waitForDevice
} from '../../src/plugin.ts'
import { Condition } from './condition.ts'
import { asksL4 } from './fragments.ts'
import type { ChainModel, RuleModel } from './model.ts'
import { type CompileAction, type CompiledAction, Continue, type RuleActions } from './token.ts'

/** Chains within chains. */
export const JUMPS_MAX = 32

// Neither accepted nor refused: whoever jumped here goes on.
const PASS = Continue.return
type Outcome = Verdict | typeof PASS
// The connection of an error would go no further: the error does as the rules say of it.
const ENDS = -2

interface Rule {
  readonly position: number
  readonly action: RuleModel['action']
  readonly condition: Condition
  readonly jumpChain: DeviceId | null
  readonly compiled: CompiledAction | null // null: the firewall's own
  readonly asksMore: boolean // than addresses
}

/** What all chains of a worker share. */
export class RuleCompiler implements RuleActions {
  /** Which one runs: a chain is entered once in each. */
  evaluation = 0
  /** An ICMP error has been translated in it. */
  mended = false
  readonly #actions = new Map<string, CompileAction>()
  readonly #whole = new Set<string>() // actions that look into packets as wholes

  register(action: string, compile: CompileAction, isWhole = false): void {
    this.#actions.set(action, compile)
    if (isWhole) this.#whole.add(action)
  }

  /** Of an action that nobody has registered: yes, so that it drops all it may be meant for. */
  isWhole({ action }: RuleModel): boolean {
    return this.#whole.has(action) || !(OWN.has(action) || this.#actions.has(action))
  }

  /** What a rule's action does; of an action that no plugin brings, a drop. */
  compile(rule: RuleModel, models: Models): CompiledAction {
    return this.#actions.get(rule.action)?.(rule, models) ?? nobodys
  }
}

const OWN: ReadonlySet<string> = new Set(['accept', 'drop', 'reject', 'return', 'jump'])
const nobodys: CompiledAction = {
  act: ctx => ctx.drop('firewall.no-such-action', CachePolicy.short)
}

/** A list of rules, in order: the first that matches decides. */
export class Chain implements LiveDevice, Filter {
  readonly id: DeviceId
  readonly #tag: Tag
  readonly #compiler: RuleCompiler
  #name = ''
  #rules: readonly Rule[] = []
  #signature = ''
  #asksConnections = false
  #jumps: readonly DeviceId[] = []
  #mayTranslate = false // itself, or a chain it jumps to
  #enteredIn = 0
  #mendedIn = 0

  constructor(id: DeviceId, models: Models, compiler: RuleCompiler) {
    this.id = id
    this.#tag = deviceTag(id)
    this.#compiler = compiler
    this.update(models)
  }

  process(ctx: SimulationContext): Verdict {
    const tracks = this.tracks(ctx)
    if (tracks === undefined) return Verdict.postpone
    if (tracks) ctx.track()
    const compiler = this.#compiler
    compiler.evaluation++
    compiler.mended = false
    const outcome = this.#evaluate(ctx, 0)
    const verdict = outcome === PASS ? Verdict.forward : outcome
    if (verdict !== Verdict.forward || compiler.mended) return verdict
    if (!this.#mayTranslate || !isErrorPacket(ctx)) return verdict
    // It passed before it got to the rule that translates its connection.
    const mended = isErrorAbout(ctx) ? this.#mend(ctx, 0) : PASS
    if (mended !== PASS && mended !== ENDS) return mended
    // Nobody can say whether it is of one that is translated (RFC 5508 REQ-3, REQ-4).
    if (!isUnreadableError(ctx) || !this.#mayConcern(ctx)) return verdict
    return ctx.drop('firewall.unreadable-error', CachePolicy.short)
  }

  // Whether one of its rules, or of a chain it jumps to, may translate what the error is about.
  #mayConcern(ctx: SimulationContext): boolean {
    this.#compiler.evaluation++
    return this.#mayConcernIn(ctx, ctx.quote() !== null, 0)
  }

  // `isAddressed`: all that was asked on the way here can be read from its quote.
  #mayConcernIn(ctx: SimulationContext, isAddressed: boolean, depth: number): boolean {
    this.#enteredIn = this.#compiler.evaluation
    return this.#rules.some(({ compiled, jumpChain, asksMore }) => {
      const isTold = isAddressed && !asksMore
      if (jumpChain === null) return compiled !== null && !(isTold && compiled.isByAddress)
      const target = ctx.topology.device('chain', jumpChain)
      if (!(target instanceof Chain) || depth === JUMPS_MAX) return false
      if (target.#enteredIn === this.#compiler.evaluation) return false
      return target.#mayConcernIn(ctx, isTold, depth + 1)
    })
  }

  tracks(ctx: SimulationContext): boolean | undefined {
    this.#compiler.evaluation++
    return this.#tracks(ctx, 0)
  }

  #tracks(ctx: SimulationContext, depth: number): boolean | undefined {
    this.#enteredIn = this.#compiler.evaluation
    ctx.tag(this.#tag)
    if (this.#asksConnections) return true
    for (const jumpChain of this.#jumps) {
      const target = ctx.topology.device('chain', jumpChain)
      if (target === undefined) {
        ctx.postpone(waitForDevice('chain', jumpChain))
        return undefined
      }
      ctx.tag(deviceTag(jumpChain))
      if (!(target instanceof Chain) || depth === JUMPS_MAX) continue
      if (target.#enteredIn === this.#compiler.evaluation) continue // a loop, or seen already
      const tracks = target.#tracks(ctx, depth + 1)
      if (tracks !== false) return tracks
    }
    return false
  }

  update(models: Models): readonly Tag[] {
    this.#name = models.get<ChainModel>('chain', this.id)?.name ?? this.id
    const rules = rulesOf(models, this.id)
    const signature = JSON.stringify([
      rules,
      groupsOf(rules).map(({ kind, id }) => models.get(kind, id))
    ])
    if (signature === this.#signature) return []
    this.#signature = signature
    this.#asksConnections = rules.some(asksConnections)
    this.#jumps = [...new Set(rules.flatMap(({ jumpChain }) => jumpChain ?? []))]
    this.#rules = rules.map(rule => this.#compiled(rule, models))
    this.#mayTranslate = this.#rules.some(
      ({ compiled, jumpChain }) => compiled?.mend !== undefined || jumpChain !== null
    )
    return [this.#tag]
  }

  #compiled(rule: RuleModel, models: Models): Rule {
    const { position = 1, action, jumpChain = null, protocol } = rule
    const condition = new Condition(rule, models, this.#compiler.isWhole(rule))
    const compiled = OWN.has(action) ? null : this.#compiler.compile(rule, models)
    const asksMore = protocol !== undefined || asksL4(rule) || asksConnections(rule)
    return { position, action, condition, jumpChain, compiled, asksMore }
  }

  #evaluate(ctx: SimulationContext, depth: number): Outcome {
    this.#enteredIn = this.#compiler.evaluation
    ctx.tag(this.#tag)
    for (const rule of this.#rules) {
      const guarded = rule.compiled?.guard?.(ctx) ?? Continue.next
      if (guarded !== Continue.next) return guarded
      const mended = this.#mendBy(ctx, rule)
      if (mended === Continue.next) continue
      if (mended !== undefined) return mended
      const matches = rule.condition.matches(ctx)
      const { hidden } = rule.condition
      if (hidden !== null) return ctx.drop(hidden)
      if (!matches) {
        const behind = rule.action === 'jump' ? this.#mendBehind(ctx, rule, depth) : PASS
        if (behind !== PASS) return behind
        continue
      }
      if (ctx.trace !== null)
        ctx.trace.step(`     chain ${this.#name} rule ${rule.position}: ${rule.action}`)
      switch (rule.action) {
        case 'accept':
          return Verdict.forward
        case 'drop':
          return ctx.drop('firewall.rule')
        case 'reject':
          return ctx.reject('firewall.reject')
        case 'return':
          return PASS
        case 'jump': {
          const outcome = this.#jump(ctx, rule.jumpChain!, depth)
          if (outcome !== PASS) return outcome
          break
        }
        default: {
          const outcome = rule.compiled!.act(ctx)
          if (outcome !== Continue.next) return outcome
        }
      }
    }
    return PASS
  }

  // By a rule that translates.  undefined: it does not, or the packet is no such error.
  #mendBy(ctx: SimulationContext, rule: Rule): Outcome | typeof Continue.next | undefined {
    if (rule.compiled?.mend === undefined || !isErrorAbout(ctx)) return undefined
    const outcome = rule.compiled.mend(ctx, () => rule.condition.concerns(ctx))
    if (outcome === undefined) return undefined
    this.#compiler.mended = true
    if (ctx.trace !== null)
      ctx.trace.step(`     chain ${this.#name} rule ${rule.position}: ${rule.action}, of an error`)
    return outcome
  }

  // By rules of a chain that the error does not jump to, but its connection does.
  #mendBehind(ctx: SimulationContext, { condition, jumpChain }: Rule, depth: number): Outcome {
    if (!isErrorAbout(ctx) || !condition.concerns(ctx)) return PASS
    const outcome = this.#mendIn(ctx, jumpChain!, depth)
    return outcome === ENDS ? PASS : outcome
  }

  // The rules that the connection of an error meets; those that translate mend the error.
  #mend(ctx: SimulationContext, depth: number): Outcome | typeof ENDS {
    this.#mendedIn = this.#compiler.evaluation
    ctx.tag(this.#tag)
    for (const rule of this.#rules) {
      const mended = this.#mendBy(ctx, rule)
      if (mended === Continue.next) continue
      if (mended !== undefined) return mended
      if (rule.compiled !== null || !rule.condition.concerns(ctx)) continue
      if (rule.action === 'return') return PASS
      if (rule.action !== 'jump') return ENDS
      const outcome = this.#mendIn(ctx, rule.jumpChain!, depth)
      if (outcome !== PASS) return outcome
    }
    return PASS
  }

  #mendIn(ctx: SimulationContext, id: DeviceId, depth: number): Outcome | typeof ENDS {
    const target = this.#target(ctx, id)
    if (!(target instanceof Chain)) return target
    const isLoop = target.#mendedIn === this.#compiler.evaluation
    return isLoop || depth === JUMPS_MAX ? PASS : target.#mend(ctx, depth + 1)
  }

  #target(ctx: SimulationContext, id: DeviceId): Chain | Outcome {
    const target = ctx.topology.device('chain', id)
    if (target === undefined) return ctx.postpone(waitForDevice('chain', id))
    if (target instanceof Chain) return target
    ctx.tag(deviceTag(id)) // deleted a moment ago; the rule is about to go too
    return PASS
  }

  #jump(ctx: SimulationContext, id: DeviceId, depth: number): Outcome {
    const target = this.#target(ctx, id)
    if (!(target instanceof Chain)) return target
    if (target.#enteredIn === this.#compiler.evaluation) return PASS // a loop
    // Nobody can say what rules that deep mean: better nothing passes than everything.
    if (depth === JUMPS_MAX) return ctx.drop('firewall.too-many-jumps', CachePolicy.short)
    return target.#evaluate(ctx, depth + 1)
  }
}

const asksConnections = (rule: RuleModel): boolean =>
  rule.connectionStates !== undefined ||
  rule.matchForwardFlow === true ||
  rule.matchReturnFlow === true

/** A chain's rules, in their order. */
export function rulesOf(models: Models, chain: DeviceId): readonly RuleModel[] {
  const position = ({ position = 1 }: RuleModel): number => position
  return models
    .where<RuleModel>('rule', 'chain', chain)
    .toSorted((a, b) => position(a) - position(b) || (a.id < b.id ? -1 : 1))
}

/** The groups that rules name. */
export function groupsOf(rules: readonly RuleModel[]): { kind: string; id: string }[] {
  const groups: { kind: string; id: string }[] = []
  for (const rule of rules) {
    for (const id of [rule.portGroup, rule.inPortGroup, rule.outPortGroup])
      if (id !== undefined) groups.push({ kind: 'port-group', id })
    for (const id of [rule.ipGroupSource, rule.ipGroupDestination])
      if (id !== undefined) groups.push({ kind: 'ip-group', id })
  }
  return groups
}
