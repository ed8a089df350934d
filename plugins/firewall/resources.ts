// What the firewall plugin declares.

import { defineResources } from '../../src/resource.ts'
import { chainModel, ipGroupModel, ruleModel } from './model.ts'

export default defineResources({
  name: 'firewall',
  resources: [chainModel, ruleModel, ipGroupModel],
  filterKind: 'chain'
})
