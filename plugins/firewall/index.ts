// The firewall plugin: chains of rules, run at ports, bridges and routers.  See README.md.

import { type DeviceFactory, definePlugin } from '../../src/plugin.ts'
import { Chain, groupsOf, rulesOf, Workshop } from './chain.ts'
import { RuleActions } from './token.ts'

export default definePlugin({
  name: 'firewall',
  needs: {},
  provides: [RuleActions],
  setup(_, registry) {
    const workshop = new Workshop()
    const factory: DeviceFactory = {
      interests: (id, models) => [
        { kind: 'rule', field: 'chain', value: id },
        ...groupsOf(rulesOf(models, id))
      ],
      make: (id, models) => new Chain(id, models, workshop)
    }
    registry.device('chain', factory)
    registry.provide(RuleActions, workshop)
    return undefined
  }
})
