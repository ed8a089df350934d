// The two oracles of the architecture, executable: the same plan is played on two worlds that
// should not be told apart, and what comes out must be the same, frame by frame.
//
//   cache   a world that keeps flows, and one that walks every packet
//   hosts   ports on several hosts, and all ports on one
//
// ORACLE_SEED and ORACLE_RUNS look for more; a failure prints the seed and the shrunk plan.

import fc from 'fast-check'
import bridge from '../../plugins/bridge/index.ts'
import firewall from '../../plugins/firewall/index.ts'
import nat from '../../plugins/nat/index.ts'
import router from '../../plugins/router/index.ts'
import type { Plugin } from '../../src/plugin.ts'
import { casesOf } from '../cases.ts'
import { faultsIn } from '../world/invariants.ts'
import { World } from '../world/world.ts'
import { traceLook } from './look.ts'
import { Net } from './net.ts'
import { answerAndServe } from './packets.ts'
import { type Move, type Plan, plans } from './plan.ts'
import { readable, Stage, type StageOptions } from './stage.ts'

export { traceLook }

export const PLUGINS = [bridge, router, firewall, nat] as unknown as readonly Plugin[]

export type Oracle = (plan: Plan) => string | undefined

export type Variant = Omit<StageOptions, 'plugins'>

export const cacheOracle = (plugins = PLUGINS, look?: Look): Oracle =>
  compare(
    { cache: true, spread: true, patient: true },
    { cache: false, spread: true, patient: true },
    plugins,
    look
  )

export const hostsOracle = (plugins = PLUGINS): Oracle =>
  compare({ cache: true, spread: true }, { cache: true, spread: false }, plugins, invariantLook)

/** How worlds that share flow state are played on. */
export const STATEFUL = { share: true, journal: true, calmMs: 300, answer: answerAndServe }

export const statefulCacheOracle = (plugins = PLUGINS): Oracle =>
  compare(
    { cache: true, spread: true, patient: true, ...STATEFUL },
    { cache: false, spread: true, patient: true, ...STATEFUL },
    plugins
  )

export const statefulHostsOracle = (plugins = PLUGINS): Oracle =>
  compare(
    { cache: true, spread: true, ...STATEFUL },
    { cache: true, spread: false, ...STATEFUL },
    plugins,
    invariantLook
  )

// A further look at the first world after each move; text when it finds a fault.
export type Look = (stage: Stage, move: Move) => string | undefined

// What is translated to its own sender and routed by another's: that other answers itself, and its
// host has never heard of the port of the sender.
const SELF = /(\S+):\d+ > \1:\d+/

// Once hosts have had the time to hand over, every record is where it belongs.
export const invariantLook: Look = ({ world }, move) => {
  if (move.is !== 'fault' || !move.calm || !(world instanceof World)) return undefined
  const faults = faultsIn(world).filter(text => !SELF.test(text))
  return faults.length === 0 ? undefined : faults.join('\n')
}

export function compare(a: Variant, b: Variant, plugins: readonly Plugin[], look?: Look): Oracle {
  return plan => {
    const net = new (a.netOf ?? Net)(plan)
    const one = new Stage(net, { ...a, plugins })
    const other = new Stage(net, { ...b, plugins })
    try {
      return play(net, one, other, look)
    } finally {
      for (const { world } of [one, other]) world.close?.()
    }
  }
}

function play(net: Net, one: Stage, other: Stage, look?: Look): string | undefined {
  for (const [i, move] of net.plan.moves.entries()) {
    const right = other.play(move)
    const left = one.play(move, other.counts)
    const found = difference(left, right) ?? look?.(one, move)
    if (found !== undefined) return `move ${i}, ${describeMove(move)}:\n${found}\n${story(net)}`
  }
  return undefined
}

function difference(a: readonly string[], b: readonly string[]): string | undefined {
  if (a.length === b.length && a.every((line, i) => line === b[i])) return undefined
  const rest = [...b]
  const only = a.filter(line => {
    const at = rest.indexOf(line)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
  const lines = (sign: string, of: string[]) => of.slice(0, 8).map(x => `  ${sign} ${readable(x)}`)
  return [...lines('first world only: ', only), ...lines('second world only:', rest)].join('\n')
}

// --- text for people -----------------------------------------------------------------------------

const describeMove = ({ is, ...rest }: Move): string => `${is} ${JSON.stringify(rest)}`

function story({ objects, plan, stations }: Net): string {
  const lines = objects.map(({ kind, value: { id, ...rest } }) => `${kind} ${id} ${plain(rest)}`)
  for (const { port, ip4, ip6, silent } of stations)
    lines.push(`station ${port} ${ip4} ${ip6}${silent ? ' silent' : ''}`)
  return [...lines, ...plan.moves.map((move, i) => `move ${i}: ${describeMove(move)}`)].join('\n')
}

const plain = (fields: object): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ')

// --- runs ----------------------------------------------------------------------------------------

export interface Runs {
  readonly seed: number
  readonly numRuns: number
  readonly endOnFailure?: boolean // do not shrink
}

export const runs = (seed: number, numRuns: number): Runs => ({
  seed: Number(process.env.ORACLE_SEED ?? seed),
  numRuns: Number(process.env.ORACLE_RUNS ?? casesOf(numRuns))
})

// Throws with the shrunk counterexample.
export function check<P = Plan>(
  oracle: (plan: P) => string | undefined,
  { seed, numRuns, endOnFailure = false }: Runs,
  arbitrary = plans as unknown as fc.Arbitrary<P>
): void {
  const property = fc.property(arbitrary, plan => {
    const found = oracle(plan)
    if (found !== undefined) throw new Error(found)
  })
  const outcome = fc.check(property, { seed, numRuns, endOnFailure })
  if (!outcome.failed) return
  const error = outcome.errorInstance
  const why = error instanceof Error ? error.message : String(error)
  const stack = error instanceof Error && !why.startsWith('move') ? `\n${error.stack}` : ''
  throw new Error(
    `ORACLE_SEED=${seed}, run ${outcome.numRuns}, ${outcome.numShrinks} shrinks: ${why}${stack}`
  )
}
