// What the bridge plugin declares.

import { defineResources } from '../../src/resource.ts'
import { bridgeModel } from './model.ts'

export default defineResources({ name: 'bridge', resources: [bridgeModel] })
