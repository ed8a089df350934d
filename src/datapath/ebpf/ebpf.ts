// The datapath in the kernel: eBPF programs forward what they know (native/bpf), the rest comes up
// here.  This class ties the parts together: flows (flows.ts), packet-outs (out.ts), the
// namespace's interfaces (native/netlink.ts).  It belongs to the thread that opened it, and to the
// network namespace that thread was in. test/lab/datapath-conformance.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { ActionList } from '../../flow/actions.ts'
import {
  ACTIONS_MAX,
  COUNTERS_MAX,
  counterNames,
  datapathSettings,
  LOCALS_MAX
} from '../../native/abi.ts'
import { type Addon, check, type HostHandle, loadAddon, objectPath } from '../../native/addon.ts'
import { InterfaceWatcher } from '../../native/netlink.ts'
import {
  type Burst,
  type Datapath,
  type DatapathLimits,
  DESCRIPTOR_WORDS,
  Descriptor,
  type FlowBatch,
  type PhysicalPort,
  PortClass,
  type StatsBatch
} from '../datapath.ts'
import type { PortPunt } from '../punt.ts'
import { KernelFlows } from './flows.ts'
import { OutQueue } from './out.ts'
import { KernelPunts } from './punts.ts'

/** What the datapath in the kernel is made of. */
export interface EbpfOptions extends Partial<DatapathLimits> {
  readonly clock: Clock
  /** A directory for a bpffs of this agent's own; without one nothing outlives the process. */
  readonly pins?: string
  /** Of the private veth pair, made here: two to thirteen letters, unique in the namespace. */
  readonly injectName?: string
  /** Chunks for long action lists. */
  readonly chunksMax?: number
  /** UDP port of tunnels. */
  readonly vxlanPort?: number
  /** Of the rings, powers of two. */
  readonly ringVmBytes?: number
  /** Memory for upcalls from uplinks. */
  readonly ringUplinkBytes?: number
  /** Memory for upcalls from tunnels. */
  readonly ringTunnelBytes?: number
  /** Attach by clsact even where tcx works: for tests. */
  readonly clsact?: boolean
}

const defaults = {
  flowsMax: 65536,
  creditsPerPort: 1024,
  chunksMax: 4096,
  vxlanPort: 4789,
  ringVmBytes: 4 << 20,
  ringUplinkBytes: 2 << 20,
  ringTunnelBytes: 4 << 20
} as const

/** The datapath in the kernel of this thread's network namespace. */
export class EbpfDatapath implements Datapath {
  readonly kind = 'ebpf'
  readonly limits: DatapathLimits
  /** The interfaces of the namespace it was opened in. */
  readonly interfaces: InterfaceWatcher
  readonly #addon: Addon
  readonly #host: HostHandle
  readonly #clock: Clock
  readonly #clsact: boolean
  readonly #flows: KernelFlows
  readonly #punts: KernelPunts
  readonly #out = new OutQueue()
  readonly #ports = new Map<number, PhysicalPort>()
  readonly #counters = new Float64Array(COUNTERS_MAX)
  #burst: Burst | null = null // whose frames are queued
  #outDropped = 0
  #open = true

  constructor(options: EbpfOptions) {
    const o = { ...defaults, ...options }
    this.#addon = loadAddon()
    this.#clock = options.clock
    this.#clsact = options.clsact ?? false
    this.limits = { flowsMax: o.flowsMax, creditsPerPort: o.creditsPerPort }
    const settings = settingsOf(o)
    const { pins = '', injectName = 'mzinj' } = options
    const what = pins === '' ? 'eBPF' : `eBPF with its pins in ${pins}`
    this.#host = check(what, this.#addon.open(objectPath, pins, injectName, settings))
    this.interfaces = new InterfaceWatcher(this.#addon)
    this.interfaces.onChange(() => this.#readLocals())
    const { clsact = false } = options
    this.#punts = new KernelPunts({ addon: this.#addon, host: this.#host, clsact })
    this.#flows = new KernelFlows({
      addon: this.#addon,
      host: this.#host,
      flowsMax: o.flowsMax,
      chunksMax: o.chunksMax,
      now: () => this.#clock.now(),
      redirectsToPeer: ifindex => this.#ports.get(ifindex)?.peerRedirect === true
    })
  }

  attach(port: PhysicalPort): void {
    const { ifindex, name, portClass } = port
    const before = this.#ports.get(ifindex)
    this.#ports.set(ifindex, port)
    // Before the program is there: it may take the place of an earlier agent's, under traffic, and
    // must not take a tunnel to us for somebody else's.
    this.#readLocals()
    if (before?.portClass === portClass) return
    this.#punts.attaching(ifindex, port.port)
    const result = this.#addon.attach(this.#host, ifindex, portClass, this.#clsact)
    if (result < 0) this.#forget(ifindex)
    check(`interface ${name} (${ifindex})`, result)
  }

