// Both oracles with state: rules that ask for connections, and rules that translate.

import { test } from 'node:test'
import { check, runs, statefulCacheOracle, statefulHostsOracle } from './oracle.ts'
import { faulty, statefulPlans } from './plan.ts'

test('INV-01 the cache is transparent to connections and translations', () => {
  check(statefulCacheOracle(), runs(20_260_105, 300), statefulPlans(true))
})

test('D1: many hosts are one to connections, while ports move and connections end', () => {
  check(statefulHostsOracle(), runs(20_260_106, 500), faulty(statefulPlans(false), 6))
})
