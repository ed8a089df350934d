// A host: a namespace with a cable to the underlay, and VMs and outside networks plugged in. The
// host's own stack keeps quiet on those interfaces: whatever a VM hears comes from the agent.
// test/lab/lib-self.test.ts holds it.

import type { Home } from '../process/namespace.ts'
import { LabError } from '../process/process.ts'
import { Machine } from './machine.ts'
import type { Underlay, UnderlayLink } from './underlay.ts'
import { Vm, type VmOptions } from './vm.ts'

/** What a host has at first. */
export interface HostOptions {
  readonly underlay?: Underlay
}

const sysctls = {
  // Loopback has its address by now. A link-local one on a VM's interface would make the host
  // send router solicitations and multicast reports into the virtual network.
  'ipv6/conf/default/disable_ipv6': 1,
  // Whoever switches IPv6 on again has his addresses at once.
  'ipv6/conf/all/accept_dad': 0,
  'ipv6/conf/default/accept_dad': 0,
  // Answer ARP for an address only where that address is.
  'ipv4/conf/all/arp_ignore': 1,
  'ipv4/conf/all/rp_filter': 0,
  'ipv4/conf/default/rp_filter': 0
}

/** Keeps the lab's list of what has to be taken down. */
export type Adopt = (machine: Machine) => void

/** A host: a namespace with an interface in the underlay, and VMs. */
export class Host extends Machine {
  #underlay: UnderlayLink | undefined
  readonly #adopt: Adopt
  readonly #network: Underlay | undefined
  readonly #ip: string

  constructor(home: Home, name: string, options: HostOptions, adopt: Adopt) {
    super(home, name)
    this.#network = options.underlay
    // Taken at once: hosts that are built side by side have the same addresses in every run.
    this.#ip = options.underlay?.subnet.next() ?? ''
    this.#adopt = adopt
  }

  /** Makes the namespace and its cable. */
  async build(): Promise<void> {
    await this.create(sysctls)
    if (this.#network === undefined) return
    const link = await this.#network.plug(this.name, this.netns, this.#ip)
    await this.ip(
      `addr add ${link.ip}/${this.#network.subnet.length} dev ${link.ifname}`,
      `link set dev ${link.ifname} up`
    )
    this.#underlay = link
  }

  /** Its place in the underlay; an error when it has none. */
  get underlay(): UnderlayLink {
    if (this.#underlay === undefined) throw new LabError(`${this.name} is in no underlay`)
    return this.#underlay
  }

  /** A VM whose interface on this host bears its name, unless told otherwise. */
  async vm(name: string, options: VmOptions): Promise<Vm> {
    const vm = new Vm(this.home, name, this, options)
    this.#adopt(vm)
    await vm.build()
    return vm
  }
}
