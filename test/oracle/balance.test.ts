// Both oracles with load balancers: flow state, too, must not show whether flows are kept, nor on
// how many hosts the network is.

import test from 'node:test'
import { BALANCED, BalancedNet, serve } from './balanced.ts'
import { check, compare, runs } from './oracle.ts'

const given = { netOf: BalancedNet, answer: serve, share: true, calmMs: 500 }

test('load balancers: a world that keeps flows delivers as one that walks every packet', () =>
  check(
    compare(
      { cache: true, spread: true, patient: true, ...given },
      { cache: false, spread: true, patient: true, ...given },
      BALANCED
    ),
    runs(4711, 150)
  ))

test('load balancers: many hosts deliver as one', () =>
  check(
    compare(
      { cache: true, spread: true, ...given },
      { cache: true, spread: false, ...given },
      BALANCED
    ),
    runs(4712, 100)
  ))
