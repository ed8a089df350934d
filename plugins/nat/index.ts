// The nat plugin: what rules do that translate addresses.  See README.md.

import { Clock, Counters, definePlugin, Leases, StateKinds, Walks } from '../../src/plugin.ts'
import { type CompileAction, RuleActions } from '../firewall/token.ts'
import { PortBlocks } from './blocks.ts'
import { Chooser } from './choice.ts'
import { claimCounters } from './counters.ts'
import { forwardAction, masqueradeAction, reverseAction } from './rules.ts'
import type { NatSettings } from './settings.ts'
import { Translations } from './translations.ts'

export default definePlugin({
  name: 'nat',
  needs: {
    actions: RuleActions,
    clock: Clock,
    counters: Counters,
    leases: Leases,
    stateKinds: StateKinds,
    walks: Walks
  },
  setup({ actions, ...given }, _, settings: NatSettings) {
    const counters = claimCounters(given.counters)
    const { stateKinds } = given
    const kinds = { snat: stateKinds.number('snat'), dnat: stateKinds.number('dnat') }
    const blocks = new PortBlocks({ ...given, counters, settings, kind: kinds.snat })
    given.counters.gauge('nat.blocks-held', () => blocks.held, 'Blocks of ports this host holds')
    const chooser = new Chooser(blocks)
    const snat = new Translations('src', kinds, chooser, counters)
    const dnat = new Translations('dst', kinds, chooser, counters)
    const compiled: Record<string, CompileAction> = {
      snat: (rule, models) => forwardAction('src', snat, rule, models),
      dnat: (rule, models) => forwardAction('dst', dnat, rule, models),
      masquerade: rule => masqueradeAction(snat, rule),
      'reverse-snat': rule => reverseAction(snat, rule),
      'reverse-dnat': rule => reverseAction(dnat, rule)
    }
    for (const [action, compile] of Object.entries(compiled))
      actions.register(action, compile, true)
    return { stop: () => blocks.stop() }
  }
})
