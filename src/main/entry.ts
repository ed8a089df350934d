// Where the program begins, on the right Node: see start.cjs.  Code that was compiled once is kept
// in a folder of our own: the next start is faster, and saves each thread the 18 MB that stripping
// types takes.

import { cacheCode } from '../core/start/code-cache.ts'

cacheCode()
await import('./program.ts')
