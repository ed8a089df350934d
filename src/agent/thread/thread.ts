// Where a packet thread begins: see packet-thread.ts, and core/start/code-cache.ts for the detour.

import { cacheCode } from '../../core/start/code-cache.ts'

cacheCode()
await import('./packet-thread.ts')
