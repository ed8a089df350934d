// What the router plugin declares.

import { defineResources } from '../../src/resource.ts'
import { routeModel, routerModel } from './models.ts'
import { routerSettings } from './settings.ts'

export default defineResources({
  name: 'router',
  resources: [routerModel, routeModel],
  settings: routerSettings
})
