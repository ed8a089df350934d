// The firewall plugin: chains of rules, run at ports, bridges and routers.  See README.md.

import { type DeviceFactory, definePlugin } from '../../src/plugin.ts'
import { Chain, type Evaluations, groupsOf, rulesOf } from './chain.ts'

export default definePlugin({
  name: 'firewall',
  needs: {},
  setup(_, registry) {
    const evaluations: Evaluations = { current: 0 }
    const factory: DeviceFactory = {
      interests: (id, models) => [
        { kind: 'rule', field: 'chain', value: id },
        ...groupsOf(rulesOf(models, id))
      ],
      make: (id, models) => new Chain(id, models, evaluations)
    }
    registry.device('chain', factory)
    return undefined
  }
})