  attachSoon(port: PhysicalPort, done: (isThere: boolean) => void): void {
    const { ifindex, portClass } = port
    const before = this.#ports.get(ifindex)
    this.#ports.set(ifindex, port)
    if (before?.portClass === portClass) return done(true)
    this.#readLocals()
    this.#punts.attaching(ifindex, port.port)
    const attached = (result: number): void => {
      if (result < 0 && this.#ports.get(ifindex) === port) this.#forget(ifindex)
      done(result >= 0)
    }
    const result = this.#addon.attachSoon(this.#host, ifindex, portClass, this.#clsact, attached)
    if (result < 0) attached(result)
  }

  detach(ifindex: number): void {
    this.#punts.detached(ifindex)
    this.#addon.detach(this.#host, ifindex) // the interface may be gone
    this.#forget(ifindex)
  }

  punt(ifindex: number, rules: PortPunt | null, refused?: () => void): void {
    if (rules === null) this.#punts.clear(ifindex)
    else this.#punts.set(ifindex, rules, refused)
  }

  /** Interfaces that an earlier agent attached and this one has not. */
  leftAttached(): number[] {
    const found = new Uint32Array(4096)
    const n = check('pins', this.#addon.pinned(this.#host, found))
    return [...found.subarray(0, n)]
  }

  detachOthers(): void {
    this.#punts.adopt(ifindex => this.#ports.has(ifindex))
    for (const ifindex of this.leftAttached()) this.#addon.detach(this.#host, ifindex)
  }

  receive(burst: Burst, watch = false): number {
    if (this.#out.count > 0) this.flush()
    const { bytes, descriptors, keys } = burst
    const count = this.#addon.receive(this.#host, bytes, descriptors, keys, watch)
    burst.count = check('upcalls', count)
    return burst.count
  }

  onReadable(fire: () => void): void {
    check('upcalls', this.#addon.start(this.#host, fire))
  }

  execute(burst: Burst, frame: number, actions: ActionList): void {
    if (actions.count === 0) return
    const d = frame * DESCRIPTOR_WORDS
    const at = burst.descriptors[d + Descriptor.offset]!
    const length = burst.descriptors[d + Descriptor.length]!
    const gsoSize = burst.descriptors[d + Descriptor.gsoSize]!
    if (!this.#makeRoom(0, actions)) return
    this.#burst = burst
    this.#out.addShared(at, length, gsoSize, actions)
  }

  inject(frame: Uint8Array, actions: ActionList, gsoSize = 0): void {
    if (actions.count === 0) return
    if (this.#makeRoom(frame.length, actions)) this.#out.addOwn(frame, gsoSize, actions)
  }

  flush(): void {
    const { count, jobs, own, actions } = this.#out
    if (count > 0) {
      const bytes = this.#burst?.bytes ?? own
      const sent = check('send', this.#addon.send(this.#host, bytes, own, jobs, count, actions))
      this.#outDropped += count - sent
      this.#out.clear()
      this.#burst = null
    }
  }

  install(batch: FlowBatch): void {
    this.#flows.install(batch)
  }

  remove(batch: FlowBatch): void {
    this.#flows.remove(batch)
  }

  statsOf(batch: StatsBatch): void {
    this.#flows.statsOf(batch)
  }

  stats(batch: StatsBatch, cursor: number): void {
    this.#flows.stats(batch, cursor)
  }

  adopt(into: FlowBatch): boolean {
    return this.#flows.adopt(into)
  }

  audit(isOurs: (id: number, keys: Int32Array, at: number) => boolean): number {
    return this.#flows.audit(isOurs)
  }

  counters(): Record<string, number> {
    check('counters', this.#addon.counters(this.#host, this.#counters))
    const named: Record<string, number> = {}
    counterNames.forEach((name, i) => {
      named[name] = this.#counters[i]!
    })
    // the programs do not count twice what a sum says
    named.rx = named.hits! + named.misses!
    return {
      ...named,
      ...this.#flows.counters(),
      'out-dropped': this.#outDropped,
      'punt-attach-failed': this.#punts.refused
    }
  }

  close(keep: boolean): void {
    if (!this.#open) return
    this.#open = false
    this.interfaces.close()
    this.#addon.close(this.#host, keep)
  }

  #forget(ifindex: number): void {
    this.#ports.delete(ifindex)
    this.#readLocals()
  }

  #makeRoom(bytes: number, actions: ActionList): boolean {
    if (!this.#out.hasRoom(bytes)) this.flush()
    if (actions.count <= ACTIONS_MAX && this.#out.hasRoom(bytes)) return true
    this.#outDropped++
    return false
  }

  setPeers(addresses: readonly number[]): void {
    check('peers', this.#addon.setPeers(this.#host, Uint32Array.from(addresses)))
  }

  // Tunnels to the addresses of underlays are ours.  A host may have thousands of others, which the
  // kernel's map has no room for.
  #readLocals(): void {
    const locals = new Set<number>()
    for (const { ifindex, portClass } of this.#ports.values())
      if (portClass === PortClass.tunnel)
        for (const address of this.interfaces.addressesOf(ifindex)) locals.add(address)
    const told = [...locals].slice(0, LOCALS_MAX)
    check('addresses', this.#addon.setLocals(this.#host, Uint32Array.from(told)))
  }
}

function settingsOf(o: Required<Omit<EbpfOptions, 'clock' | 'pins' | 'injectName' | 'clsact'>>) {
  const settings = new Uint32Array(datapathSettings.length)
  for (const [at, name] of datapathSettings.entries()) {
    const value = o[name]
    const isRing = name.startsWith('ring')
    if (
      !Number.isInteger(value) ||
      value < 1 ||
      (isRing && (value < 1 << 17 || value & (value - 1)))
    )
      throw fail('INVALID', {
        field: name,
        value,
        expected: isRing ? 'a power of two of at least 131072' : 'a whole number above 0'
      })
    settings[at] = value
  }
  return settings
}

/** Opens it; throws UNAVAILABLE with the reason when the kernel refuses. */
export const openEbpf = (options: EbpfOptions): EbpfDatapath => new EbpfDatapath(options)
