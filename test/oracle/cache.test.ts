// The first oracle: a world that keeps flows delivers what a world delivers that walks every
// packet.  It guards masks, tags and actions together.

import { test } from 'node:test'
import { cacheOracle, check, PLUGINS, runs, traceLook } from './oracle.ts'

test('the cache is transparent', () => {
  check(cacheOracle(), runs(20_260_101, 1100))
})

test('a trace tells what the flow does', () => {
  check(cacheOracle(PLUGINS, traceLook), runs(20_260_104, 300))
})
