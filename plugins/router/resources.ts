// What the router plugin declares.

import { defineResources } from '../../src/resource.ts'
import { routeModel, routerModel, routerPort } from './models.ts'
import { routerSettings } from './settings.ts'

export default defineResources({
  name: 'router',
  resources: [routerModel, routeModel],
  settings: routerSettings,
  deviceKinds: [{ kind: 'router', portClass: 'uplink', port: routerPort }]
})
