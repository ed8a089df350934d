// `npm run soak [-- --minutes N] [--per-second N] [--every N] [--faults] [--json]`: connections by
// ever new ports through a stateful firewall, NAT and a load balancer for half an hour, and whether
// tables, leases, files and memory are flat meanwhile.  Times are set short, so that whatever
// expires has done so many times over before the first third has passed.  Ends with status 1
// naming what grew.

import { SystemClock, sleep } from '../../src/core/clock.ts'
import { Network } from '../lab/fixtures/index.ts'
import { faults } from '../lab/survival/faults.ts'
import { Ground } from '../lab/survival/ground.ts'
import { optionsOf } from '../options.ts'
import { type Judgement, judge, type Sample, short } from './judge.ts'
import { Load } from './load.ts'
import { ALIVE, ALLOWANCES, sample } from './sampling.ts'

const PREFIX = 'mz-soak'
const clock = new SystemClock()
// Of the whole run: with so many faults there is one every three minutes of thirty.
const FAULTS = 10
const ROUNDS = [
  ['gateway killed', 'gateway back'],
  ['port moved', 'port moved back'],
  ['compute restarted'],
  ['gateway restarted']
]
const AWAY_MS = 5000
// 128 blocks of ports: each is leased, given back and leased again within minutes.
const LAST_PORT = 1024 + 128 * 64 - 1
// Conversations may fail while a host is away, and a few on a machine that stalls.
const FAILED_MAX = { calm: 0.001, faults: 0.05 }

const timeouts = {
  ...{ tcpOpeningS: 5, tcpEstablishedS: 30, tcpHalfClosedS: 10, tcpClosedS: 5, tcpResetS: 3 },
  ...{ udpOneWayS: 5, udpTwoWayS: 10, icmpS: 5, otherS: 10 },
  kindsS: [0, 0, 0, 0, 20] // of load balancers' memories
}
const agents = {
  state: { timeouts },
  stateStore: { keepS: 60 },
  plugins: { nat: { blockIdleMs: 10_000 } },
  maintenance: { idleMs: 10_000, checkMs: 10_000 }
}

const { flags, numbers } = optionsOf(['faults', 'json'], {
  minutes: 30,
  'per-second': 300,
  every: 10
})
const [wholeS, perSecond, everyS] = [numbers.minutes * 60, numbers['per-second'], numbers.every]

const say = (line: string): void => {
  if (!flags.json) process.stdout.write(`${line}\n`)
}
const tell = (value: object): void => {
  if (flags.json) process.stdout.write(`${JSON.stringify(value)}\n`)
}

const COLUMNS: Readonly<Record<string, string>> = {
  conns: 'state.connection',
  snat: 'state.snat',
  dnat: 'state.dnat',
  blocks: 'nat.blocks-held',
  flows: 'datapath.flows',
  files: 'journal-files',
  'file MB': 'journal-bytes',
  fds: 'fds',
  'rss MB': 'rss-bytes',
  'heap MB': 'heap-bytes',
  'packets MB': 'packet-heap-bytes'
}
const row = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i < 2 ? cell.padEnd(10) : cell.padStart(9))).join('')

function lineOf({ atS, subject, values: of }: Sample): string {
  const cells = Object.values(COLUMNS).map(name => {
    const value = of[name] ?? 0
    return short(name.endsWith('-bytes') ? value / 1e6 : value)
  })
  return row([`${Math.round(atS)} s`, subject, ...cells])
}

async function soak(): Promise<Judgement> {
  const samples: Sample[] = []
  const ground = await Ground.open({ prefix: PREFIX, agents, crowds: false, lastPort: LAST_PORT })
  try {
    if (!flags.faults) await ground.net.move(ground.vms.get('lb')!, 'compute2')
    await ground.returnBy('gateway2')
    const load = await Load.start(ground, perSecond)
    const failures = await watch(ground, load, samples)
    const { findings, unjudged, faults: grown } = judge(samples, ALLOWANCES, ALIVE)
    return { findings, unjudged, faults: [...grown, ...failures] }
  } finally {
    await ground.close()
  }
}

async function watch(ground: Ground, load: Load, samples: Sample[]): Promise<string[]> {
  const startMs = clock.now()
  const atS = (): number => (clock.now() - startMs) / 1000
  say(row(['', '', ...Object.keys(COLUMNS)]))
  let [next, done, before] = [everyS, 0, load.begun]
  while (atS() < wholeS && load.running) {
    await sleep(clock, Math.max(0, next - atS()) * 1000)
    next += everyS
    const seen = await sample(ground, atS())
    samples.push(...seen)
    for (const each of seen.filter(({ pid }) => pid !== 0)) say(lineOf(each))
    say(`  ${short((load.begun - before) / everyS)} conversations/s, ${load.failed} failed so far`)
    before = load.begun
    for (const each of seen) tell(each)
    if (flags.faults && atS() > ((done + 1) * wholeS) / FAULTS) await suffer(ground, done++)
  }
  const failedMax = load.begun * (flags.faults ? FAILED_MAX.faults : FAILED_MAX.calm)
  const wrong = load.running ? [] : ['the load has ended by itself']
  if (load.failed > failedMax) wrong.push(`failed: ${load.failures.join(', ')}`)
  say(`${load.begun} conversations, ${load.failed} failed; ${load.failures.join(', ')}`)
  tell({ begun: load.begun, failed: load.failed, failures: load.failures })
  await load.stop()
  return wrong
}

async function suffer(ground: Ground, index: number): Promise<void> {
  for (const name of ROUNDS[index % ROUNDS.length]!) {
    say(`  ${name}`)
    await faults.find(fault => fault.name === name)!.happen(ground)
    await sleep(clock, AWAY_MS)
  }
  await ground.returnBy('gateway2')
}

const skip = Network.skip()
if (skip !== false) {
  process.stderr.write(`cannot run here: ${skip}\n`)
  process.exit(2)
}
const judgement = await soak()
tell(judgement)
for (const { subject, figure, middle, last, allowed } of judgement.findings)
  say(`${row([subject, ''])}${figure.padEnd(24)} ${[middle, last, allowed].map(short).join('  ')}`)
for (const what of judgement.unjudged) say(`not judged: ${what}`)
for (const fault of judgement.faults) process.stderr.write(`${fault}\n`)
say(judgement.faults.length === 0 ? 'flat' : 'not flat')
process.exit(judgement.faults.length === 0 ? 0 : 1)
