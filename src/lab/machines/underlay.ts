// The IP network between the hosts: a Linux bridge in a namespace of its own, a port per host. It
// has an address too, so what all hosts must reach (a store, for instance) can run in it. Faults
// are made here, on the bridge, where no host's own programs or filters see them.
// test/lab/lib-self.test.ts holds it.

import type { Home } from '../process/namespace.ts'
import { LabError } from '../process/process.ts'
import { macFor, Subnet } from './addresses.ts'
import { Machine } from './machine.ts'

/** What an underlay is like. */
export interface UnderlayOptions {
  /** Its network; default: 172.31.0.0/24. */
  readonly subnet?: string
  /** Default: 1600. */
  readonly mtu?: number
}

/** A host's interface in the underlay. */
export interface UnderlayLink {
  /** Its name in the host. */
  readonly ifname: string
  /** Its address. */
  readonly ip: string
  /** Its MAC, as text. */
  readonly mac: string
  /** Its MTU. */
  readonly mtu: number
}

/** The name of that interface in every host. */
export const UNDERLAY_INTERFACE = 'underlay0'
const BRIDGE = 'br0'

const sysctls = {
  'ipv6/conf/default/disable_ipv6': 1,
  'bridge/bridge-nf-call-iptables?': 0,
  'bridge/bridge-nf-call-ip6tables?': 0
}

interface Fault {
  readonly from: string
  readonly to: string
  readonly percent: number
}

/** A network that joins hosts: a bridge in a namespace of its own. */
export class Underlay extends Machine {
  /** Of all its interfaces. */
  readonly mtu: number
  readonly subnet: Subnet
  /** Of the bridge itself. */
  readonly address: string
  #faults: Fault[] = []
  readonly #hosts = new Set<string>()

  constructor(home: Home, name: string, options: UnderlayOptions = {}) {
    super(home, name)
    this.mtu = options.mtu ?? 1600
    this.subnet = new Subnet(options.subnet ?? '172.31.0.0/24')
    this.address = this.subnet.last
  }

  /** Makes the namespace and the bridge. */
  async build(): Promise<void> {
    await this.create(sysctls)
    await this.ip(
      `link add ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set dev ${BRIDGE} mtu ${this.mtu} address ${macFor(this.netns, BRIDGE)} up`,
      `addr add ${this.address}/${this.subnet.length} dev ${BRIDGE}`
    )
  }

  /** Plugs a host in; its end of the cable appears in its namespace, down and bare. */
  async plug(host: string, netns: string, ip: string): Promise<UnderlayLink> {
    this.#hosts.add(host)
    const mac = macFor(netns, UNDERLAY_INTERFACE)
    const peer = `name ${UNDERLAY_INTERFACE} address ${mac} mtu ${this.mtu} netns ${netns}`
    await this.ip(
      `link add name ${host} mtu ${this.mtu} type veth peer ${peer}`,
      `link set dev ${host} master ${BRIDGE} up`
    )
    return { ifname: UNDERLAY_INTERFACE, ip, mac, mtu: this.mtu }
  }

  /** Nothing passes between the groups, silently; within each all is well. */
  async partition(...groups: readonly (readonly string[])[]): Promise<void> {
    const pairs = groups.flatMap((group, i) =>
      groups.flatMap((other, j) => (i === j ? [] : group.flatMap(a => other.map(b => [a, b]))))
    )
    this.#faults.push(...pairs.map(([from, to]) => ({ from: from!, to: to!, percent: 100 })))
    await this.#apply()
  }

  /** Loses so many per cent of the frames from one host to another, one way. */
  async lose(from: string, to: string, percent: number): Promise<void> {
    this.#faults.push({ from, to, percent })
    await this.#apply()
  }

  /** Ends every fault. */
  async heal(): Promise<void> {
    this.#faults = []
    await this.#apply()
  }

  async #apply(): Promise<void> {
    for (const { from, to } of this.#faults)
      for (const host of [from, to])
        if (!this.#hosts.has(host)) throw new LabError(`no host ${host} at ${this.name}`)
    const rules = this.#faults.map(({ from, to, percent }) => {
      const chance = percent >= 100 ? '' : ` numgen random mod 100 < ${percent}`
      return `iifname "${from}" oifname "${to}"${chance} drop`
    })
    // Added first, so that there is always one to delete: one transaction replaces the whole.
    await this.nft(`add table bridge faults
      delete table bridge faults
      table bridge faults {
        chain forward {
          type filter hook forward priority 0
          ${rules.join('\n          ')}
        }
      }
    `)
  }
}
