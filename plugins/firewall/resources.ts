// What the firewall plugin declares.

import { defineResources } from '../../src/resource.ts'
import { chainModel, ipGroupModel, ruleModelOf } from './model.ts'

export default defineResources({
  name: 'firewall',
  resources: ({ ruleActions }) => [chainModel, ruleModelOf(ruleActions), ipGroupModel],
  filterKind: 'chain'
})
