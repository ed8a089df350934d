// `npm run survive [-- --json] [--full]`: what becomes of connections when gateways die, ports move
// and agents are restarted, and when answers come back by another gateway than questions left by.
// Ends with status 1 when a connection was lost.

import { Network } from '../lab/fixtures/index.ts'
import { type Asymmetric, asymmetric } from '../lab/survival/asymmetric.ts'
import { Crowds, type Outcome } from '../lab/survival/crowds.ts'
import { faults } from '../lab/survival/faults.ts'
import { Ground } from '../lab/survival/ground.ts'
import { optionsOf } from '../options.ts'

const PREFIX = 'mz-survive'
const LOSSES = [0, 10, 100] // per mille
const small = { each: 25, connections: 1000, perSecond: 500 }
const full = { each: 125, connections: 10_000, perSecond: 1000 }

const { flags } = optionsOf(['json', 'full'], {})
const scale = flags.full ? full : small
const say = (line: string): void => {
  if (!flags.json) process.stdout.write(`${line}\n`)
}
const columns = (cells: readonly unknown[]): string =>
  cells.map((cell, i) => (i < 3 ? `${cell}`.padEnd(19) : `${cell}`.padStart(10))).join('')

async function survive(): Promise<Outcome[]> {
  const ground = await Ground.open({ prefix: PREFIX })
  const all: Outcome[] = []
  try {
    const crowds = await Crowds.open(ground, scale.each)
    say(columns(['fault', 'class', 'speaks', 'total', 'survived', 'p50 ms', 'p99 ms']))
    for (const fault of faults)
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
  say('\nout by gateway1, back by gateway2')
  for (const lossPerMille of LOSSES) {
    const { connections, perSecond } = scale
    const run = await asymmetric({ prefix: PREFIX, lossPerMille, connections, perSecond })
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

const skip = Network.skip()
if (skip !== false) {
  process.stderr.write(`cannot run here: ${skip}\n`)
  process.exit(2)
}
const survival = await survive()
const runs = await crossed()
if (flags.json) process.stdout.write(`${JSON.stringify({ survival, asymmetric: runs })}\n`)
const isLost = survival.some(({ total, survived }) => survived < total)
const isCrossed = runs.some(run => run.failed + run.syn_retransmits + run.wrong_drops > 0)
process.exit(isLost || isCrossed ? 1 : 0)
