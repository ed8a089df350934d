// The demo without a kernel: the same agents on the memory datapath, virtual machines that are
// objects of this process, and an underlay that is a function call. For machines without root.
//
// A ping has no room for a label that survives in every node; its length says which question it
// is, as each question has a length of its own.

import { SystemClock } from '../../../src/core/clock.ts'
import { formatIpv4, parseIpv4, parseMac } from '../../../src/wire/address.ts'
import * as ethernet from '../../../src/wire/ethernet.ts'
import { macFor } from '../lib/addresses.ts'
import { MemoryVm } from '../lib/index.ts'
import type { Agents, Answered, AskOptions, Ground, Heard } from './ground.ts'
import { labelOf } from './ground.ts'
import {
  families,
  gatewayOf,
  type HostName,
  hosts,
  nodes,
  outside,
  type Pair,
  pairs,
  vms
} from './plan.ts'
import { addressesOf } from './topology.ts'

const FLOWS_MAX = 16_384
const CREDITS = 64
const SIZE_FIRST = 64
// Between an echo request's length and its payload: Ethernet, IP and ICMP headers.
const OVERHEAD = { 4: 14 + 20 + 8, 6: 14 + 40 + 8 } as const
const TYPE_AT = { 4: 14 + 20, 6: 14 + 40 } as const
const REQUEST = { 4: 8, 6: 128 } as const

interface Place {
  readonly host: HostName
  readonly interface: string
}

export class MemoryGround implements Ground {
  readonly kind = 'memory'
  readonly underlay = Object.fromEntries(
    hosts.map((name, i) => [name, `172.31.0.${i + 1}`])
  ) as Record<HostName, string>
  readonly #heard: Heard
  readonly #clock = new SystemClock()
  readonly #nodes = new Map<string, MemoryVm>()
  readonly #places = new Map<string, Place>(vms.map(vm => [vm.name, placeOf(vm)]))
  readonly #answers = new Map<string, string>() // label → who answered last
  #agents: Agents | null = null

  constructor(heard: Heard) {
    this.#heard = heard
    const { name, host, interface: at } = outside
    this.#places.set(name, { host, interface: at })
    for (const node of nodes) this.#nodes.set(node.name, this.#node(node.name))
  }

  agentOptions(host: HostName): ReturnType<Ground['agentOptions']> {
    const here = [...this.#places].filter(([, place]) => place.host === host)
    const interfaces = here.map(([, place]) => place.interface)
    const byInterface = new Map(here.map(([name, place]) => [place.interface, name]))
    const address = this.underlay[host]
    const common = { flowsMax: FLOWS_MAX, creditsPerPort: CREDITS }
    return {
      datapath: { kind: 'memory', address, interfaces, ...common },
      onFrame: (at, frame) => this.#arrived(byInterface.get(at) ?? '', frame),
      onTunnelled: (remote, key, src, frame) => {
        const there = hosts.find(name => parseIpv4(this.underlay[name]) === remote)
        if (there === undefined) throw new Error(`no host at ${formatIpv4(remote)}`)
        this.#agents?.fromUnderlay(there, key, src, frame)
      }
    }
  }

  async populate(agents: Agents): Promise<void> {
    this.#agents = agents
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
  }

  #node(name: string): MemoryVm {
    const place = this.#places.get(name)!
    const common = { name, mac: macFor('demo', name), clock: this.#clock }
    const send = (frame: Uint8Array<ArrayBuffer>): void =>
      this.#agents?.input(place.host, place.interface, frame)
    const vm = vms.find(each => each.name === name)
    if (vm === undefined) return new MemoryVm({ ...common, ...outsideOptions(), send })
    const gateway = gatewayOf(vm.network, 4)
    const gateway6 = gatewayOf(vm.network, 6)
    return new MemoryVm({ ...common, addresses: addressesOf(vm), gateway, gateway6, send })
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

const placeOf = ({ host, name }: (typeof vms)[number]): Place => ({ host, interface: name })

function outsideOptions() {
  return {
    addresses: [
      ...families.map(family => `${outside[family].own}/${family === 4 ? 32 : 128}`),
      ...families.map(family => `${outside[family].far}/${outside[family].length}`)
    ],
    routes: families.map(family => ({ to: outside[family].red, via: outside[family].near }))
  }
}
