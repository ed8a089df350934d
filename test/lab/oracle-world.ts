// A world for the oracles whose hosts are namespaces of this kernel: the real host on the eBPF
// datapath, real tunnels, frames by real cables.  Only time is the test's: each millisecond of the
// virtual clock lasts until the kernel is quiet.  So nothing depends on how busy the machine is,
// and a wait of minutes takes none.

import { readFileSync } from 'node:fs'
import { VirtualClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { silentLog } from '../../src/core/log.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { openEbpf } from '../../src/datapath/ebpf/ebpf.ts'
import { Host } from '../../src/host/host.ts'
import type { Interface } from '../../src/host/ports/interface.ts'
import type { PortModel } from '../../src/topology/models.ts'
import type { Ground } from '../oracle/stage.ts'
import { WorldStore } from '../world/store.ts'
import { assembly, type Delivery, defaults, type WorldOptions } from '../world/world.ts'
import { DatapathInside, type Sabotage } from './oracle-datapath.ts'
import { addressOf, type Site, UNDERLAY } from './oracle-site.ts'
import { StateInside } from './oracle-state.ts'
import type { Caught } from './oracle-wire.ts'

const ZONE = 'zone'
const BURST_BYTES = 256 * 1024
const RING_BYTES = 1 << 18
const HEADER = 14 // a cable takes nothing shorter
const LATE_MS = 3000 // what is expected and not here by then has been lost
const NEVER_MS = 60_000
const IDLE_ROUNDS = 3
const BACKLOG = 11 // column of /proc/net/softnet_stat: frames that wait for their CPU

// What the kernel did, over all worlds.
export interface Work {
  delivered: number
  upcalls: number
  hits: number
  tunnelled: number
  states: number // written by hosts for themselves, or for others too
  shared: number // taken from other hosts
}

export const newWork = (): Work => {
  return { delivered: 0, upcalls: 0, hits: 0, tunnelled: 0, states: 0, shared: 0 }
}

export interface Watched {
  readonly seen: Work
  readonly sabotage?: Sabotage
  readonly mute?: boolean // hosts do not share what they write
}

export class KernelWorld implements Ground {
  readonly clock = new VirtualClock()
  readonly store = new WorldStore(this.clock)
  readonly hosts = new Map<string, KernelHost>()
  readonly delivered: Delivery[] = []
  readonly #site: Site
  readonly #options: WorldOptions
  readonly #watched: Watched

  constructor(site: Site, options: WorldOptions, watched: Watched) {
    this.#site = site
    this.#options = options
    this.#watched = watched
    site.wire.caught() // of the world before
    this.store.put('tunnel-zone', { id: ZONE, name: ZONE, type: options.tunnel ?? 'vxlan' })
    for (const { kind, value } of options.objects) this.store.put(kind, value)
    const names = new Set<string>()
    for (const { host } of this.store.list('port') as PortModel[])
      if (host !== undefined) names.add(host)
    for (const name of [...names].sort()) this.addHost(name)
    this.settle(1)
  }

  addHost(id: string): void {
    const host = new KernelHost(this.#site, this, id, this.#options, this.#watched)
    this.hosts.set(id, host)
    const address = addressOf(id)
    this.store.put('tunnel-zone-host', { id: `${ZONE}-${id}`, zone: ZONE, host: id, address })
    void host.host.start()
  }

  send(port: string, frame: Uint8Array): void {
    const model = this.store.get('port', port) as PortModel | undefined
    const host = model?.host === undefined ? undefined : this.hosts.get(model.host)
    if (host === undefined || frame.length < HEADER) return
    this.#take(this.#site.wire.send(this.#site.far(host.id, model!.interface!), frame))
    this.#pump()
  }

  settle(ms: number, expected = 0): void {
    this.#quieten()
    for (let i = 0; i < ms; i++) {
      this.clock.advance(1)
      for (const { state } of this.hosts.values()) state.setClock(this.clock.now())
      if (this.#work()) this.#quieten()
    }
    const until = performance.now() + LATE_MS
    while (this.delivered.length < expected && performance.now() < until) this.#quieten()
  }

  close(): void {
    const { seen } = this.#watched
    for (const host of this.hosts.values()) {
      const { upcalls = 0, hits = 0, 'tunnel-tx': tunnelled = 0 } = host.datapath.counters()
      seen.upcalls += upcalls
      seen.hits += hits
      seen.tunnelled += tunnelled
      seen.states += host.state.size
      seen.shared += host.state.shared
      host.close()
    }
  }

  // Until nothing moves: no upcall, no packet-out, no frame on a cable, no message of the exchange,
  // and no CPU has frames of ours in its backlog.
  #quieten(): void {
    const drained = new Set<number>()
    const until = performance.now() + NEVER_MS
    for (let idle = 0; idle < IDLE_ROUNDS; ) {
      if (performance.now() > until) throw new Error('the kernel does not come to rest')
      // Asked before the news are read: what is over then has told all there is to tell.
      const isExchanging = [...this.hosts.values()].some(({ state }) => state.isBusy)
      if (this.#pump() || isExchanging) {
        idle = 0
        drained.clear()
        continue
      }
      const backlogs = readBacklogs()
      for (const [cpu, waiting] of backlogs.entries()) if (waiting === 0) drained.add(cpu)
      if (drained.size === backlogs.length) idle++
    }
  }

  #pump(): boolean {
    const worked = this.#work()
    return this.#take(this.#site.wire.caught()) || worked
  }

  #work(): boolean {
    let worked = false
    for (const { host, datapath, state } of this.hosts.values()) {
      const before = datapath.activity
      if (state.read()) worked = true
      host.worker.turn()
      this.clock.advance(0)
      if (datapath.activity !== before) worked = true
    }
    return worked
  }

  #take(caught: readonly Caught[]): boolean {
    for (const { cable, frame } of caught) {
      const { host, name } = this.#site.near(cable)
      const ports = this.store.list('port') as PortModel[]
      const port = ports.find(each => each.host === host && each.interface === name)
      this.#watched.seen.delivered++
      this.delivered.push({ port: port?.id ?? `${host}:${name}`, frame })
    }
    return caught.length > 0
  }
}

