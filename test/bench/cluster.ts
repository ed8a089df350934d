// A cluster's control side: a store that machines share, an API, two agents as processes. Each
// figure is taken on ZooKeeper and, as the rival, on the embedded store, a file of one machine.
// What is loaded beside what is measured comes through the API, a batch at a time.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '../../src/core/clock.ts'
import { median, until, usageOf } from '../../src/lab/index.ts'
import { ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { coreModels } from '../../src/topology/models.ts'
import { openStore, type StorePlace } from '../../src/topology/place/store-place.ts'
import type { Device } from '../lab/fixtures/index.ts'
import { Role } from '../zookeeper/role.ts'
import { type Account, Bed, machineMs, pause, seconds } from './bed.ts'
import type { Figures } from './figures.ts'

const SIZES = { '10': 10, '1k': 1_000, '5k': 5_000 } as const
const OBJECTS_1K = 166 // networks, of six objects each
const SERVED = 50
const SINGLES = 200
const TRIES = 40
const STARTS = 5
const ROWS = 100_000
const CHANGES = 300
const ROUTED = [500, 2_000] as const
const HOSTS = ['one', 'two'] as const
const OUTAGES = 5
const OUTAGE_MS = 5_000
const SETTLE_MS = 12_000
const AGAIN_MS = 20

interface Ground {
  readonly place: StorePlace
  /** Of the place; none of the embedded store. */
  readonly server: ZooKeeperServer | undefined
}

type Suite = (ground: Ground) => Promise<Figures>

/** Of a table of many rows. */
export const tableChanges = (): Promise<Figures> => onBoth(({ place }) => tableChange(place))

/** Of networks made by the API, beside many others. */
export const networks = (): Promise<Figures> => onBoth(ground => withBed(ground, grown))

/** Of what a world costs who serves a part of it, and who begins in it. */
export const worlds = (): Promise<Figures> => onBoth(ground => withBed(ground, worldsOf))

/** Of one router with many networks. */
export const routed = (): Promise<Figures> => onBoth(ground => withBed(ground, routers))

/** Of the return of ZooKeeper: there is no other store that is away for all at once. */
export const outage = (): Promise<Figures> => onZooKeeper(ground => withBed(ground, outages))

// `…` on ZooKeeper, `…_sqlite` on the embedded store.
async function onBoth(suite: Suite): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-bench-'))
  try {
    const found = await onZooKeeper(suite)
    const place = { kind: 'sqlite', path: join(folder, 'store.db') } as const
    const rival = await suite({ place, server: undefined })
    const named = Object.entries(rival).map(([name, value]) => [`${name}_sqlite`, value] as const)
    return { ...found, ...Object.fromEntries(named) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onZooKeeper(suite: Suite): Promise<Figures> {
  const server = await ZooKeeperServer.make()
  try {
    await server.start()
    const servers = [{ host: server.address, port: server.port }]
    const common = { copyPath: ':memory:', chroot: '/bench', sessionMs: 10_000 }
    return await suite({ place: { kind: 'zookeeper', ...common, servers }, server })
  } finally {
    await server.close()
  }
}

async function withBed(
  ground: Ground,
  measure: (bed: Bed, ground: Ground) => Promise<Figures>
): Promise<Figures> {
  const bed = await Bed.open(ground.place)
  try {
    return await measure(bed, ground)
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

async function grown(bed: Bed): Promise<Figures> {
  const figures: Figures = { api_creates_per_s: await singles(bed) }
  for (const [name, size] of Object.entries(SIZES)) {
    const rate = await bed.grow(size)
    if (name === '5k') figures.api_batched_creates_per_s = rate
    const all: Account[] = []
    for (let i = 0; i < TRIES; i++) all.push(await bed.firstPacket(`tried ${i}`))
    const ms = all.map(each => each.all)
    figures[`network_to_first_packet_ms_p50_${name}`] = median(ms)!
    figures[`network_to_first_packet_ms_p99_${name}`] = p99(ms)
    for (const part of ['post', 'bind', 'rest'] as const)
      figures[`network_${part}_ms_p50_${name}`] = median(all.map(each => each[part]))!
  }
  const counters = await bed.net.counters()
  const [sum, count] = [counters['agent.attach-ms.sum'], counters['agent.attach-ms.count']]
  return { ...figures, attach_ms_mean: sum! / count! }
}

// One client, one request after the other.
async function singles({ client }: Bed): Promise<number> {
  const begin = performance.now()
  for (let i = 0; i < SINGLES; i++) await client.send('POST', '/bridges', { name: `s${i}` })
  return SINGLES / seconds(begin)
}

async function worldsOf(bed: Bed, ground: Ground): Promise<Figures> {
  const figures: Figures = {}
  await bed.grow(SERVED)
  await bed.serve('one', SERVED)
  const before = await memory(bed, ground)
  await bed.grow(OBJECTS_1K)
  const starts: number[] = []
  for (let i = 0; i < STARTS; i++) starts.push(await bed.startAgent('two'))
  figures.agent_start_ms_1k_objects = median(starts)!
  await bed.grow(SIZES['5k'])
  figures.agent_start_ms_30k_objects = await bed.startAgent('two')
  const after = await memory(bed, ground)
  for (const who of ['agent', 'controller'] as const) {
    if (before[who] === undefined) continue
    figures[`rss_mb_${who}_50_networks`] = before[who]
    figures[`rss_mb_${who}_5k_networks`] = after[who]!
    figures[`rss_mb_${who}_more`] = after[who]! - before[who]
  }
  return figures
}

/** Of the agent that serves networks, and of a controller in a process of its own. */
async function memory(
  bed: Bed,
  ground: Ground
): Promise<{ readonly agent: number; readonly controller: number | undefined }> {
  const agent = await bed.settledMb('one')
  return { agent, controller: await controllerMb(ground) }
}

async function controllerMb({ place }: Ground): Promise<number | undefined> {
  if (place.kind !== 'zookeeper') return undefined
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-controller-'))
  const controller = await Role.start('appliance', {
    ...{ 'host.packets': false, 'store.kind': 'zookeeper', 'store.path': join(folder, 'c.db') },
    'store.zookeeper.servers': place.servers.map(({ host, port }) => `${host}:${port}`),
    'store.zookeeper.chroot': place.chroot,
    ...{ 'api.socket': '', 'api.port': 0, 'metrics.enabled': false }
  })
  try {
    await pause(SETTLE_MS)
    return usageOf(controller.job.pid).rssBytes / 2 ** 20
  } finally {
    await controller.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

// From the moment that ZooKeeper serves again: until the API takes a change, and until everybody
// knows it.
async function outages(bed: Bed, { server }: Ground): Promise<Figures> {
  await bed.grow(SIZES['1k'])
  const [written, converged]: [number[], number[]] = [[], []]
  for (let i = 0; i < OUTAGES; i++) {
    await server!.kill()
    await until('the store is away for all', () => everywhere(bed, ({ state }) => state === 'away'))
    await pause(OUTAGE_MS)
    await server!.start()
    const begin = performance.now()
    while (!(await isTaken(bed, `after outage ${i}`))) await pause(AGAIN_MS)
    written.push(performance.now() - begin)
    const { change } = bed.net.appliance.store.report()
    while (!(await everywhere(bed, report => report.change >= change))) await pause(AGAIN_MS)
    converged.push(performance.now() - begin)
  }
  return {
    outage_first_write_ms: median(written)!,
    outage_converged_ms: median(converged)!,
    outage_converged_ms_max: Math.max(...converged)
  }
}

const isTaken = ({ client }: Bed, name: string): Promise<boolean> =>
  client.send('POST', '/bridges', { name }).then(
    () => true,
    () => false
  )

type Report = Awaited<ReturnType<Bed['net']['storeAt']>>

async function everywhere(bed: Bed, isSo: (report: Report) => boolean): Promise<boolean> {
  const reports = await Promise.all(HOSTS.map(host => bed.net.storeAt(host)))
  return [bed.net.appliance.store.report(), ...reports].every(isSo)
}

async function routers(bed: Bed): Promise<Figures> {
  const figures: Figures = {}
  for (const count of ROUTED)
    figures[`routed_networks_${count}_first_ms`] = await routedBy(bed, count)
  return figures
}

/** So many networks on one router: the first ping from a VM of the first to one of the last. */
async function routedBy({ net, vms, client }: Bed, count: number): Promise<number> {
  const [a, b] = vms
  const router = await net.router(`router of ${count}`)
  const bridges: Device[] = []
  for (let i = 0; i < count; i++) {
    const bridge = await net.bridge(`routed ${i} of ${count}`)
    await net.plug(router, bridge, [`${subnet(i)}.1/24`])
    bridges.push(bridge)
  }
  const last = count - 1
  const ports = [
    await net.bind(bridges[0]!, 'one', a.interface),
    await net.bind(bridges[last]!, 'two', b.interface)
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
  await net.ready()
  const begin = machineMs()
  const pings = { count: 1_000, intervalMs: 20, timeoutMs: 1_000 }
  const { answeredMs } = await a.ping(`${subnet(last)}.9`, pings)
  if (answeredMs === null) throw new Error(`no answer through ${count} networks`)
  for (const id of ports) await client.send('DELETE', `/ports/${id}`)
  return answeredMs - begin
}

const subnet = (i: number): string => `10.${100 + (i >> 8)}.${i & 255}`

const p99 = (values: readonly number[]): number =>
  [...values].sort((x, y) => x - y)[Math.ceil(values.length * 0.99) - 1]!
