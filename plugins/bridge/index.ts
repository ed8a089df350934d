// The bridge plugin: a virtual switch that exists as data.  See README.md.

import {
  Clock,
  Counters,
  type DeviceFactory,
  definePlugin,
  type Interest,
  Walks
} from '../../src/plugin.ts'
import { arpTable, Bridge, macTable } from './bridge.ts'
import { bridgeCounters } from './counters.ts'

export default definePlugin({
  name: 'bridge',
  needs: { clock: Clock, counters: Counters, walks: Walks },
  setup({ clock, counters, walks }, registry) {
    const services = { clock, walks, counters: bridgeCounters(counters) }
    const factory: DeviceFactory = {
      interests(id, models) {
        const interests: Interest[] = [
          { kind: 'port', field: 'device', value: id },
          { table: macTable(id) },
          { table: arpTable(id) }
        ]
        for (const { peer } of models.portsOf(id))
          if (peer !== null) interests.push({ kind: 'port', id: peer })
        return interests
      },
      make: (id, models) => new Bridge(id, models, services)
    }
    registry.device('bridge', factory)
  }
})
