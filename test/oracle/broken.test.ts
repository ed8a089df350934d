// An oracle that has never been seen to fail proves nothing.  Here the system is broken on purpose,
// once in a mask, a tag and an action each, and the oracles must find it, and say what they saw.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type fc from 'fast-check'
import { ACTION_WORDS, ActionType } from '../../src/flow/actions.ts'
import { Word } from '../../src/flow/key.ts'
import type { Plugin } from '../../src/plugin.ts'
import {
  cacheOracle,
  check,
  compare,
  hostsOracle,
  type Oracle,
  PLUGINS,
  statefulCacheOracle,
  traceLook
} from './oracle.ts'
import { type Plan, statefulPlans } from './plan.ts'
import { careless, forgetful, withAlteredActions, withProcess } from './sabotage.ts'

// Most seeds meet each fault within the runs; these meet it early.
const SEED = 3
const SEED_OF_PORTS = 1848
const SEED_OF_CHAINS = 7
const SEED_OF_TRANSLATIONS = 25
const RUNS = { numRuns: 2000, endOnFailure: true }

const broken = (name: string, process: Parameters<typeof withProcess>[1]): readonly Plugin[] =>
  PLUGINS.map(plugin => (plugin.name === name ? withProcess(plugin, process) : plugin))

function finds(oracle: Oracle, seed = SEED, arbitrary?: fc.Arbitrary<Plan>): void {
  assert.throws(
    () => check(oracle, { ...RUNS, seed }, arbitrary),
    ({ message }: Error) => /ORACLE_SEED=\d+/.test(message) && / move \d+, /.test(message)
  )
}

const LOW_BITS = 0xff

test('a router that forgets which destination it asked for is found', () => {
  finds(cacheOracle(broken('router', forgetful(Word.ipDst + 3, LOW_BITS))))
})

test('a bridge that forgets the last bits of the MAC it asked for is found', () => {
  finds(cacheOracle(broken('bridge', forgetful(Word.ethMid, LOW_BITS << 16))))
})

test('a chain that forgets the port it asked for is found', () => {
  finds(cacheOracle(broken('firewall', forgetful(Word.l4Ports, 1))), SEED_OF_PORTS)
})

// The bridge's first tag is its own, then come the sender's and the receiver's MAC.
test('a bridge that loses the tag of a MAC is found', () => {
  finds(cacheOracle(broken('bridge', careless(2))))
})

test('a router that loses its own tag is found', () => {
  finds(cacheOracle(broken('router', careless(0))))
})

test('a chain that loses its tag is found', () => {
  finds(cacheOracle(broken('firewall', careless(0))), SEED_OF_CHAINS)
})

test('a flow that does not decrement the TTL is found', () => {
  const skip = (actions: { words: Int32Array }, i: number): void => {
    actions.words[i * ACTION_WORDS + 1] = 0
  }
  withAlteredActions(ActionType.addTtl, skip, () => finds(cacheOracle()))
})

test('a flow that rewrites a MAC to another is found', () => {
  const flip = (actions: { words: Int32Array }, i: number): void => {
    actions.words[i * ACTION_WORDS + 2]! ^= 1
  }
  withAlteredActions(ActionType.setEthDst, flip, () => finds(cacheOracle()))
})

test('a flow that leaves for the wrong tunnel key is found by both oracles and the trace', () => {
  const other = (actions: { words: Int32Array }, i: number): void => {
    actions.words[i * ACTION_WORDS + 1]! ^= 1
  }
  withAlteredActions(ActionType.tunnel, other, () => {
    finds(cacheOracle())
    finds(hostsOracle())
    finds(cacheOracle(PLUGINS, traceLook))
  })
})

test('a translation that forgets the last bit of the port it asked for is found', () => {
  const plugins = broken('router', forgetful(Word.l4Ports, 1 << 16))
  finds(statefulCacheOracle(plugins), SEED_OF_TRANSLATIONS, statefulPlans(true))
})

test('hosts that do not share what they know of connections are found', () => {
  const unshared = compare({ cache: true, spread: true }, { cache: true, spread: false }, PLUGINS)
  finds(unshared, 2, statefulPlans(false))
})
