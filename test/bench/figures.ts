// The figures.  Each that compares runs its rival in the same minutes, turn by turn, and gives the
// median of the ratios: machines drift, ratios do not.

import { median, usageOf } from '../../src/lab/index.ts'
import { measureFlows, measureWalk } from './memory.ts'
import {
  bridgedPair,
  kernelBridge,
  kernelRouter,
  kernelVxlan,
  type Net,
  type Pair,
  rawVeth,
  routedPair,
  tunnelledPair
} from './net.ts'
import { separateAgent } from './separate.ts'

export type Figures = Record<string, number>
export interface Scale {
  readonly rounds: number
  readonly seconds: number
}

const PORT = 9
const SMALL = 64
// A VM that answers the flood with ICMP errors would be measured along.
export const SINK = `table inet sink {
  chain in {
    type filter hook prerouting priority -300
    meta l4proto udp drop
  }
}`

export async function walk(): Promise<Figures> {
  return { walk_us_median: await measureWalk(), book_flows_per_s: await measureFlows() }
}

// A flood of new 5-tuples, as fast as one core makes them: how many the agent walks and installs.
export async function newFlows(net: Net, { rounds }: Scale): Promise<Figures> {
  const pair = await bridgedPair(net, 'nf', true)
  await pair.a.ping(pair.to, { count: 1 })
  await pair.b.nft(SINK)
  const agent = net.appliance.agent(pair.id)!
  const made = () => settled(() => agent.counters.counters['flows.made'] ?? 0)
  const flood = { to: pair.to, seconds: 1, pps: 160_000, flows: 1_000_000, size: SMALL, port: PORT }
  const rates: number[] = []
  for (let i = 0; i < rounds; i++) {
    const before = await made()
    await pair.a.traffic.flood({ ...flood, firstFlow: i * 300_000 })
    rates.push((await made()) - before)
    await pair.forget()
  }
  return { new_flows_per_s: Math.round(median(rates)!) }
}

// UDP echo, each question from a new port: two misses a round trip.
export async function firstPacket(net: Net): Promise<Figures> {
  const pair = await bridgedPair(net, 'fp', true)
  await pause(4000) // a start is not idle: it compiles, prefetches and collects
  const echo = await pair.b.traffic.echo(7)
  // The first thousands of walks run in the interpreter: p99 is 2 ms then.
  await pair.a.traffic.ask({ to: pair.to, port: 7, count: 10_000, newPorts: true })
  const { rttUs } = await pair.a.traffic.ask({
    to: pair.to,
    port: 7,
    count: 3000,
    newPorts: true,
    everyUs: 1000
  })
  await echo.stop()
  const answered = rttUs.filter(us => us >= 0).sort((x, y) => x - y)
  const at = (q: number): number => answered[Math.floor(answered.length * q)]! / 1000
  return { first_packet_ms_p50: at(0.5), first_packet_ms_p99: at(0.99) }
}

export async function forwarding(net: Net, scale: Scale): Promise<Figures> {
  const ours = await bridgedPair(net, 'fw', true)
  const rival = await kernelBridge(net, 'br')
  const figures: Figures = {}
  for (const [name, flows] of [
    ['1', 1],
    ['1k', 1000],
    ['100k', 100_000]
  ] as const) {
    await warm(ours, flows)
    await warm(rival, Math.min(flows, 1000))
    figures[`forward_vs_bridge_${name}`] = await packetRatio(ours, rival, flows, scale)
  }
  return figures
}

export async function routing(net: Net, scale: Scale): Promise<Figures> {
  const ours = await routedPair(net, 'rt')
  const rival = await kernelRouter(net, 'kr')
  await warm(ours, 1)
  await warm(rival, 1)
  return { route_vs_kernel: await packetRatio(ours, rival, 1, scale) }
}

