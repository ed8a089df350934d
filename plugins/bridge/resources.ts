// What the bridge plugin declares.

import { defineResources } from '../../src/resource.ts'
import { bridgeModel, bridgePort } from './model.ts'

export default defineResources({
  name: 'bridge',
  resources: [bridgeModel],
  deviceKinds: [{ kind: 'bridge', port: bridgePort }]
})
