// `npm run liveness -- --uplinks`: two gateways that speak BGP with two routers outside, BFD of
// 3 × 100 ms on each of four sessions, and connections of every class, while every core computes.
// Nothing dies: whatever is taken for dead, withdrawn or lost is a false alarm.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { askOnce } from '../../plugins/bgp/engine/frr/vty.ts'
import { outlivingIn } from '../../src/control.ts'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { ROUTERS } from '../../src/lab/upstream/sessions.ts'
import { Network } from '../lab/fixtures/index.ts'
import { Crowds } from '../lab/survival/crowds.ts'
import { GATEWAYS, Ground } from '../lab/survival/ground.ts'
import { burn, load, report, Stillness } from './machine.ts'

const EACH = 10 // × 4 classes × 2 directions
const FRR = '/run/mezzo-bgp'
const MINUTE_MS = 60_000
const LOOK_MS = 1000
const PACKETS = 10 // a second, of each session
const SAID_MAX = 100
const STILL_MS = 50
const FIFO = '1' // SCHED_FIFO, sched(7)
const clock = new SystemClock()

/** What is counted from the beginning of a session, a daemon or an agent. */
interface Alarms {
  /** Sessions that were established and are not any more, as FRR says. */
  readonly bgp_flaps: number
  /** Times that BFD took a peer for dead, as FRR says. */
  readonly bfd_downs: number
  /** Prefixes that a router outside was told to forget. */
  readonly withdrawals: number
  /** Hosts and agents that others took for dead. */
  readonly peers_lost: number
}

/** Whether there was no false alarm; prints what there was. */
export async function uplinks(minutes: number, asJson: boolean): Promise<boolean> {
  const skip = Network.skip()
  if (skip !== false) {
    process.stderr.write(`cannot run here: ${skip}\n`)
    process.exit(2)
  }
  const ground = await Ground.open({ prefix: 'mz-liveness', bgp: true })
  let cool = (): void => {}
  try {
    const crowds = await Crowds.open(ground, EACH)
    const before = await alarmsOf(ground)
    cool = burn()
    const happened: string[] = []
    const outcomes = await crowds.suffer({
      name: 'load',
      happen: async () => void happened.push(...(await watch(minutes * MINUTE_MS)))
    })
    const figures = { minutes, load: load(), daemons_realtime: realtime(), happened }
    cool()
    const alarms = since(before, await alarmsOf(ground))
    const connections = outcomes.reduce((all, { total }) => all + total, 0)
    const lost = connections - outcomes.reduce((all, { survived }) => all + survived, 0)
    const silent_ms = Math.max(...outcomes.map(({ gap_ms_p99 }) => gap_ms_p99))
    report({ ...figures, ...alarms, connections, lost, silent_ms }, asJson)
    await crowds.close()
    return lost + Object.values(alarms).reduce((all, each) => all + each, 0) === 0
  } finally {
    cool()
    await ground.close()
  }
}

// When BFD took a peer for dead, or heard or said too little, and when the machine stood still.
async function watch(forMs: number): Promise<string[]> {
  const happened: string[] = []
  const machine = new Stillness()
  const beginMs = clock.now()
  let [lastMs, before] = [beginMs, await allCounts()]
  while (clock.now() - beginMs < forMs) {
    await sleep(clock, LOOK_MS)
    const [nowMs, now] = [clock.now(), await allCounts()]
    const lateMs = await machine.lateMs()
    const due = (PACKETS * (nowMs - lastMs)) / 1000
    const all = now.map((each, i) => [each, before[i]!] as const)
    const said = all.flatMap(([after, earlier]) => sayOf(after, earlier, due))
    if (lateMs > STILL_MS) said.push(`the machine was ${lateMs} ms late`)
    if (said.length > 0) happened.push(`${Math.round((nowMs - beginMs) / 1000)} s: ${said.join()}`)
    lastMs = nowMs
    before = now
  }
  await machine.close()
  return happened.slice(0, SAID_MAX)
}

const allCounts = async (): Promise<BfdCounts[]> =>
  (await Promise.all(daemons('bfdd.vty').map(countsOf))).flat()

function sayOf(now: BfdCounts, before: BfdCounts, due: number): string[] {
  const more = (name: Count): number => now[name] - before[name]
  const [heard, told] = [more('control-packet-input'), more('control-packet-output')]
  const isDown = more('session-down') > 0
  if (!isDown && Math.min(heard, told) > due / 2) return []
  return [`${now.peer}${isDown ? ' down' : ''} ${heard} in ${told} out of ${Math.round(due)}`]
}

const since = (before: Alarms, after: Alarms): Alarms => ({
  bgp_flaps: after.bgp_flaps - before.bgp_flaps,
  bfd_downs: after.bfd_downs - before.bfd_downs,
  withdrawals: after.withdrawals - before.withdrawals,
  peers_lost: after.peers_lost - before.peers_lost
})

async function alarmsOf(ground: Ground): Promise<Alarms> {
  const [bgp, bfd, withdrawn] = await Promise.all([
    Promise.all(daemons('bgpd.vty').map(flapsOf)),
    Promise.all(daemons('bfdd.vty').map(downsOf)),
    withdrawalsOf(ground)
  ])
  const counters = await ground.net.counters()
  const peers_lost = counters['exchange.peers-lost']
  if (peers_lost === undefined || bgp.length === 0) throw new Error('nobody counts')
  return { bgp_flaps: sum(bgp), bfd_downs: sum(bfd), withdrawals: withdrawn, peers_lost }
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0)

// Sockets of all daemons of a kind.
const daemons = (socket: string): string[] =>
  readdirSync(FRR).flatMap(host =>
    readdirSync(join(FRR, host)).map(port => join(FRR, host, port, 'daemons', socket))
  )

async function flapsOf(path: string): Promise<number> {
  const peers = JSON.parse(await askOnce(path, clock, 'show bgp neighbors json'))
  return sum(
    Object.values<{ connectionsDropped?: number }>(peers).map(each => each.connectionsDropped ?? 0)
  )
}

const downsOf = async (path: string): Promise<number> =>
  sum((await countsOf(path)).map(each => each['session-down']))

type Count = 'session-down' | 'control-packet-input' | 'control-packet-output'
type BfdCounts = Readonly<Record<Count, number>> & { readonly peer: string }

const countsOf = async (path: string): Promise<readonly BfdCounts[]> =>
  JSON.parse(await askOnce(path, clock, 'show bfd peers counters json'))

// Of sessions with our gateways; one that is down has told nothing yet, and is a flap.
async function withdrawalsOf({ upstream }: Ground): Promise<number> {
  const asked = ROUTERS.flatMap(router =>
    GATEWAYS.map(gateway => upstream!.bird(router).ask('show', 'protocols', 'all', gateway))
  )
  return sum(
    (await Promise.all(asked)).map(text => Number(/Import withdraws:\s+(\d+)/.exec(text)?.[1] ?? 0))
  )
}

// How many of the daemons run before ordinary programs: `4 of 4 bfdd`.
function realtime(): string {
  const all = daemons('..')
    .flatMap(folder => [...outlivingIn(folder)])
    .filter(([name]) => name.startsWith('bfdd'))
    .map(([, pid]) => policyOf(pid))
  return `${all.filter(policy => policy === FIFO).length} of ${all.length} bfdd`
}

// proc(5): the forty-first field; the name, in brackets, may hold anything.
const policyOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]!
}
