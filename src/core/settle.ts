// Starting leaves garbage: parsed sources, schemas, the code of paths taken once.  V8 would keep
// its pages for a load that never comes again.  One collection, a few seconds after a start, gives
// some 20 MB back for good; it pauses the thread for about 10 ms, once.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock, Timer } from './clock.ts'

const SETTLED_MS = 3000

/** The flag is the whole process's, and threads start at the same time: nobody takes it back. */
export const settleMemory = (clock: Clock, then: () => void = () => {}): Timer =>
  clock.after(SETTLED_MS, () => {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('globalThis.gc')
    if (typeof collect === 'function') collect()
    then()
  })
