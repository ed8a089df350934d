// Uplinks that speak BGP: how long what is connected is silent when a gateway dies, how soon what
// is learned is in the kernel's flows, how fast many routes are learned, and what the way to a
// port's own address costs beside a plain cable. Two gateways, two routers, BFD 3 x 100 ms.

import { setTimeout as sleep } from 'node:timers/promises'
import { learnedTable } from '../../plugins/router/token.ts'
import { type PingResult, until } from '../../src/lab/index.ts'
import { classes, GATEWAYS, Ground } from '../lab/survival/ground.ts'
import { gatewayFaults } from '../lab/survival/uplink-faults.ts'
import type { Upstream } from '../lab/survival/upstream.ts'
import type { Figures, Scale } from './figures.ts'

const PREFIX = 'mz-bench-up'
const TARGETS = 8 // addresses outside: with four VMs 32 flows, spread over the uplinks
const INTERVAL_MS = 5
const FAILOVER_MS = 5000
const QUIET_MS = 1500 // before something happens: the streams are under way
const GAP_MS = 25 // less is no gap
const ROUTES = 50_000
const ROUTES_MS = 120_000
const TRIES = 20
const PUNTED = 1000

/** All of them, on one ground. */
export async function uplink(_: unknown, { rounds }: Scale): Promise<Figures> {
  const ground = await Ground.open({ prefix: PREFIX, bgp: true })
  try {
    const upstream = ground.upstream!
    await ground.outside.ip(...targets().map(address => `addr add ${address}/32 dev lo`))
    return {
      ...(await punting(upstream, rounds)),
      ...(await changing(ground)),
      ...(await failing(ground, rounds)),
      ...(await learning(ground, upstream))
    }
  } finally {
    await ground.close()
  }
}

const targets = (): string[] => Array.from({ length: TARGETS }, (_, i) => `198.51.100.${10 + i}`)

// Pings at a steady pace while a gateway dies: the longest silence of each stream that had one.
async function failing(ground: Ground, rounds: number): Promise<Figures> {
  const [killed, back] = gatewayFaults
  const gaps: number[] = []
  for (let round = 0; round < rounds; round++) {
    const count = FAILOVER_MS / INTERVAL_MS
    const streams = classes.flatMap(name =>
      targets().map(to => ground.vms.get(name)!.ping(to, { count, intervalMs: INTERVAL_MS }))
    )
    await sleep(QUIET_MS)
    await killed!.happen(ground)
    for (const result of await Promise.all(streams)) gaps.push(longestGap(result))
    await back!.happen(ground)
  }
  const all = gaps.filter(gap => gap > GAP_MS)
  return {
    failover_gap_ms_p50: quantile(all, 0.5),
    failover_gap_ms_p99: quantile(all, 0.99),
    failover_streams_hit: all.length / gaps.length
  }
}

// A learned route to one address is put where all see it, by a next hop that nobody is at: from
// when it is in force the stream has no answers.
async function changing(ground: Ground): Promise<Figures> {
  const { net } = ground
  const vm = ground.vms.get('plain')!
  const router = (await listed(ground, 'router'))[0]!
  const port = (await listed(ground, 'port')).find(({ name }) => name === 'gateway1-r1')!
  const table = net.appliance.store.table(learnedTable(String(router.id)))
  const [target] = targets()
  const key = `bench bench ${target}/32`
  const hops = JSON.stringify([{ port: port.id, gateway: '203.0.113.14' }])
  const took: number[] = []
  for (let i = 0; i < TRIES; i++) {
    const asked = vm.ping(target!, { count: 1000, intervalMs: 1, timeoutMs: 1000 })
    await sleep(500)
    const putMs = performance.now()
    await table.put(key, hops)
    // Until 2026-11-30 by how many pings were answered, as if each took a millisecond: too little.
    const { lastAnsweredMs } = await asked
    await table.remove(key)
    took.push(lastAnsweredMs! - toMonotonic(putMs))
    await until('it answers again', async () => (await vm.ping(target!, { count: 1 })).received > 0)
  }
  return { route_to_flows_ms_p50: quantile(took, 0.5), route_to_flows_ms_p99: quantile(took, 0.99) }
}

// The clock of `performance` on the machine's monotonic one.
const toMonotonic = (ms: number): number =>
  ms - performance.now() + Number(process.hrtime.bigint()) / 1e6

// From when a router outside begins to tell of them until they are where all agents see them. Of
// the sessions only one is left: each route is told once.
async function learning(ground: Ground, upstream: Upstream): Promise<Figures> {
  const { net } = ground
  const router = (await listed(ground, 'router'))[0]!
  const ports = await listed(ground, 'port')
  for (const { id, port } of await listed(ground, 'bgp-peer')) {
    const isFirst = ports.find(each => each.id === port)?.name === 'gateway1-r1'
    const fields = isFirst ? { maximumPrefixes: ROUTES + 100 } : { adminStateUp: false }
    await net.change('bgp-peer', String(id), fields)
  }
  await until(
    'one session is left',
    async () => {
      const states = await Promise.all(GATEWAYS.map(name => upstream.bird('r1').session(name)))
      return states[0]!.isUp && !states[1]!.isUp
    },
    ROUTES_MS
  )
  const table = net.appliance.store.table(learnedTable(String(router.id)))
  const startMs = performance.now()
  await upstream.bird('r1').change({ networks: manyNetworks() })
  const isLearned = async (): Promise<boolean> => {
    await sleep(100)
    return (await table.entries()).length >= ROUTES
  }
  await until('all routes', isLearned, ROUTES_MS)
  return { routes_50k_load_s: (performance.now() - startMs) / 1000 }
}

const manyNetworks = (): string[] =>
  Array.from({ length: ROUTES }, (_, i) => {
    return `100.${64 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) << 2}/30`
  })

// A ping from the router outside to a port's own address, and one to what is behind it by a plain
// cable, in turn.
async function punting(upstream: Upstream, rounds: number): Promise<Figures> {
  const router = upstream.routers.get('r1')!
  const options = { count: PUNTED, intervalMs: 1 }
  const ratios: number[] = []
  const punted: number[] = []
  for (let round = 0; round < rounds; round++) {
    const own = p99(await router.ping('203.0.113.2', options))
    const plain = p99(await router.ping('192.0.2.2', options))
    punted.push(own)
    ratios.push(own / plain)
  }
  return { punt_us_p99: 1000 * quantile(punted, 0.5), punt_us_p99_vs_kernel: quantile(ratios, 0.5) }
}

const p99 = ({ rttMs }: PingResult): number =>
  quantile(
    rttMs.filter(rtt => rtt !== null),
    0.99
  )

// Longest run of lost requests, in time; answers at both ends of it.
function longestGap({ rttMs }: PingResult): number {
  let longest = 0
  let run = 0
  for (const rtt of rttMs) {
    run = rtt === null ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest * INTERVAL_MS
}

async function listed(ground: Ground, kind: string): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = []
  for await (const { value } of ground.net.appliance.store.list(kind)) all.push(value)
  return all
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
