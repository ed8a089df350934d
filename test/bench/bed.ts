// Two hosts with a VM each in processes of their own, and an API before a store that grows: what
// the figures of a cluster (cluster.ts) are taken on.

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../../src/api/cli/client.ts'
import { usageOf, type Vm } from '../../src/lab/index.ts'
import type { StorePlace } from '../../src/topology/place/store-place.ts'
import { Network } from '../lab/fixtures/index.ts'

const PORTS = 5 // of a network
const BATCH = 600
const PINGS = 1_000
const HOSTS = ['one', 'two'] as const
/** What a process has given back by then that it took for a start. */
const SETTLE_MS = 12_000

/** Where the milliseconds went, from the first request to the first answer. */
export interface Account {
  /** POST of the network with its ports. */
  readonly post: number
  /** PUT of both bindings. */
  readonly bind: number
  /** From then to the first answer. */
  readonly rest: number
  readonly all: number
}

interface Made {
  readonly id: string
}

/** The machine's monotonic clock, as pings tell it. */
export const machineMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

export const pause = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms))

/** Seconds since then. */
export const seconds = (begin: number): number => (performance.now() - begin) / 1000

/** Two hosts with a VM each, and an API before a store that grows. */
export class Bed {
  readonly net: Network
  readonly client: Client
  readonly vms: readonly [Vm, Vm]
  readonly #folder: string
  readonly #bridges: string[] = []

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
    this.net = net
    this.client = client
    this.vms = vms
    this.#folder = folder
  }

  async close(): Promise<void> {
    await this.net.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Networks until there are so many; gives objects a second. */
  async grow(to: number): Promise<number> {
    const objects: object[] = []
    while (this.#bridges.length < to) {
      const device = randomUUID()
      objects.push({ kind: 'bridge', id: device, name: `network ${this.#bridges.length}` })
      for (let i = 0; i < PORTS; i++) objects.push({ kind: 'port', device, name: `port ${i}` })
      this.#bridges.push(device)
    }
    const begin = performance.now()
    for (let from = 0; from < objects.length; from += BATCH)
      await this.client.send('POST', '/batch', { objects: objects.slice(from, from + BATCH) })
    return objects.length / seconds(begin)
  }

  /** One more network, from the first request to the first answer through it. */
  async firstPacket(name: string): Promise<Account> {
    const [a, b] = this.vms
    const pinging = a.ping('10.9.0.2', { count: PINGS, intervalMs: 1, timeoutMs: 500 })
    await pause(100) // it sends by now
    const ids = [randomUUID(), randomUUID(), randomUUID()] as const
    const begin = machineMs()
    const objects = [
      { kind: 'bridge', id: ids[0], name },
      { kind: 'port', id: ids[1], device: ids[0] },
      { kind: 'port', id: ids[2], device: ids[0] }
    ]
    await this.client.send('POST', '/batch', { objects })
    const posted = machineMs()
    await Promise.all([
      this.bind(ids[1], 'one', a.interface),
      this.bind(ids[2], 'two', b.interface)
    ])
    const bound = machineMs()
    const { answeredMs } = await pinging
    await this.client.send('DELETE', `/bridges/${ids[0]}`)
    await this.net.ready()
    if (answeredMs === null) throw new Error(`no answer in ${machineMs() - begin} ms`)
    const [post, bind] = [posted - begin, bound - posted]
    return { post, bind, rest: answeredMs - bound, all: answeredMs - begin }
  }

  async bind(port: string, host: string, name: string): Promise<void> {
    const body = { host: this.net.hostId(host), interface: name }
    await this.client.send('PUT', `/ports/${port}/binding`, body)
  }

  /** Binds a port of each of so many networks to an interface of its own of a host. */
  async serve(host: string, networks: number): Promise<void> {
    const names = Array.from({ length: networks }, (_, i) => `serve${i}`)
    const made = names.flatMap((name, i) => [
      `link add ${name} type veth peer name behind${i}`,
      `link set ${name} up`,
      `link set behind${i} up`
    ])
    await this.net.host(host).ip(...made)
    for (const [i, name] of names.entries()) {
      const device = this.#bridges[i]!
      const port = await this.client.send<Made>('POST', `/bridges/${device}/ports`, {})
      await this.bind(port!.id, host, name)
    }
    await this.net.ready()
  }

  /** Until it takes packets; its kernel forwards meanwhile, so nobody waits for it. */
  async startAgent(host: string): Promise<number> {
    await this.net.kill(host)
    const begin = performance.now()
    await this.net.startAgent(host)
    return performance.now() - begin
  }

  /** Resident memory of an agent that has just begun, and has given back what the start took. */
  async settledMb(host: string): Promise<number> {
    await this.startAgent(host)
    await this.net.ready()
    await pause(SETTLE_MS)
    const { pid } = await this.net.agent(host).usage()
    return usageOf(pid).rssBytes / 2 ** 20
  }
}
