// The second oracle: many hosts deliver what one host does that has every port.

import { test } from 'node:test'
import { check, hostsOracle, runs } from './oracle.ts'

test('many hosts are one', () => {
  check(hostsOracle(), runs(20_260_102, 1000))
})
