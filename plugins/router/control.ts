// The router's side on the main thread: puts routes that others have learned where all agents see
// them.

import { defineControl, Store, ThisHost } from '../../src/control.ts'
import { RouteWriter } from './control/route-writer.ts'
import { Routes } from './token.ts'

export default defineControl({
  name: 'router',
  needs: { store: Store, host: ThisHost },
  provides: [Routes],
  setup({ store, host }, _, provide) {
    provide(Routes, new RouteWriter(store, host.id))
    return undefined
  }
})
