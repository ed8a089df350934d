// The second oracle: many hosts deliver what one host does that has every port.

import { test } from 'node:test'
import { check, hostsOracle, runs } from './oracle.ts'
import { faulty, plans } from './plan.ts'

test('D1: many hosts are one, while ports move and agents begin anew', () => {
  check(hostsOracle(), runs(20_260_102, 1700), faulty(plans, 4))
})
