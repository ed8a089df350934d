// The two oracles of the architecture on the kernel: the same random plans as in test/oracle, but
// one of the two worlds forwards by eBPF, in namespaces, by real cables and tunnels.
//
//   cache   one host in the kernel, and one in memory that walks every packet
//   hosts   hosts in the kernel and tunnels between them, and one host in memory with every port
//
// ORACLE_SEED and ORACLE_RUNS look for more; a failure prints the seed and the plan.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ACTION_WORDS, ActionType } from '../../src/flow/actions.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import type { Plugin } from '../../src/plugin.ts'
import { check, compare, type Oracle, PLUGINS, runs } from '../oracle/oracle.ts'
import { plansOf } from '../oracle/plan.ts'
import { careless, withProcess } from '../oracle/sabotage.ts'
import type { WorldOptions } from '../world/world.ts'
import { canRun } from './datapath-lab.ts'
import { tool } from './lib/traffic.ts'
import type { Sabotage } from './oracle-datapath.ts'
import { Site } from './oracle-site.ts'
import { KernelWorld, type Work } from './oracle-world.ts'

const RUNS = 8
// To open datapaths and to close them takes half a second, to play a move a few milliseconds.
const PLANS = plansOf(30, 120)
const SHRINK_MS = 20_000

const LOW_BITS = 0xff

const flip = (words: Int32Array): void => {
  words[1]! ^= 1
}

const lostBits =
  (word: number, bits: number): Sabotage =>
  ({ keys, masks, count }) => {
    for (let at = word; at < count * WORDS; at += WORDS) {
      masks[at]! &= ~bits
      keys[at]! &= ~bits
    }
  }

const altered =
  (type: number, alter: (words: Int32Array) => void): Sabotage =>
  ({ actions, actionsUsed }) => {
    for (let i = 0; i < actionsUsed; i++) {
      const words = actions.subarray(i * ACTION_WORDS, (i + 1) * ACTION_WORDS)
      if ((words[0]! & 0xff) === type) alter(words)
    }
  }

const lossy = (plugin: Plugin): Plugin =>
  plugin.name === 'bridge' ? withProcess(plugin, careless(2)) : plugin

// Shrinks for a while only.
function plays(oracle: Oracle, seed: number): void {
  let until = Number.POSITIVE_INFINITY
  const bounded: Oracle = plan => {
    if (performance.now() > until) return undefined
    const found = oracle(plan)
    if (found !== undefined) until = Math.min(until, performance.now() + SHRINK_MS)
    return found
  }
  check(bounded, runs(seed, RUNS), PLANS)
}

// Seeds were chosen that find it within a few plans.
function finds(oracle: Oracle, seed: number): void {
  assert.throws(
    () => check(oracle, { seed, numRuns: 60, endOnFailure: true }, PLANS),
    ({ message }: Error) => /ORACLE_SEED=\d+/.test(message) && / move \d+, /.test(message)
  )
}

describe('oracles on eBPF', { skip: canRun }, () => {
  let site: Site
  before(async () => {
    site = new Site(await tool('wire'))
  })
  after(() => site.close())

  const seen: Work = { delivered: 0, upcalls: 0, hits: 0, tunnelled: 0 }
  const ground = (tunnel: 'vxlan' | 'gre', sabotage?: Sabotage) => (options: WorldOptions) =>
    new KernelWorld(site, { ...options, tunnel }, { seen, ...(sabotage ? { sabotage } : {}) })

  // Interfaces have other numbers here than in memory.
  const oneHost = { spread: false, patient: true, unlimited: true }
  const cacheOracle = (sabotage?: Sabotage, plugins = PLUGINS): Oracle =>
    compare(
      { ...oneHost, cache: true, ground: ground('vxlan', sabotage) },
      { ...oneHost, cache: false },
      plugins
    )

  const hostsOracle = (tunnel: 'vxlan' | 'gre', sabotage?: Sabotage): Oracle =>
    compare(
      { cache: true, spread: true, ground: ground(tunnel, sabotage) },
      { cache: true, spread: false },
      PLUGINS
    )

  test('the cache is transparent', () => plays(cacheOracle(), 20_260_201))

  test('many hosts are one, by VXLAN', () => plays(hostsOracle('vxlan'), 20_260_202))

  test('many hosts are one, by GRE', () => plays(hostsOracle('gre'), 20_260_203))

  // Equal silence proves nothing.
  test('the kernel had work to do', t => {
    const { delivered, upcalls, hits, tunnelled } = seen
    const { numRuns } = runs(0, RUNS)
    const text = `${numRuns} runs each: ${JSON.stringify(seen)}`
    assert.ok(delivered > 20 * numRuns && upcalls > 10 * numRuns, text)
    assert.ok(hits > 10 * numRuns && tunnelled > 2 * numRuns, text)
    t.diagnostic(text)
  })

  // The kernel alone is told something else than what the house believes.
  describe('are seen to fail', () => {
    test('for a mask that has lost bits of the destination', () =>
      finds(cacheOracle(lostBits(Word.ipDst + 3, LOW_BITS)), 26))

    test('for a mask that has lost bits of a MAC address', () =>
      finds(cacheOracle(lostBits(Word.ethMid, LOW_BITS << 16)), 15))

    test('for a TTL that is not decremented', () =>
      finds(cacheOracle(altered(ActionType.addTtl, words => words.fill(0, 1))), 15))

    test('for a bridge that loses the tag of a MAC', () =>
      finds(cacheOracle(undefined, PLUGINS.map(lossy)), 21))

    test('for another tunnel key', () =>
      finds(hostsOracle('gre', altered(ActionType.tunnel, flip)), 15))
  })
})
