// A virtual machine, as far as the network can tell: a namespace with eth0. Its cable to the host
// is a veth, or, as with a hypervisor, a tap on the host that a process serves.
// test/lab/lib-self.test.ts holds it.

import type { Home } from '../process/namespace.ts'
import { tool } from '../traffic/traffic.ts'
import { macFor } from './addresses.ts'
import type { Host } from './host.ts'
import { Machine } from './machine.ts'

/** What a VM has. */
export interface VmOptions {
  /** With prefix length: '10.0.1.5/24', 'fd00:1::5/64'. */
  readonly addresses?: readonly string[]
  /** IPv4 of its router; default: none. */
  readonly gateway?: string
  /** IPv6 of its router; default: none. */
  readonly gateway6?: string
  /** Default: made of its name. */
  readonly mac?: string
  /** Default: 1500. */
  readonly mtu?: number
  /** How it hangs at its host; default: `veth`. */
  readonly kind?: 'veth' | 'tap'
  /** The host's end; the VM's name when not given. */
  readonly interface?: string
  /** An IPv6 link-local address; by default when it has any IPv6 address. */
  readonly linkLocal?: boolean
}

/** The name of its interface, as it sees it. */
export const VM_INTERFACE = 'eth0'

/** A machine at a host: a namespace with one interface. */
export class Vm extends Machine {
  #host: Host
  /** As text. */
  readonly mac: string
  /** Of its interface. */
  readonly mtu: number
  /** On the host. */
  readonly interface: string
  /** Without prefix length. */
  readonly addresses: readonly string[]
  readonly #options: VmOptions

  constructor(home: Home, name: string, host: Host, options: VmOptions) {
    super(home, name)
    this.#host = host
    this.mac = options.mac ?? macFor(this.netns, VM_INTERFACE)
    this.mtu = options.mtu ?? 1500
    this.interface = options.interface ?? name
    this.addresses = (options.addresses ?? []).map(address => address.split('/')[0]!)
    this.#options = options
  }

  /** The host it is at now. */
  get host(): Host {
    return this.#host
  }

  /** The first of its family; an error of the caller's when there is none. */
  address(family: 4 | 6 = 4): string {
    const found = this.addresses.find(address => address.includes(':') === (family === 6))
    if (found === undefined) throw new TypeError(`${this.name} has no IPv${family} address`)
    return found
  }

  /** Makes the namespace and its cable. */
  async build(): Promise<void> {
    await this.create(quiet(this.#options))
    if (this.#options.kind === 'tap') await this.#tap()
    else await this.host.cable(this.interface, VM_INTERFACE, this.netns, this)
    await this.ip(...configure(VM_INTERFACE, this.#options))
  }

  /** Cuts and mends the cable at the VM's end, as pulling a virtual network card does. */
  async unplug(): Promise<void> {
    await this.linkDown(VM_INTERFACE)
  }

  /** Configures its interface, as after a move. */
  async plug(): Promise<void> {
    await this.ip(...configure(VM_INTERFACE, this.#options))
  }

  /**
   * Its cable goes to another host, as when a hypervisor has moved it: addresses and connections
   * are what they were.
   */
  async moveTo(host: Host): Promise<void> {
    await this.#host.ip(`link set dev ${this.interface} netns ${host.netns}`)
    await host.ip(`link set dev ${this.interface} up`)
    this.#host = host
  }

  async #tap(): Promise<void> {
    const ends = [this.host.path, this.interface, this.path, VM_INTERFACE]
    const relay = this.spawn([await tool('relay'), ...ends])
    await relay.waitFor(/ready/)
    await this.host.ip(`link set dev ${this.interface} mtu ${this.mtu} up`)
    await this.ip(`link set dev ${VM_INTERFACE} address ${this.mac} mtu ${this.mtu}`)
  }
}

/** No traffic that nobody asked for: it would be counted as somebody's. */
export function quiet({ addresses = [], linkLocal }: VmOptions): Record<string, number> {
  const ipv6 = addresses.some(address => address.includes(':'))
  return {
    'ipv6/conf/default/disable_ipv6': ipv6 || linkLocal === true ? 0 : 1,
    // Whose card goes to another host without the VM's noticing knows its neighbours still.
    'ipv4/conf/default/arp_evict_nocarrier?': 0,
    'ipv6/conf/default/ndisc_evict_nocarrier?': 0,
    'ipv6/conf/all/accept_dad': 0,
    'ipv6/conf/default/accept_dad': 0,
    'ipv6/conf/default/accept_ra': 0,
    'ipv6/conf/default/router_solicitations': 0,
    // 1: no link-local address is made.
    'ipv6/conf/default/addr_gen_mode': (linkLocal ?? ipv6) ? 0 : 1,
    'ipv4/conf/all/rp_filter': 0,
    'ipv4/conf/default/rp_filter': 0
  }
}

/** `replace`, because IPv6 addresses and all routes go with a link that goes down, others stay. */
export function configure(ifname: string, options: VmOptions): string[] {
  const { addresses = [], gateway, gateway6 } = options
  return [
    `link set dev ${ifname} up`,
    ...addresses.map(address =>
      address.includes(':')
        ? `addr replace ${address} dev ${ifname} nodad`
        : `addr replace ${address} dev ${ifname}`
    ),
    ...(gateway === undefined ? [] : [`route replace default via ${gateway} dev ${ifname}`]),
    ...(gateway6 === undefined ? [] : [`route replace default via ${gateway6} dev ${ifname}`])
  ]
}
