// The demo without a kernel: the same agents on the memory datapath, virtual machines that are
// objects of this process, and an underlay that is a function call. For machines without root.
//
// A ping has no room for a label that survives in every node; its length says which question it
// is, as each question has a length of its own. test/lab/demo.test.ts holds it.

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock, type Timer } from '../../core/clock.ts'
import { MemoryVm } from '../../lab/index.ts'
import { macFor } from '../../lab/machines/addresses.ts'
import type { Segment } from '../../lab/memory/memory-listener.ts'
import { formatIpv4, parseIpv4, parseMac } from '../../wire/address.ts'
import * as ethernet from '../../wire/ethernet.ts'
import type { Agents, Answered, AskOptions, Ground, Heard, Passed } from '../ground.ts'
import { labelOf } from '../ground.ts'
import {
  type Family,
  families,
  type GatewayName,
  gatewayOf,
  gateways,
  type HostName,
  hosts,
  nodes,
  outside,
  type Pair,
  pairs,
  routesBy,
  uplinks,
  vms
} from '../plan/plan.ts'
import type { Conversation } from '../plan/talks.ts'
import { addressesOf } from '../plan/topology.ts'
import { MemoryTalks } from './memory-talks.ts'

const FLOWS_MAX = 16_384
const CREDITS = 64
const SIZE_FIRST = 64
// Between an echo request's length and its payload: Ethernet, IP and ICMP headers.
const OVERHEAD = { 4: 14 + 20 + 8, 6: 14 + 40 + 8 } as const
const TYPE_AT = { 4: 14 + 20, 6: 14 + 40 } as const
const REQUEST = { 4: 8, 6: 128 } as const

/** Hosts and VMs in this process, without a kernel. */
export class MemoryGround implements Ground {
  readonly kind = 'memory'
  readonly underlay = Object.fromEntries(
    hosts.map((name, i) => [name, `172.31.0.${i + 1}`])
  ) as Record<HostName, string>
  readonly folder = mkdtempSync(join(tmpdir(), 'mezzo-demo-'))
  readonly #heard: Heard
  readonly #clock = new GroundClock()
  readonly #nodes = new Map<string, MemoryVm>()
  readonly #places = new Map<string, HostName>(vms.map(({ name, host }) => [name, host]))
  readonly #cut = new Set<HostName>()
  readonly #passed = uplinks.map(uplink => ({ uplink, out: 0, back: 0 }))
  readonly #answers = new Map<string, string>() // label → who answered last
  #talks: MemoryTalks | null = null
  #agents: Agents | null = null

  constructor(heard: Heard) {
    this.#heard = heard
    for (const node of nodes) this.#nodes.set(node.name, this.#node(node.name))
  }

