// `npm run survive [-- --json] [--full] [--uplinks] [--rounds N] [--each N] [--everyMs N]
// [--connections N] [--perSecond N] [--goneS N]`: what becomes of connections, `each` of four
// classes in either direction, with a record every so often, when gateways die, ports move and
// agents are restarted, when answers come back by another gateway than questions left by, when
// ports move to and fro, and when a gateway's agent is gone while its kernel forwards on. With
// --uplinks, by gateways that speak BGP with two routers outside: what dies is found out by them.
// Ends with status 1 when a connection was lost.

import { Network } from '../lab/fixtures/index.ts'
import { type Asymmetric, asymmetric } from '../lab/survival/asymmetric.ts'
import { Crowds, type Outcome } from '../lab/survival/crowds.ts'
import { faults } from '../lab/survival/faults.ts'
import { classes, Ground } from '../lab/survival/ground.ts'
import { type Moving, moving } from '../lab/survival/moving.ts'
import { type Unattended, unattended } from '../lab/survival/unattended.ts'
import { uplinkFaults, uplinkRounds } from '../lab/survival/uplink-faults.ts'
import { optionsOf } from '../options.ts'

const PREFIX = 'mz-survive'
const LOSSES = [0, 10, 100] // per mille
const small = { each: 25, connections: 1000, perSecond: 500, goneS: 40 }
const full = { each: 125, connections: 10_000, perSecond: 1000, goneS: 90 }
const MOVES = 10
const ROUNDS = 3 // of a gateway that dies and comes back, with --uplinks
const MOVING = 40 // connections of a class
const EVERY_MS = 40

const isFull = process.argv.includes('--full')
const { each, connections, perSecond, goneS } = isFull ? full : small
const { flags, numbers: scale } = optionsOf(['json', 'full', 'uplinks'], {
  ...{ rounds: ROUNDS, each, connections, perSecond, goneS, everyMs: EVERY_MS }
})
const bgp = flags.uplinks
const say = (line: string): void => {
  if (!flags.json) process.stdout.write(`${line}\n`)
}
const columns = (cells: readonly unknown[]): string =>
  cells.map((cell, i) => (i < 3 ? `${cell}`.padEnd(19) : `${cell}`.padStart(10))).join('')

async function survive(): Promise<Outcome[]> {
  const ground = await Ground.open({ prefix: PREFIX, bgp })
  const all: Outcome[] = []
  try {
    const crowds = await Crowds.open(ground, scale.each, classes, scale.everyMs)
    say(columns(['fault', 'class', 'speaks', 'total', 'survived', 'p50 ms', 'p99 ms']))
    for (const fault of bgp ? [...uplinkFaults, ...uplinkRounds(scale.rounds)] : faults)
      for (const outcome of await crowds.suffer(fault)) {
        all.push(outcome)
        const { class: of, speaks, total, survived, gap_ms_p50, gap_ms_p99, why } = outcome
        const cells = [fault.name, of, speaks, total, survived, gap_ms_p50, gap_ms_p99]
        say(`${columns(cells)}  ${why.join('; ')}`)
      }
    await crowds.close()
  } finally {
    await ground.close()
  }
  return all
}

async function crossed(): Promise<Asymmetric[]> {
  const all: Asymmetric[] = []
  say(
    bgp
      ? '\nout by all uplinks, back by either gateway in turn'
      : '\nout by gateway1, back by gateway2'
  )
  for (const lossPerMille of LOSSES) {
    const { connections, perSecond } = scale
    const run = await asymmetric({ prefix: PREFIX, lossPerMille, connections, perSecond, bgp })
    all.push(run)
    say(
      `${run.loss_pct} % of state messages lost: ${connections} connections, ` +
        `${run.failed} failed, ${run.syn_retransmits} SYN retransmitted, ` +
        `${run.wrong_drops} wrongly dropped; connected in ` +
        `${run.connect_us_p50} us, p99 ${run.connect_us_p99} us`
    )
  }
  return all
}

async function moved(): Promise<Moving> {
  const run = await moving(PREFIX, MOVES, MOVING)
  say(`\n${MOVES} moves: ${run.opened} new connections, ${run.failed} failed`)
  return run
}

async function gone(): Promise<Unattended> {
  const options = { seconds: scale.goneS, perSecond: 200, each: 10 }
  const run = await unattended({ prefix: PREFIX, ...options })
  const { seconds, connections, failed, slow } = run
  const gap = Math.max(...run.outcomes.map(({ gap_ms_p99 }) => gap_ms_p99))
  say(
    `gateway1 without its agent for ${seconds} s: ${connections} new connections, ${failed} ` +
      `failed, ${slow} took a second and more; old ones were silent for ${gap} ms at most`
  )
  return run
}

const skip = Network.skip()
if (skip !== false) {
  process.stderr.write(`cannot run here: ${skip}\n`)
  process.exit(2)
}
const survival = await survive()
const runs = await crossed()
const moves = bgp ? undefined : await moved()
const without = bgp ? undefined : await gone()
const all = { survival, asymmetric: runs, moves, unattended: without }
if (flags.json) process.stdout.write(`${JSON.stringify(all)}\n`)
const outcomes = [...survival, ...(moves?.outcomes ?? []), ...(without?.outcomes ?? [])]
const isLost = outcomes.some(({ total, survived }) => survived < total)
const failed = (moves?.failed ?? 0) + (without?.failed ?? 0) + (without?.slow ?? 0)
const isRefused = failed > 0
const isCrossed = runs.some(run => run.failed + run.syn_retransmits + run.wrong_drops > 0)
process.exit(isLost || isCrossed || isRefused ? 1 : 0)
