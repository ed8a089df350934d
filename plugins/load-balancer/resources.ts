// What the load balancer plugin declares.

import { defineResources } from '../../src/resource.ts'
import { loadBalancerModel, poolMemberModel, poolModel, vipModel } from './model.ts'
import { loadBalancerSettings } from './settings.ts'

export default defineResources({
  name: 'load-balancer',
  resources: [loadBalancerModel, poolModel, poolMemberModel, vipModel],
  settings: loadBalancerSettings
})
