// No connection is lost, whatever happens to hosts and ports meanwhile.

import { Network } from './fixtures/index.ts'
import { faults } from './survival/faults.ts'
import { suffers } from './survival/suffers.ts'

suffers('no connection is lost', {
  prefix: 'mz-lab-survival',
  skip: Network.skip(),
  each: 20,
  faults,
  ids: {
    'gateway killed': 'ST-01, SN-01, SN-03',
    'port moved': 'MIG-01, ST-02',
    'port moved back': 'MIG-01, ST-02',
    'compute restarted': 'ST-03, INV-23',
    'gateway restarted': 'ST-03, INV-23',
    'all restarted': 'ST-03, INV-23',
    'all restarted twice': 'ST-03, INV-23'
  }
})
