// What `--once` does to the cluster while connections run and new ones are opened: a gateway is
// drained and a router outside dies; then the leader of the ensemble does, then all of it; while no
// store is there a gateway dies as well.
// test/lab/demo-cluster.test.ts holds it.

import type { Faults } from '../faults.ts'
import type { Renewed } from '../ground.ts'
import type { Step } from '../site.ts'

/** What is asked between faults. */
export interface Trial {
  /** Opens connections anew. */
  renew(): Promise<Renewed>
  /** Resolves when all agents know that the store is away, or that it is there. */
  storeIs(state: 'away' | 'there'): Promise<void>
}

/** The steps; after each fault connections are opened anew. */
export function ordealOf({ renew, storeIs }: Trial): readonly Step[] {
  const after =
    (work: (faults: Faults) => Promise<unknown>): Step =>
    async faults => {
      await work(faults)
      return renew()
    }
  return [
    after(faults => faults.drain('gateway1')),
    after(faults => faults.undrain('gateway1')),
    after(faults => faults.kill('r1')),
    after(faults => faults.restore('r1')),
    after(faults => faults.kill('leader')),
    after(faults => faults.restore('leader')),
    after(faults => faults.stop('zookeeper')),
    after(() => storeIs('away')),
    after(faults => faults.kill('gateway1')),
    after(faults => faults.restore('zookeeper')),
    after(() => storeIs('there')),
    after(faults => faults.move('red-db1', 'compute1'))
  ]
}
