// The demo in a real kernel: every host, VM and the outside network is a network namespace, and in
// each node but the hosts a small program asks and answers (lab/probe.c).
// test/lab/demo.test.ts holds it.

import { type Job, type Lab, LabError, type Machine, type Vm } from '../../lab/index.ts'
import { tool } from '../../lab/traffic/traffic.ts'
import type { Agents, Answered, AskOptions, Ground, Heard, Passed, Renewed } from '../ground.ts'
import { labelOf } from '../ground.ts'
import {
  families,
  type GatewayName,
  gatewayOf,
  type HostName,
  hosts,
  nodes,
  type Pair,
  type VmPlan,
  vms
} from '../plan/plan.ts'
import type { Conversation } from '../plan/talks.ts'
import { addressesOf } from '../plan/topology.ts'
import { type Beyond, StaticBeyond } from './beyond.ts'
import { KernelTalks } from './kernel-talks.ts'
import { openPlace } from './leftovers.ts'

const PORT = '7777'
const FLOWS_MAX = 16_384
const CREDITS = 64
// Room for a tunnel's headers around a full frame of a VM.
const UNDERLAY_MTU = 1600

interface Line {
  readonly heard?: string
  readonly id?: number
  readonly rtt_us?: readonly number[]
  readonly by?: string
  readonly strange?: number
}

/** What a ground is opened with. */
export interface KernelOptions {
  /** Called for each question that arrives. */
  readonly heard: Heard
  /** Names of further namespaces in the underlay. */
  readonly others?: readonly string[]
  /** What lies beyond the gateways; default: a network that is told by hand. */
  readonly beyond?: (lab: Lab) => Beyond
}

/** Hosts and VMs in network namespaces of this machine. */
export class KernelGround implements Ground {
  readonly kind = 'ebpf'
  readonly underlay: Readonly<Record<HostName, string>>
  /** What the names of its namespaces begin with. */
  readonly prefix: string
  readonly folder: string
  readonly #lab: Lab
  readonly #heard: Heard
  readonly #beyond: Beyond
  readonly #probes = new Map<string, Job>()
  readonly #waiting = new Map<number, (answered: Answered) => void>()
  #asked = 0
  #talks: KernelTalks | null = null

  /** Makes hosts and what else is in the underlay; throws LabError when this machine cannot. */
  static async open(options: KernelOptions): Promise<KernelGround> {
    const { others = [], beyond = lab => new StaticBeyond(lab) } = options
    const lab = await openPlace()
    try {
      const underlay = await lab.underlay({ mtu: UNDERLAY_MTU })
      await Promise.all([...hosts, ...others].map(name => lab.host(name, { underlay })))
      return new KernelGround(lab, options.heard, beyond(lab))
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  private constructor(lab: Lab, heard: Heard, beyond: Beyond) {
    this.#lab = lab
    this.#heard = heard
    this.#beyond = beyond
    this.prefix = lab.prefix
    this.folder = lab.folder
    const entries = hosts.map(name => [name, this.#host(name).underlay.ip] as const)
    this.underlay = Object.fromEntries(entries) as Record<HostName, string>
  }

  /** A host or one of the others, and its address in the underlay. */
  placed(name: string): { machine: Machine; address: string } {
    const machine = this.#lab.machines.get(name) as Awaited<ReturnType<Lab['host']>>
    return { machine, address: machine.underlay.ip }
  }

  agentOptions(host: HostName): ReturnType<Ground['agentOptions']> {
    const common = { flowsMax: FLOWS_MAX, creditsPerPort: CREDITS }
    const pins = `${this.#lab.folder}/${host}-bpf`
    return { datapath: { kind: 'ebpf', netns: this.#host(host).path, pins, ...common } }
  }

  async populate(_agents: Agents): Promise<void> {
    const program = await tool('probe')
    await Promise.all([...vms.map(vm => this.#vm(vm)), this.#beyond.build()])
    await Promise.all(nodes.map(({ name }) => this.#probe(program, name)))
  }

  ask(pair: Pair, { count, timeoutMs }: AskOptions): Promise<Answered> {
    const { from, to, family } = pair
    const id = this.#asked++
    const probe = this.#probes.get(from.name)
    if (probe?.running !== true) throw new LabError(`the probe of ${from.name} has ended`)
    return new Promise(resolve => {
      this.#waiting.set(id, resolve)
      const words = [id, to.address(family), count, timeoutMs, labelOf(pair)]
      probe.write(`ask ${words.join(' ')}\n`)
    })
  }

  async converse(): Promise<Conversation> {
    this.#talks = await KernelTalks.open(name => this.#lab.machines.get(name) as Machine)
    return this.#talks
  }

  /** Opens as many connections again as the plan has, and ends them; only after `converse`. */
  renew(): Promise<Renewed> {
    return this.#talks!.renew()
  }

  async cut(host: HostName): Promise<number> {
    const cables = this.#cables(host)
    await this.#host(host).ip(...cables.map(name => `link set dev ${name} down`))
    return cables.length
  }

  async mend(host: HostName): Promise<void> {
    const cables = this.#cables(host)
    await this.#host(host).ip(...cables.map(name => `link set dev ${name} up`))
  }

  returnBy(gateway: GatewayName): Promise<void> {
    return this.#beyond.returnBy(gateway)
  }

  async move(name: string, to: HostName): Promise<void> {
    await (this.#lab.machines.get(name) as Vm).moveTo(this.#host(to))
  }

  passed(): Promise<readonly Passed[]> {
    return this.#beyond.passed()
  }

  async close(): Promise<void> {
    await this.#lab.close()
  }

  // Not what an agent has made for itself beside them.
  #cables(host: HostName): string[] {
    return [this.#host(host).underlay.ifname, ...this.#beyond.interfaces(host)]
  }

  #host(name: HostName): Awaited<ReturnType<Lab['host']>> {
    return this.#lab.machines.get(name) as Awaited<ReturnType<Lab['host']>>
  }

  async #vm(vm: VmPlan): Promise<void> {
    await this.#host(vm.host).vm(vm.name, {
      addresses: addressesOf(vm),
      gateway: gatewayOf(vm.network, 4),
      gateway6: gatewayOf(vm.network, 6)
    })
  }

  async #probe(program: string, name: string): Promise<void> {
    const machine = this.#lab.machines.get(name) as Machine
    const node = nodes.find(each => each.name === name)!
    const addresses = families.map(family => node.address(family))
    const onLine = (line: string): void => this.#said(name, line)
    const probe = machine.spawn([program, name, PORT, ...addresses], { onLine })
    await probe.waitFor(/ready/)
    this.#probes.set(name, probe)
  }

  #said(name: string, text: string): void {
    if (!text.startsWith('{')) return
    const line = JSON.parse(text) as Line
    if (line.heard !== undefined) return this.#heard(name, line.heard)
    const { id = -1, rtt_us = [], by = '', strange = 0 } = line
    this.#waiting.get(id)?.({ rttMs: rtt_us.map(us => us / 1000), by, strange })
    this.#waiting.delete(id)
  }
}
