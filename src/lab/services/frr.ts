// FRR of this machine, which gateways speak BGP and BFD by. Who starts it is the product; here is
// only said whether it is there.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

const FOLDERS = ['/usr/lib/frr', '/usr/libexec/frr', '/usr/local/lib/frr']
const DAEMONS = ['zebra', 'bgpd', 'bfdd']

/**
 * Why no gateway can speak with routers outside here; undefined when one can. `option`: of the
 * setup that brings it.
 */
export function missingForFrr(option: 'lab' | 'gateway' = 'lab'): string | undefined {
  const isThere = FOLDERS.some(folder => DAEMONS.every(name => existsSync(join(folder, name))))
  return isThere ? undefined : `FRR is not installed; node setup.mjs --${option} does`
}
