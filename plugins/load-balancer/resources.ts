// What the load balancer plugin declares.

import { defineResources } from '../../src/resource.ts'
import { healthMonitorModel } from './health/model.ts'
import { loadBalancerModel, poolMemberModel, poolModel, vipModel } from './model.ts'
import { loadBalancerSettings } from './settings.ts'

export default defineResources({
  name: 'load-balancer',
  resources: [loadBalancerModel, healthMonitorModel, poolModel, poolMemberModel, vipModel],
  settings: loadBalancerSettings,
  // Besides these: `dnat`, of the nat plugin.
  stateKinds: [{ name: 'sticky', idleS: 1800, description: "a load balancer's memory of a source" }]
})
