// What the nat plugin declares: its rules are the firewall's.

import { defineResources } from '../../src/resource.ts'
import { natSettings } from './settings.ts'

export default defineResources({
  name: 'nat',
  settings: natSettings,
  stateKinds: [{ name: 'snat' }, { name: 'dnat' }]
})
