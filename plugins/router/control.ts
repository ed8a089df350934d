// The router's side on the main thread: puts routes that others have learned where all agents see
// them.

import { Clock, defineControl, Log, Store, ThisHost } from '../../src/control.ts'
import { RouteWriter } from './control/route-writer.ts'
import { Routes } from './token.ts'

export default defineControl({
  name: 'router',
  needs: { store: Store, host: ThisHost, clock: Clock, log: Log },
  provides: [Routes],
  setup({ store, host, clock, log }, _, provide) {
    const writer = new RouteWriter({ store, host: host.id, clock, log })
    provide(Routes, writer)
    return { stop: () => writer.close() }
  }
})
