// The firewall plugin: chains of rules, run at ports, bridges and routers.  See README.md.

import { type DeviceFactory, definePlugin } from '../../src/plugin.ts'
import { Chain, groupsOf, RuleCompiler, rulesOf } from './chain.ts'
import { RuleActions } from './token.ts'

export default definePlugin({
  name: 'firewall',
  provides: [RuleActions],
  setup(_, registry) {
    const compiler = new RuleCompiler()
    const factory: DeviceFactory = {
      interests: (id, models) => [
        { kind: 'rule', field: 'chain', value: id },
        ...groupsOf(rulesOf(models, id))
      ],
      make: (id, models) => new Chain(id, models, compiler)
    }
    registry.device('chain', factory)
    registry.provide(RuleActions, compiler)
  }
})
