// `npm run bench [-- NAME …] [--json] [--rounds N] [--seconds S]`: prints what Mezzo reaches, as
// ratios against a named rival measured in the same run.  Figures, not verdicts.
// `--against COMMIT` takes each figure here and in that commit, in turn.

import { Lab } from '../../src/lab/index.ts'
import { optionsOf } from '../options.ts'
import { type Compared, checkOut, compare } from './against.ts'
import { networks, outage, routed, tableChanges, worlds } from './cluster.ts'
import type { Figures, Scale } from './figures.ts'
import * as figures from './figures.ts'
import { nat } from './nat.ts'
import { type Net, openNet } from './net.ts'
import { learnedRoutes } from './routes.ts'
import { snatConnections } from './snat.ts'
import { holding, sharing } from './state.ts'
import { stateMemory } from './state-memory.ts'
import { uplink } from './uplink.ts'

interface Suite {
  readonly needsLab: boolean
  /** It makes hosts of its own: none of ours are to run beside it. */
  readonly isAlone?: boolean
  readonly measure: (net: Net, scale: Scale) => Promise<Figures>
}

const suites: Record<string, Suite> = {
  walk: { needsLab: false, measure: () => figures.walk() },
  flows: { needsLab: true, measure: figures.newFlows },
  first: { needsLab: true, measure: figures.firstPacket },
  forward: { needsLab: true, measure: figures.forwarding },
  route: { needsLab: true, measure: figures.routing },
  tunnels: { needsLab: true, measure: figures.tunnels },
  crr: { needsLab: true, measure: figures.connections },
  footprint: { needsLab: true, measure: figures.footprint },
  snat: { needsLab: true, measure: snatConnections },
  sharing: { needsLab: true, measure: sharing },
  hold: { needsLab: true, measure: holding },
  'state-memory': { needsLab: false, measure: async () => stateMemory() },
  nat: { needsLab: true, measure: nat },
  'table-changes': { needsLab: false, measure: tableChanges },
  networks: { needsLab: true, isAlone: true, measure: networks },
  worlds: { needsLab: true, isAlone: true, measure: worlds },
  outage: { needsLab: true, isAlone: true, measure: outage },
  routed: { needsLab: true, isAlone: true, measure: routed },
  uplink: { needsLab: true, isAlone: true, measure: uplink },
  routes: { needsLab: false, measure: learnedRoutes }
}

// One after the other, each with agents of its own: what half a million connections leave behind
// takes its agents minutes to forget, and would be measured along.
const groups: Record<string, readonly string[]> = {
  state: ['snat', 'sharing', 'hold', 'state-memory', 'nat'],
  cluster: ['table-changes', 'networks', 'worlds', 'outage', 'routed']
}

