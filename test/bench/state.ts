// What sharing state costs: new connections through a pair of gateways that share each one before
// its first packet leaves, and how long that packet waits.

import { randomUUID } from 'node:crypto'
import type { Agent } from '../../src/agent/agent.ts'
import type { HistogramSnapshot } from '../../src/core/counters.ts'
import { median } from '../../src/lab/index.ts'
import { type Figures, pause, type Scale, SINK, settled } from './figures.ts'
import { create, type Net, type Pair, startAgent } from './net.ts'

const CREDITS = 1024 // of a gateway: config/gateway.json

// Two gateways, whose uplinks are one stateful group; both VMs are at the first.
async function sharedPair(net: Net, name: string): Promise<Pair & { agent: Agent; peer: Agent }> {
  const underlay = await net.lab.underlay({ name: `${name}u`, mtu: 1600 })
  const [one, two] = [
    await net.lab.host(`${name}1`, { underlay }),
    await net.lab.host(`${name}2`, { underlay })
  ]
  const a = await one.vm(`${name}a`, { addresses: ['10.9.1.1/24'], linkLocal: false })
  const b = await one.vm(`${name}b`, { addresses: ['10.9.1.2/24'], linkLocal: false })
  const c = await two.vm(`${name}c`, { addresses: ['10.9.1.3/24'], linkLocal: false })
  const [first, second, zone, bridge, chain] = Array.from({ length: 5 }, () => randomUUID())
  const [out, other] = [randomUUID(), randomUUID()]
  const port = { type: 'bridge', device: bridge }
  await net.appliance.store.write([
    create('tunnel-zone', { id: zone, name, type: 'vxlan' }),
    create('bridge', { id: bridge, name }),
    create('chain', { id: chain, name }),
    create('rule', { chain, action: 'accept', matchForwardFlow: true }),
    ...[one, two].flatMap((host, i) => [
      create('host', { id: [first, second][i], name: host.name }),
      create('tunnel-zone-host', { zone, host: [first, second][i], address: host.underlay.ip })
    ]),
    create('port', { ...port, host: first, interface: a.interface, inFilter: chain }),
    create('port', { ...port, id: out, host: first, interface: b.interface }),
    create('port', { ...port, id: other, host: second, interface: c.interface }),
    create('port-group', { name, stateful: true, ports: [out, other] })
  ])
  const agent = await startAgent(net, one, first!, CREDITS)
  const peer = await startAgent(net, two, second!, CREDITS)
  await pause(1500)
  return { a, b, to: '10.9.1.2', agent, peer }
}

export async function sharing(net: Net, { rounds }: Scale): Promise<Figures> {
  const pair = await sharedPair(net, 'sh')
  await pair.a.ping(pair.to, { count: 3 })
  await pair.b.ping('10.9.1.1', { count: 1 })
  await pair.b.nft(SINK)
  const { agent, peer } = pair
  const shared = () => settled(() => agent.counters.counters['state.shared'] ?? 0)
  const there = () => settled(() => peer.counters.gauges['exchange.entries-added'] ?? 0)
  const flood = { to: pair.to, seconds: 1, pps: 80_000, flows: 1_000_000, size: 64, port: 9 }
  const rates: number[] = []
  for (let i = 0; i < rounds; i++) {
    const before = await shared()
    const arrived = await there()
    await pair.a.traffic.flood({ ...flood, firstFlow: i * 100_000 })
    rates.push(Math.min((await shared()) - before, (await there()) - arrived))
  }
  return { stateful_conn_per_s: Math.round(median(rates)!) }
}

// A thousand connections a second: far from what it can, so that the wait is the exchange's own.
export async function holding(net: Net): Promise<Figures> {
  const pair = await sharedPair(net, 'ho')
  await pair.a.ping(pair.to, { count: 3 })
  const echo = await pair.b.traffic.echo(7)
  const ask = { to: pair.to, port: 7, newPorts: true, everyUs: 1000 }
  await pair.a.traffic.ask({ ...ask, count: 10_000, everyUs: 0 })
  const before = await holds(pair.agent)
  await pair.a.traffic.ask({ ...ask, count: 5000 })
  const after = await holds(pair.agent)
  await echo.stop()
  return { hold_us_p50: quantile(before, after, 0.5), hold_us_p99: quantile(before, after, 0.99) }
}

async function holds(agent: Agent): Promise<HistogramSnapshot> {
  return (await agent.freshCounters()).histograms['state.hold-us']!
}

// Linear within its bucket.
function quantile(before: HistogramSnapshot, after: HistogramSnapshot, q: number): number {
  const counts = after.buckets.map((count, i) => count - before.buckets[i]!)
  let rest = counts.reduce((sum, count) => sum + count, 0) * q
  for (const [i, count] of counts.entries()) {
    const low = i === 0 ? 0 : after.bounds[i - 1]!
    const high = after.bounds[i] ?? low
    if (rest <= count && count > 0) return Math.round(low + ((high - low) * rest) / count)
    rest -= count
  }
  return Number.POSITIVE_INFINITY
}