class KernelHost {
  readonly id: string
  readonly host: Host
  readonly datapath: DatapathInside
  readonly state: StateInside
  readonly counters = new CounterTable()
  readonly #site: Site
  readonly #down = new Set<string>()
  readonly #mtus = new Set<string>() // interfaces whose MTU was changed
  #interfaces: readonly Interface[]
  #fire: () => void = () => {}

  constructor(site: Site, world: KernelWorld, id: string, o: WorldOptions, watched: Watched) {
    this.id = id
    this.#site = site
    const { clock, store } = world
    const rings = {
      ringVmBytes: RING_BYTES,
      ringUplinkBytes: RING_BYTES,
      ringTunnelBytes: RING_BYTES
    }
    const flowsMax = o.flowsMax ?? 1024
    const kernel = site.inside(id, () => openEbpf({ clock, flowsMax, ...rings }))
    this.datapath = new DatapathInside(kernel, body => site.inside(id, body), watched.sabotage)
    const { mute = false } = watched
    const sharing = { isShared: o.share === true, mute }
    this.state = new StateInside(id, sharing, body => site.inside(id, body))
    this.state.setClock(clock.now())
    this.#interfaces = this.#look()
    this.host = new Host({
      host: id,
      plugins: o.plugins,
      assembly,
      datapath: this.datapath,
      watcher: {
        list: () => this.#interfaces,
        onChange: fire => {
          this.#fire = fire
        },
        leadOut: () => new Set(),
        close: () => {}
      },
      link: store.link(`session-${id}`, () => this.host.view),
      leases: store.leases.link(`session-${id}`, clock, () => this.host.leases),
      clock,
      random: new SeededRandom(o.seed ?? 1),
      counters: this.counters,
      log: silentLog(),
      burstBytes: BURST_BYTES,
      settings: { ...defaults, ...o.settings },
      state: this.state.parts
    })
  }

  ifindexOf(name: string): number {
    return this.#interfaces.find(each => each.name === name)!.ifindex
  }

  // Cable and all.
  setUp(name: string, up: boolean): void {
    this.#site.setUp(this.id, name, up)
    if (up) this.#down.delete(name)
    else this.#down.add(name)
    const until = performance.now() + NEVER_MS
    do this.#interfaces = this.#look()
    while (this.#isUp(name) !== up && performance.now() < until)
    if (this.#isUp(name) !== up) throw new Error(`${name} of ${this.id} does not change its state`)
    this.#fire()
  }

  setUnderlayMtu(mtu: number): void {
    this.setMtu(UNDERLAY, mtu)
  }

  setMtu(name: string, mtu: number): void {
    this.#site.setMtu(this.id, name, mtu)
    this.#mtus.add(name)
    this.#interfaces = this.#look()
    this.#fire()
  }

  close(): void {
    for (const name of this.#mtus) this.#site.setMtu(this.id, name)
    for (const name of this.#down) this.#site.setUp(this.id, name, true)
    void this.host.stop(false)
    // The next world begins before any promise is kept, and a datapath that is still there would
    // take its frames.
    if (this.datapath.isOpen) throw new Error(`the datapath of ${this.id} is still open`)
  }

  #isUp(name: string): boolean {
    return this.#interfaces.find(each => each.name === name)!.up
  }

  #look(): Interface[] {
    const list = this.#site.interfaces(this.id)
    return list.map(each => ({ ...each, up: each.up && each.running }))
  }
}

function readBacklogs(): number[] {
  const lines = readFileSync('/proc/net/softnet_stat', 'utf8').trim().split('\n')
  return lines.map(line => Number.parseInt(line.split(' ')[BACKLOG]!, 16))
}