// What each figure means and what it should reach.
const goals: Record<string, string> = {
  walk_us_median: 'us, bridge-router-bridge; goal <= 5',
  book_flows_per_s: 'flows/s walked and booked, no kernel',
  new_flows_per_s: 'flows/s walked and installed, one worker; goal >= 100 000',
  first_packet_ms_p50: 'ms, UDP echo from new ports, two misses',
  first_packet_ms_p99: 'ms, the same; goal < 1',
  forward_vs_bridge_1: 'x Linux bridge, 64 B, 1 flow; goal >= 1.0',
  forward_vs_bridge_1k: 'x Linux bridge, 1 000 flows; goal >= 1.0',
  forward_vs_bridge_100k: 'x Linux bridge, 100 000 flows; goal >= 1.0',
  route_vs_kernel: 'x kernel routing, 64 B; goal >= 1.0',
  vxlan_tcp_vs_kernel: 'x kernel VXLAN, TCP; goal >= 0.9',
  gre_tcp_vs_kernel: 'x kernel VXLAN, TCP over GRE; goal >= 0.9',
  crr_vs_veth: 'x raw veth, connect-request-response-close; goal >= 0.6',
  crr_l4_vs_veth: 'x raw veth, every connection two new flows',
  rss_mb_10k_flows: 'MB resident, agent process; goal < 150',
  idle_cpu_pct: '% of a core; goal < 1',
  stateful_conn_per_s: 'new connections/s, each shared before it leaves; goal >= 50 000',
  hold_us_p50: 'us a first packet is held at 1 000 connections/s',
  hold_us_p99: 'us, the same; goal < 300',
  mb_per_1m_conn: 'MB for 1 000 000 connections through SNAT; goal < 512',
  state_put_ns: 'ns to file a record, while two million are filed',
  state_find_ns: 'ns to find one of two million',
  nat_vs_nft: 'x nft source NAT, 64 B, 1 flow; goal >= 1.4',
  nat_vs_nft_1k: 'x nft source NAT, 1 000 flows',
  crr_snat_vs_veth: 'x raw veth, connections through SNAT; goal >= 0.4',
  crr_snat_shared_vs_veth: 'x raw veth, each told a second gateway first',
  api_creates_per_s: 'creates/s, one client, one after the other, ZooKeeper; goal >= 200',
  api_batched_creates_per_s: 'creates/s in batches of 600; goal >= 2 000',
  table_change_ms_p99: "ms until another process's watch has it, 100 000 rows; goal < 10",
  network_to_first_packet_ms_p99_10: 'ms, POST of a network to the first answer; goal < 50',
  network_to_first_packet_ms_p99_1k: 'ms, beside 1 000 networks',
  network_to_first_packet_ms_p99_5k: 'ms, beside 5 000; goal <= 1.5 x that of 10',
  network_post_ms_p50_10: 'ms of it, POST of the network and its ports',
  network_bind_ms_p50_10: 'ms of it, PUT of both bindings',
  network_rest_ms_p50_10: 'ms of it, from then to the first answer',
  attach_ms_mean: 'ms of that, the kernel putting a program on an interface',
  agent_start_ms_1k_objects: 'ms until an agent takes packets; goal < 1 000',
  agent_start_ms_30k_objects: 'ms, the same in a world of 5 000 networks',
  rss_mb_agent_50_networks: 'MB of an agent that serves 50 networks, in a world of 50',
  rss_mb_agent_5k_networks: 'MB of the same in a world of 5 000',
  rss_mb_agent_more: 'MB more of it; goal < 10',
  rss_mb_controller_50_networks: 'MB of a controller, 50 networks',
  rss_mb_controller_5k_networks: 'MB of a controller, 5 000 networks, 25 000 ports',
  outage_first_write_ms: 'ms from the return of ZooKeeper to the first change taken',
  outage_converged_ms: 'ms until all agents have it; goal < 2 000',
  outage_converged_ms_max: 'ms, the longest of five',
  routed_networks_500_first_ms: 'ms, the first ping through a router of 500 networks',
  routed_networks_2000_first_ms: 'ms, the same of 2 000',
  punt_us_p99: "us, a ping from a router outside to an uplink port's own address",
  punt_us_p99_vs_kernel: 'x the same over a plain cable between two kernels; goal <= 1.5',
  route_to_flows_ms_p50: 'ms from a learned route put into the store to the flow that goes by it',
  route_to_flows_ms_p99: 'ms, the same; goal < 50',
  failover_gap_ms_p50: 'ms without answers, of the streams that a dying gateway hits',
  failover_gap_ms_p99: 'ms, the same; goal < 300, of it 300 are BFD finding out (3 x 100)',
  failover_streams_hit: 'of 32 streams of pings, so many had a gap',
  walk_10k_routes_vs_10: 'x a walk by one of 10 learned routes, by one of 10 000; goal < 1.2',
  route_change_10k_vs_10:
    'x a change of one of 10 learned routes, of one of 10 000; caches, not the table',
  flap_5k_of_10k_ms: 'ms, 5 000 of 10 000 learned routes go and come, with 500 flows',
  routes_50k_load_s: 's from a router outside telling 50 000 to all of them in the store; goal < 5'
}

const {
  flags,
  texts,
  numbers: scale,
  words
} = optionsOf(['json'], { rounds: 5, seconds: 1 }, true, { against: '' })

const say = (line: string): void => {
  if (!flags.json) process.stdout.write(`${line}\n`)
}

async function measure(name: string, suite: Suite): Promise<Figures> {
  const { needsLab, isAlone = !needsLab } = suite
  const net = isAlone ? undefined : await openNet('mz-bench')
  try {
    return await suite.measure(net!, scale)
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.stack : String(error)}\n`)
    return {}
  } finally {
    await net?.close()
  }
}

const names = words.length > 0 ? words.flatMap(name => groups[name] ?? name) : Object.keys(suites)
const unknown = names.filter(name => suites[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(
    `no benchmark ${unknown}; there are ${Object.keys({ ...suites, ...groups }).join(', ')}\n`
  )
  process.exit(2)
}
const reason = Lab.available()
if (texts.against !== '')
  await against(texts.against).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  })
const all: Figures = {}
for (const name of names) {
  const suite = suites[name]!
  if (suite.needsLab && reason !== null) {
    say(`${name}: skipped, ${reason}`)
    continue
  }
  const found = await measure(name, suite)
  for (const [figure, value] of Object.entries(found)) {
    all[figure] = Number(value.toPrecision(4))
    say(`${figure.padEnd(24)} ${String(all[figure]).padStart(10)}  ${goals[figure] ?? ''}`)
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify(all)}\n`)
process.exit(0)

async function against(commit: string): Promise<never> {
  const folder = checkOut(commit, line => process.stderr.write(`${line}\n`))
  const compared: Record<string, Compared> = {}
  for (const name of names) {
    if (suites[name]!.needsLab && reason !== null) {
      say(`${name}: skipped, ${reason}`)
      continue
    }
    const found = await compare(name, folder, scale.rounds, scale.seconds)
    Object.assign(compared, found)
    for (const [figure, { here, there, ratio }] of Object.entries(found)) {
      const [middle, least, most] = ratio.map(each => each.toFixed(3))
      const numbers = `${here.toPrecision(4)} here, ${there.toPrecision(4)} there`
      say(`${figure.padEnd(24)} ${middle} (${least} to ${most})  ${numbers}`)
    }
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(compared)}\n`)
  process.exit(0)
}
