// The oracles on the kernel: the same random plans as in test/oracle, but one of the two worlds
// forwards by eBPF, in namespaces, by real cables and tunnels, with native flow state.
//
//   cache   one host in the kernel, and one in memory that walks every packet
//   hosts   hosts in the kernel and tunnels between them, and one host in memory with every port
//   undo    hosts in the kernel: reply undoes request
//
// ORACLE_SEED and ORACLE_RUNS look for more; a failure prints the seed and the plan.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type fc from 'fast-check'
import { ACTION_WORDS, ActionType } from '../../src/flow/actions.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import { tool } from '../../src/lab/traffic/traffic.ts'
import type { Plugin } from '../../src/plugin.ts'
import { BALANCED, BalancedNet, serve } from '../oracle/balanced.ts'
import { check, compare, type Oracle, PLUGINS, runs } from '../oracle/oracle.ts'
import { answerAndServe } from '../oracle/packets.ts'
import { type Plan, plansOf, statefulPlans } from '../oracle/plan.ts'
import { careless, withProcess } from '../oracle/sabotage.ts'
import { undoes, undoPlans } from '../oracle/undo.ts'
import type { WorldOptions } from '../world/world.ts'
import { canRun } from './datapath-lab.ts'
import { Site } from './oracle-site.ts'
import { KernelWorld, newWork, type Watched } from './oracle-world.ts'

const RUNS = 8
// To open datapaths and to close them takes half a second, to play a move a few milliseconds.
const PLANS = plansOf(30, 120)
const LEASED = statefulPlans(true, 30, 120)
const STATEFUL = statefulPlans(false, 30, 120)
const SHRINK_MS = 20_000

const LOW_BITS = 0xff

type Lie = Omit<Watched, 'seen'>

const flip = (words: Int32Array): void => {
  words[1]! ^= 1
}

const lostBits = (word: number, bits: number): Lie => ({
  sabotage: ({ keys, masks, count }) => {
    for (let at = word; at < count * WORDS; at += WORDS) {
      masks[at]! &= ~bits
      keys[at]! &= ~bits
    }
  }
})

const altered = (type: number, alter: (words: Int32Array) => void): Lie => ({
  sabotage: ({ actions, actionsUsed }) => {
    for (let i = 0; i < actionsUsed; i++) {
      const words = actions.subarray(i * ACTION_WORDS, (i + 1) * ACTION_WORDS)
      if ((words[0]! & 0xff) === type) alter(words)
    }
  }
})

const lossy = (plugin: Plugin): Plugin =>
  plugin.name === 'bridge' ? withProcess(plugin, careless(2)) : plugin

// Shrinks for a while only.
function plays<P = Plan>(
  oracle: (plan: P) => string | undefined,
  seed: number,
  plans = PLANS as unknown as fc.Arbitrary<P>
): void {
  let until = Number.POSITIVE_INFINITY
  const bounded = (plan: P): string | undefined => {
    if (performance.now() > until) return undefined
    const found = oracle(plan)
    if (found !== undefined) until = Math.min(until, performance.now() + SHRINK_MS)
    return found
  }
  check(bounded, runs(seed, RUNS), plans)
}

// Seeds were chosen that find it within a few plans.
function finds<P = Plan>(
  oracle: (plan: P) => string | undefined,
  seed: number,
  plans = PLANS as unknown as fc.Arbitrary<P>
): void {
  assert.throws(
    () => check(oracle, { seed, numRuns: 60, endOnFailure: true }, plans),
    ({ message }: Error) => /ORACLE_SEED=\d+/.test(message) && / move \d+, /.test(message)
  )
}

