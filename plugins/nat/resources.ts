// What the nat plugin declares: its actions are those of the firewall's rules.

import { defineResources } from '../../src/resource.ts'
import { natActions } from './model.ts'
import { natSettings } from './settings.ts'

export default defineResources({
  name: 'nat',
  settings: natSettings,
  ruleActions: natActions,
  stateKinds: [{ name: 'snat' }, { name: 'dnat' }]
})
