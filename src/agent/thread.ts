// Where a packet thread begins: see packet-thread.ts, and core/code-cache.ts for the detour.

import { cacheCode } from '../core/code-cache.ts'

cacheCode()
await import('./packet-thread.ts')