describe('oracles on eBPF', { skip: canRun }, () => {
  let site: Site
  before(async () => {
    site = new Site(await tool('wire'))
  })
  after(() => site.close())

  const seen = newWork()
  const ground =
    (tunnel: 'vxlan' | 'gre', lie: Lie = {}) =>
    (options: WorldOptions) =>
      new KernelWorld(site, { ...options, tunnel }, { seen, ...lie })

  // Interfaces have other numbers here than in memory.
  const oneHost = { spread: false, patient: true, unlimited: true }
  const cacheOracle = (lie?: Lie, plugins = PLUGINS): Oracle =>
    compare(
      { ...oneHost, cache: true, ground: ground('vxlan', lie) },
      { ...oneHost, cache: false },
      plugins
    )

  const hostsOracle = (tunnel: 'vxlan' | 'gre', lie?: Lie): Oracle =>
    compare(
      { cache: true, spread: true, ground: ground(tunnel, lie) },
      { cache: true, spread: false },
      PLUGINS
    )

  const statefulCacheOracle = (lie?: Lie): Oracle => {
    const both = { ...oneHost, answer: answerAndServe }
    const kernel = { ...both, cache: true, ground: ground('vxlan', lie) }
    return compare(kernel, { ...both, cache: false }, PLUGINS)
  }

  const statefulHostsOracle = (tunnel: 'vxlan' | 'gre', lie?: Lie): Oracle => {
    const both = { cache: true, share: true, answer: answerAndServe }
    const kernel = { ...both, spread: true, ground: ground(tunnel, lie) }
    return compare(kernel, { ...both, spread: false }, PLUGINS)
  }

  const balanced = { netOf: BalancedNet, answer: serve }
  const balancedCacheOracle = (lie?: Lie): Oracle => {
    const both = { ...oneHost, ...balanced }
    const kernel = { ...both, cache: true, ground: ground('vxlan', lie) }
    return compare(kernel, { ...both, cache: false }, BALANCED)
  }

  const balancedHostsOracle = (tunnel: 'vxlan' | 'gre', lie?: Lie): Oracle => {
    const both = { cache: true, share: true, calmMs: 500, ...balanced }
    const kernel = { ...both, spread: true, ground: ground(tunnel, lie) }
    return compare(kernel, { ...both, spread: false }, BALANCED)
  }

  test('the cache is transparent', () => plays(cacheOracle(), 20_260_201))

  test('INV-01 the cache is transparent to connections and translations', () =>
    plays(statefulCacheOracle(), 20_260_204, LEASED))

  test('many hosts are one, by VXLAN', () => plays(hostsOracle('vxlan'), 20_260_202))

  test('many hosts are one, by GRE', () => plays(hostsOracle('gre'), 20_260_203))

  for (const [i, tunnel] of (['vxlan', 'gre'] as const).entries())
    test(`many hosts are one to connections and translations, by ${tunnel}`, () =>
      plays(statefulHostsOracle(tunnel), 20_260_205 + i, STATEFUL))

  test('the cache is transparent to load balancers', () =>
    plays(balancedCacheOracle(), 20_260_208, LEASED))

  test('many hosts are one to load balancers', () =>
    plays(balancedHostsOracle('gre'), 20_260_209, STATEFUL))

  test('INV-04 reply undoes request, by any member of the group', () =>
    plays(undoes({ ground: ground('vxlan') }), 20_260_207, undoPlans))

  // Equal silence proves nothing.
  test('the kernel had work to do', t => {
    const { delivered, upcalls, hits, tunnelled, states, shared } = seen
    const { numRuns } = runs(0, RUNS)
    const text = `${numRuns} runs each: ${JSON.stringify(seen)}`
    assert.ok(delivered > 20 * numRuns && upcalls > 10 * numRuns, text)
    assert.ok(hits > 10 * numRuns && tunnelled > 2 * numRuns, text)
    assert.ok(states > 5 * numRuns && shared > numRuns, text)
    t.diagnostic(text)
  })

  // The kernel alone is told something else than what the agent believes.
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

    test('for an address that is translated to another', () =>
      finds(
        statefulCacheOracle(altered(ActionType.setIpDst, words => (words[4]! ^= 1))),
        15,
        LEASED
      ))

    test('for a host that keeps its state to itself', () =>
      finds(statefulHostsOracle('vxlan', { mute: true }), 21, STATEFUL))

    test('for an answer that meets a host that was told nothing', () =>
      finds(undoes({ ground: ground('gre', { mute: true }) }), 15, undoPlans))
  })
})
