// A cluster's control side: a store that machines share, an API, two agents as processes. Each
// figure is taken on ZooKeeper and, as the rival, on the embedded store, a file of one machine.
// What is loaded beside what is measured comes through the API, a batch at a time.

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../../src/api/cli/client.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { median, usageOf, type Vm } from '../../src/lab/index.ts'
import { ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { coreModels } from '../../src/topology/models.ts'
import { openStore, type StorePlace } from '../../src/topology/place/store-place.ts'
import { type Device, Network } from '../lab/fixtures/index.ts'
import type { Figures } from './figures.ts'

const SIZES = { '10': 10, '1k': 1_000, '5k': 5_000 } as const
const PORTS = 5 // of a network
const BATCH = 600
const SINGLES = 200
const TRIES = 40
const PINGS = 1_000
const ROWS = 100_000
const CHANGES = 300
const ROUTED = [500, 2_000] as const
const HOSTS = ['one', 'two'] as const

type Suite = (place: StorePlace) => Promise<Figures>

/** Of a table of many rows. */
export const tableChanges = (): Promise<Figures> => onBoth(tableChange)

/** Of networks made by the API, beside many others. */
export const networks = (): Promise<Figures> => onBoth(place => withBed(place, bed => bed.grown()))

/** Of one router with many networks. */
export const routed = (): Promise<Figures> => onBoth(place => withBed(place, bed => bed.routers()))

// `…` on ZooKeeper, `…_sqlite` on the embedded store.
async function onBoth(suite: Suite): Promise<Figures> {
  const server = await ZooKeeperServer.make()
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-bench-'))
  try {
    await server.start()
    const shared: StorePlace = {
      ...{ kind: 'zookeeper', copyPath: ':memory:', chroot: '/bench', sessionMs: 10_000 },
      servers: [{ host: server.address, port: server.port }]
    }
    const found = await suite(shared)
    const rival = await suite({ kind: 'sqlite', path: join(folder, 'store.db') })
    const named = Object.entries(rival).map(([name, value]) => [`${name}_sqlite`, value] as const)
    return { ...found, ...Object.fromEntries(named) }
  } finally {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function withBed(
  place: StorePlace,
  measure: (bed: Bed) => Promise<Figures>
): Promise<Figures> {
  const bed = await Bed.open(place)
  try {
    return await measure(bed)
  } finally {
    await bed.close()
  }
}

/** A change of one process's entry until another's watch has it, in a table of many rows. */
async function tableChange(place: StorePlace): Promise<Figures> {
  const clock = new SystemClock()
  const writer = await openStore(place, coreModels, clock)
  const copy = place.kind === 'zookeeper' ? { ...place, copyPath: ':memory:' } : place
  const reader = await openStore(copy, coreModels, clock)
  try {
    const rows = writer.table('bench')
    const waiting = new Map<string, () => void>()
    const watch = reader.table('bench').watch(events => {
      for (const event of events) if (event.op === 'put') waiting.get(event.entry.value)?.()
    })
    await watch.ready
    for (let from = 0; from < ROWS; from += 1_000)
      await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => rows.put(`key ${from + i}`, 'first'))
      )
    const ms: number[] = []
    for (let i = 0; i < CHANGES; i++) {
      const value = `change ${i}`
      const told = new Promise<void>(done => waiting.set(value, done))
      const begin = performance.now()
      await rows.put(`key ${(i * 331) % ROWS}`, value)
      await told
      ms.push(performance.now() - begin)
    }
    watch.close()
    return { table_change_ms_p50: median(ms)!, table_change_ms_p99: p99(ms) }
  } finally {
    await reader.close()
    await writer.close()
  }
}

/** Two hosts with a VM each, and an API before a store that grows. */
class Bed {
  readonly #net: Network
  readonly #client: Client
  readonly #vms: readonly [Vm, Vm]
  readonly #folder: string
  #networks = 0
  #made = 0 // objects, by the last growth

  static async open(place: StorePlace): Promise<Bed> {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-copies-'))
    // Each agent's copy is a file, as on a machine of its own.
    const storeOf = (host: string): StorePlace | undefined =>
      place.kind === 'zookeeper' ? { ...place, copyPath: join(folder, host) } : undefined
    const common = { prefix: 'mz-bench-cluster', hosts: HOSTS, processes: true }
    const net = await Network.open({ ...common, store: place, storeOf })
    const url = await net.appliance.listen({ host: '127.0.0.1', port: 0 })
    const bare = { gateway: '10.9.0.254' }
    const a = await net.host('one').vm('a', { ...bare, addresses: ['10.9.0.1/24'] })
    const b = await net.host('two').vm('b', { ...bare, addresses: ['10.9.0.2/24'] })
    // Whoever asks for an address that nobody answers asks again only after a second.
    await a.ip(`neigh replace 10.9.0.2 lladdr ${b.mac} dev eth0 nud permanent`)
    await b.ip(`neigh replace 10.9.0.1 lladdr ${a.mac} dev eth0 nud permanent`)
    for (const name of HOSTS) await net.startAgent(name)
    return new Bed(net, new Client([url], undefined), [a, b], folder)
  }

  private constructor(net: Network, client: Client, vms: readonly [Vm, Vm], folder: string) {
    this.#net = net
    this.#client = client
    this.#vms = vms
    this.#folder = folder
  }

  async close(): Promise<void> {
    await this.#net.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async grown(): Promise<Figures> {
    const figures: Figures = { api_creates_per_s: await this.#singles() }
    let small = 0
    for (const [name, size] of Object.entries(SIZES)) {
      const seconds = await this.#grow(size)
      if (name === '5k') figures.api_batched_creates_per_s = this.#made / seconds
      const ms: number[] = []
      for (let i = 0; i < TRIES; i++) ms.push(await this.#firstPacket(i))
      figures[`network_to_first_packet_ms_p50_${name}`] = median(ms)!
      figures[`network_to_first_packet_ms_p99_${name}`] = p99(ms)
      const { pid } = await this.#net.agent('one').usage()
      const mb = usageOf(pid).rssBytes / 2 ** 20
      if (name === '10') small = mb
      else figures[`rss_mb_more_than_at_10_${name}`] = mb - small
      if (name === '1k') figures.agent_start_ms = await this.#startAgent()
    }
    return figures
  }

  async routers(): Promise<Figures> {
    const figures: Figures = {}
    for (const count of ROUTED)
      figures[`routed_networks_${count}_first_ms`] = await this.#routed(count)
    return figures
  }

  // One client, one request after the other.
  async #singles(): Promise<number> {
    const begin = performance.now()
    for (let i = 0; i < SINGLES; i++) await this.#client.send('POST', '/bridges', { name: `s${i}` })
    return SINGLES / seconds(begin)
  }

  /** Seconds it took. */
  async #grow(to: number): Promise<number> {
    const objects: object[] = []
    for (; this.#networks < to; this.#networks++) {
      const device = randomUUID()
      objects.push({ kind: 'bridge', id: device, name: `network ${this.#networks}` })
      for (let i = 0; i < PORTS; i++) objects.push({ kind: 'port', device, name: `port ${i}` })
    }
    this.#made = objects.length
    const begin = performance.now()
    for (let from = 0; from < objects.length; from += BATCH)
      await this.#client.send('POST', '/batch', { objects: objects.slice(from, from + BATCH) })
    return seconds(begin)
  }

  /** From the first request to the first answer, through a network that was not there before. */
  async #firstPacket(i: number): Promise<number> {
    const [a, b] = this.#vms
    const pinging = a.ping('10.9.0.2', { count: PINGS, intervalMs: 1, timeoutMs: 500 })
    await new Promise(done => setTimeout(done, 100)) // it sends by now
    const ids = [randomUUID(), randomUUID(), randomUUID()] as const
    const begin = performance.now()
    const now = machineMs()
    const objects = [
      { kind: 'bridge', id: ids[0], name: `tried ${i}` },
      { kind: 'port', id: ids[1], device: ids[0] },
      { kind: 'port', id: ids[2], device: ids[0] }
    ]
    await this.#client.send('POST', '/batch', { objects })
    await Promise.all([this.#bind(ids[1], 'one', a), this.#bind(ids[2], 'two', b)])
    const { answeredMs } = await pinging
    await this.#client.send('DELETE', `/bridges/${ids[0]}`)
    await this.#net.ready()
    if (answeredMs === null) throw new Error(`no answer in ${performance.now() - begin} ms`)
    return answeredMs - now
  }

  async #bind(port: string, host: string, vm: Vm): Promise<void> {
    const body = { host: this.#net.hostId(host), interface: vm.interface }
    await this.#client.send('PUT', `/ports/${port}/binding`, body)
  }

  // Until it takes packets; its kernel forwards meanwhile, so nobody waits for it.
  async #startAgent(): Promise<number> {
    await this.#net.kill('two')
    const begin = performance.now()
    await this.#net.startAgent('two')
    return performance.now() - begin
  }

  /** So many networks on one router: the first ping from a VM of the first to one of the last. */
  async #routed(count: number): Promise<number> {
    const [a, b] = this.#vms
    const router = await this.#net.router(`router of ${count}`)
    const bridges: Device[] = []
    for (let i = 0; i < count; i++) {
      const bridge = await this.#net.bridge(`routed ${i} of ${count}`)
      await this.#net.plug(router, bridge, [`${subnet(i)}.1/24`])
      bridges.push(bridge)
    }
    const last = count - 1
    const ports = [
      await this.#net.bind(bridges[0]!, 'one', a.interface),
      await this.#net.bind(bridges[last]!, 'two', b.interface)
    ]
    for (const [vm, i] of [
      [a, 0],
      [b, last]
    ] as const)
      await vm.ip(
        `addr replace ${subnet(i)}.9/24 dev eth0`,
        `route replace 10.0.0.0/8 via ${subnet(i)}.1`
      )
    for (const vm of [a, b]) await vm.ip('neigh flush dev eth0') // the router is another one now
    await this.#net.ready()
    const begin = machineMs()
    const pings = { count: 1_000, intervalMs: 20, timeoutMs: 1_000 }
    const { answeredMs } = await a.ping(`${subnet(last)}.9`, pings)
    if (answeredMs === null) throw new Error(`no answer through ${count} networks`)
    for (const id of ports) await this.#client.send('DELETE', `/ports/${id}`)
    return answeredMs - begin
  }
}

const subnet = (i: number): string => `10.${100 + (i >> 8)}.${i & 255}`

// The machine's monotonic clock, as the pings tell it.
const machineMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

const seconds = (begin: number): number => (performance.now() - begin) / 1000

const p99 = (values: readonly number[]): number =>
  [...values].sort((x, y) => x - y)[Math.ceil(values.length * 0.99) - 1]!