export async function tunnels(net: Net, { rounds, seconds }: Scale): Promise<Figures> {
  const rival = await kernelVxlan(net, 'kv')
  const vxlan = await tunnelledPair(net, 'vx', 'vxlan')
  const gre = await tunnelledPair(net, 'gr', 'gre')
  const pairs = [rival, vxlan, gre]
  for (const { a, to } of pairs) await a.ping(to, { count: 3 })
  const ratios: [number[], number[]] = [[], []]
  for (let i = 0; i < rounds; i++) {
    const rates: number[] = []
    for (const { a, b, to } of pairs) rates.push((await a.traffic.bulk(b, to, seconds * 2)).gbps)
    ratios[0].push(rates[1]! / rates[0]!)
    ratios[1].push(rates[2]! / rates[0]!)
  }
  return { vxlan_tcp_vs_kernel: median(ratios[0])!, gre_tcp_vs_kernel: median(ratios[1])! }
}

// Connect, ask, answer, close.  `l4`: under rules that ask for ports every connection is two new
// flows; without them they stay in the kernel.
export async function connections(net: Net, { rounds, seconds }: Scale): Promise<Figures> {
  const plain = await bridgedPair(net, 'cr', false)
  const ports = await bridgedPair(net, 'cp', true)
  const veth = await rawVeth(net, 'rv')
  const pairs = [veth, plain, ports]
  for (const { a, b, to } of pairs) {
    await b.traffic.serve(80)
    await a.ping(to, { count: 2 })
  }
  const ratios: [number[], number[]] = [[], []]
  for (let i = 0; i < rounds; i++) {
    const rates: number[] = []
    for (const { a, to } of pairs) rates.push((await a.traffic.rate(to, 80, seconds)).rate)
    ratios[0].push(rates[1]! / rates[0]!)
    ratios[1].push(rates[2]! / rates[0]!)
  }
  return { crr_vs_veth: median(ratios[0])!, crr_l4_vs_veth: median(ratios[1])! }
}

// The agent in a process of its own, as an operator runs it.
export async function footprint(net: Net): Promise<Figures> {
  const { pair, job, stop } = await separateAgent(net)
  await pair.a.ping(pair.to, { count: 2, timeoutMs: 5000 })
  const flows = 10_000
  await pair.a.traffic.flood({ to: pair.to, seconds: 2, pps: 8000, flows, size: SMALL, port: PORT })
  await pause(2000)
  const { rssBytes } = usageOf(job.pid)
  await pause(8000)
  const before = usageOf(job.pid).cpuMs
  const seconds = 10
  await pause(seconds * 1000)
  const cpuMs = usageOf(job.pid).cpuMs - before
  await stop()
  return { rss_mb_10k_flows: rssBytes / 1e6, idle_cpu_pct: (cpuMs / (seconds * 1000)) * 100 }
}

export async function packetRatio(
  ours: Pair,
  rival: Pair,
  flows: number,
  scale: Scale
): Promise<number> {
  const ratios: number[] = []
  for (let i = 0; i < scale.rounds; i++) {
    const theirs = await packetRate(rival, flows, scale.seconds)
    ratios.push((await packetRate(ours, flows, scale.seconds)) / theirs)
  }
  return median(ratios)!
}

// Frames a second that reach the other VM, offered as fast as one core makes them.
async function packetRate({ a, b, to }: Pair, flows: number, seconds: number): Promise<number> {
  const before = (await b.counters('eth0')).rx.packets
  await a.traffic.flood({ to, seconds, pps: 0, flows, size: SMALL, port: PORT })
  return ((await b.counters('eth0')).rx.packets - before) / seconds
}

export async function warm({ a, b, to }: Pair, flows: number): Promise<void> {
  await b.traffic.discard(PORT)
  await a.ping(to, { count: 2 })
  const seconds = Math.max(1, flows / 40_000)
  await a.traffic.flood({
    to,
    seconds,
    pps: Math.max(1000, flows / seconds),
    flows,
    size: SMALL,
    port: PORT
  })
  await pause(300)
}

export const pause = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms))

// The agent's counters arrive twice a second: waits until they stand still.
export async function settled(read: () => number): Promise<number> {
  let last = -1
  for (let i = 0; i < 20 && last !== read(); i++) {
    last = read()
    await pause(1100)
  }
  return last
}