  agentOptions(host: HostName): ReturnType<Ground['agentOptions']> {
    const address = this.underlay[host]
    const common = { flowsMax: FLOWS_MAX, creditsPerPort: CREDITS }
    return {
      datapath: { kind: 'memory', address, interfaces: interfacesOf(host), ...common },
      onFrame: (at, frame) => this.#leaves(host, at, frame),
      onTunnelled: (remote, key, src, frame) => {
        const there = hosts.find(name => parseIpv4(this.underlay[name]) === remote)
        if (there === undefined) throw new Error(`no host at ${formatIpv4(remote)}`)
        if (!this.#cut.has(host) && !this.#cut.has(there))
          this.#agents?.fromUnderlay(there, key, src, frame)
      }
    }
  }

  async populate(agents: Agents): Promise<void> {
    this.#agents = agents
  }

  async converse(): Promise<Conversation> {
    this.#talks = new MemoryTalks(this.#clock, name => this.#nodes.get(name)!)
    await this.#talks.open()
    return this.#talks
  }

  async cut(host: HostName): Promise<number> {
    this.#cut.add(host)
    return 1 + uplinks.filter(({ gateway }) => gateway === host).length
  }

  async mend(host: HostName): Promise<void> {
    this.#cut.delete(host)
  }

  async returnBy(gateway: GatewayName): Promise<void> {
    this.#nodes.get(outside.name)!.setRoutes(routesBy(gateway))
  }

  async move(vm: string, to: HostName): Promise<void> {
    this.#places.set(vm, to)
  }

  async passed(): Promise<readonly Passed[]> {
    return this.#passed.map(({ uplink: { tenant, gateway }, out, back }) => {
      return { tenant, gateway, out, back }
    })
  }

  async ask(pair: Pair, { count, timeoutMs }: AskOptions): Promise<Answered> {
    const { from, to, family } = pair
    const label = labelOf(pair)
    this.#answers.delete(label)
    const ping = { count, timeoutMs, size: SIZE_FIRST + pair.id, from: from.address(family) }
    const { rttMs, duplicates } = await this.#nodes.get(from.name)!.ping(to.address(family), ping)
    const answered = rttMs.filter(rtt => rtt !== null)
    const by = answered.length === 0 ? '' : (this.#answers.get(label) ?? '')
    return { rttMs: answered, by, strange: duplicates }
  }

  async close(): Promise<void> {
    this.#agents = null
    this.#talks?.close()
    this.#clock.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  #node(name: string): MemoryVm {
    const common = {
      name,
      mac: macFor('demo', name),
      clock: this.#clock,
      tcp: (segment: Segment) => this.#talks?.received(name, segment)
    }
    const vm = vms.find(each => each.name === name)
    if (vm === undefined) {
      const send = (frame: Uint8Array<ArrayBuffer>): void => this.#fromOutside(frame)
      return new MemoryVm({ ...common, ...outsideOptions(), send })
    }
    const gateway = gatewayOf(vm.network, 4)
    const gateway6 = gatewayOf(vm.network, 6)
    const send = (frame: Uint8Array<ArrayBuffer>): void =>
      this.#enters(this.#places.get(name)!, name, frame)
    return new MemoryVm({ ...common, addresses: addressesOf(vm), gateway, gateway6, send })
  }

  #enters(host: HostName, at: string, frame: Uint8Array<ArrayBuffer>): void {
    if (!this.#cut.has(host)) this.#agents?.input(host, at, frame)
  }

  // The outside network is one node with a cable to each uplink: to whom a frame goes says by
  // which, and what is for all goes to all.
  #fromOutside(frame: Uint8Array<ArrayBuffer>): void {
    const to = ethernet.dst(new DataView(frame.buffer, frame.byteOffset), 0)
    for (const each of this.#passed) {
      const { uplink } = each
      if (!isGroup(frame) && parseMac(uplink.mac) !== to) continue
      if (!isGroup(frame)) each.back++
      this.#enters(uplink.gateway, uplink.interface, frame)
    }
  }

  #leaves(host: HostName, at: string, frame: Uint8Array): void {
    if (this.#cut.has(host)) return
    const seen = this.#passed.find(
      ({ uplink }) => uplink.gateway === host && uplink.interface === at
    )
    if (seen !== undefined) {
      seen.out++
      this.#arrived(outside.name, frame)
    } else if (this.#places.get(at) === host) this.#arrived(at, frame)
  }

  #arrived(name: string, frame: Uint8Array): void {
    const node = this.#nodes.get(name)
    if (node === undefined) return
    const label = questionIn(frame, node)
    if (label !== undefined) {
      this.#answers.set(label, name)
      this.#heard(name, label)
    }
    node.receive(frame)
  }
}

// Nobody waits for the answers to pings any more when the ground is gone.
class GroundClock extends SystemClock {
  readonly #timers = new Set<Timer>()
  #isClosed = false

  override after(delayMs: number, fire: () => void): Timer {
    if (this.#isClosed) return { cancel: () => {} }
    const timer = super.after(delayMs, () => {
      this.#timers.delete(timer)
      fire()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      }
    }
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

// Any virtual machine may come to a compute host.
const interfacesOf = (host: HostName): string[] =>
  gateways.some(name => name === host)
    ? uplinks.filter(({ gateway }) => gateway === host).map(uplink => uplink.interface)
    : vms.map(({ name }) => name)

const isGroup = (frame: Uint8Array): boolean => (frame[0]! & 1) === 1

/** The label of an echo request for this node, by its length. */
function questionIn(frame: Uint8Array, { mac }: MemoryVm): string | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (!ethernet.fits(view, 0, frame.length) || ethernet.dst(view, 0) !== parseMac(mac)) return
  const family = ethernet.type(view, 0) === ethernet.Type.ipv6 ? 6 : 4
  if (frame.length < OVERHEAD[family] + SIZE_FIRST) return
  if (frame[TYPE_AT[family]] !== REQUEST[family]) return
  const pair = pairs.find(({ id }) => id === frame.length - OVERHEAD[family] - SIZE_FIRST)
  return pair === undefined ? undefined : labelOf(pair)
}

function outsideOptions() {
  const far = (family: Family): string[] =>
    uplinks.map(uplink => `${uplink[family].far}/${uplink[family].length}`)
  return {
    addresses: families.flatMap(family => [
      `${outside[family]}/${family === 4 ? 32 : 128}`,
      ...far(family)
    ]),
    routes: routesBy('gateway2')
  }
}
