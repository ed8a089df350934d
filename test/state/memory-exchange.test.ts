// The exchange in TypeScript, by the contract.

import { exchangeContract } from './exchange-contract.ts'
import { MemoryRig } from './memory-rig.ts'

exchangeContract('memory exchange', hosts => Promise.resolve(new MemoryRig(hosts)))
