// What lies beyond a gateway: a network outside, with an address or more of its own and a cable to
// an uplink interface of one gateway or of several. test/lab/lib-self.test.ts holds it.

import type { Home } from '../process/namespace.ts'
import { macFor } from './addresses.ts'
import { Machine } from './machine.ts'
import { configure, quiet } from './vm.ts'

/** An interface of the outside network. */
export interface OutsideLink {
  /** A gateway's, or another network's. */
  readonly host: Machine
  /** There: what the uplink port is bound to. */
  readonly interface: string
  /** At the outside end, with prefix length. */
  readonly addresses: readonly string[]
  /** At the other end, when that is no gateway's; default: none. */
  readonly there?: readonly string[]
  /** Default: made of its name. */
  readonly mac?: string
  /** Default: 1500. */
  readonly mtu?: number
}

/** What the outside network has. */
export interface OutsideOptions {
  readonly links: readonly OutsideLink[]
  /** The outside's own, on loopback: '198.51.100.1/32'. */
  readonly addresses?: readonly string[]
  /** Where to find the virtual networks. */
  readonly routes?: readonly { readonly to: string; readonly via: string }[]
}

/** A network beyond ours, at the uplinks of gateways. */
export class Outside extends Machine {
  readonly #options: OutsideOptions
  #links = 0

  constructor(home: Home, name: string, options: OutsideOptions) {
    super(home, name)
    this.#options = options
  }

  /** Makes the namespace and its cables. */
  async build(): Promise<void> {
    const { links, addresses = [], routes = [] } = this.#options
    const all = [...addresses, ...links.flatMap(link => link.addresses)]
    await this.create({
      ...quiet({ addresses: all }),
      'ipv4/conf/all/arp_announce': 2, // as a router: by the address of the link
      'ipv4/conf/all/forwarding': 1,
      'ipv6/conf/all/forwarding': 1
    })
    for (const link of links) await this.link(link)
    await this.ip(
      ...addresses.map(address => `addr add ${address} dev lo`),
      ...routes.map(({ to, via }) => `route add ${to} via ${via}`)
    )
  }

  /** One more cable; gives the name of the outside's end: eth0, eth1, … */
  async link(link: OutsideLink): Promise<string> {
    const ifname = `eth${this.#links++}`
    const { mac = macFor(this.netns, ifname), mtu = 1500 } = link
    await link.host.cable(link.interface, ifname, this.netns, { mac, mtu })
    await this.ip(...configure(ifname, { addresses: link.addresses }))
    const { host, there } = link
    if (there !== undefined) await host.ip(...configure(link.interface, { addresses: there }))
    return ifname
  }
}
