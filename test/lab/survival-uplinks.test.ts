// Connections of every class while gateways that speak BGP, their uplinks and the routers outside
// die and come back: no connection is lost, and nobody outside is told by hand. The flagship in
// small; `npm run survive -- --uplinks` is the large one.

import { missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { Network } from './fixtures/index.ts'
import { suffers } from './survival/suffers.ts'
import { uplinkFaults } from './survival/uplink-faults.ts'

suffers('no connection is lost by uplinks', {
  prefix: 'mz-lab-uplinks',
  bgp: true,
  skip: Network.skip() || (missingForBird() ?? missingForFrr() ?? false),
  each: 10,
  faults: uplinkFaults,
  ids: {
    'gateway killed': 'BGP-01, ST-01',
    'gateway back': 'BGP-03',
    'uplink cut': 'BGP-02',
    'uplink mended': 'BGP-03',
    'upstream router killed': 'BGP-08'
  }
})
