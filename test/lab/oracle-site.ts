// The machines of the oracles on eBPF: three hosts in namespaces of their own, an underlay between
// them, and a cable from every interface a plan may name to one more namespace, where the wire is.
// Made once; each world opens its datapaths in them anew.

import { InterfaceWatcher } from '../../src/native/netlink.ts'
import { Bench, netns, sh } from './datapath-lab.ts'
import { Wire } from './oracle-wire.ts'

const HOSTS = ['h0', 'h1', 'h2'] as const
const VMS_MAX = 6
const PORTS = [...Array.from({ length: VMS_MAX }, (_, i) => `vm${i}`), 'up0']
const [WIRE, BETWEEN] = ['or-wire', 'or-net']
export const UNDERLAY = 'under0'
const UNDERLAY_MTU = 1600 // a frame of 1500 and any header of ours
const MTU = 1500
// Where an end of a veth and its peer have one number, each in its own namespace, the kernel takes
// the cable for one that may come up a second late.
const FAR_INDEX = 1000

export const addressOf = (host: string): string => `172.31.0.${1 + HOSTS.indexOf(host as 'h0')}`

interface Cable {
  readonly host: string
  readonly near: string
  readonly far: string
}

export class Site {
  readonly bench = new Bench()
  readonly wire: Wire
  readonly #cables: Cable[] = []

  constructor(program: string) {
    this.#namespaces()
    // on many hosts: `eth-vm3` of each; all on one: `h2-vm3` of the first
    for (const [h, host] of HOSTS.entries())
      for (const port of PORTS) {
        this.#cables.push({ host, near: `eth-${port}`, far: `m${h}${port}` })
        this.#cables.push({ host: 'h0', near: `${host}-${port}`, far: `o${h}${port}` })
      }
    this.#plug()
    this.wire = new Wire(
      program,
      netns(WIRE),
      this.#cables.map(({ far }) => far)
    )
  }

  far(host: string, near: string): string {
    const found = this.#cables.find(each => each.host === host && each.near === near)
    if (found === undefined) throw new Error(`no cable to ${near} of ${host}`)
    return found.far
  }

  near(far: string): { host: string; name: string } {
    const { host, near } = this.#cables.find(each => each.far === far)!
    return { host, name: near }
  }

  setUp(host: string, name: string, up: boolean): void {
    sh(`ip -n ${netns(`or-${host}`)} link set ${name} ${up ? 'up' : 'down'}`)
  }

  // Without `mtu`: as it was in the beginning.
  setMtu(host: string, name: string, mtu = name === UNDERLAY ? UNDERLAY_MTU : MTU): void {
    sh(`ip -n ${netns(`or-${host}`)} link set ${name} mtu ${mtu}`)
  }

  inside<T>(host: string, body: () => T): T {
    return this.bench.inside(`or-${host}`, body)
  }

  // The interfaces of a host as they are now; a watcher's own events need the loop.
  interfaces(host: string): ReturnType<InterfaceWatcher['list']> {
    return this.inside(host, () => {
      const watcher = new InterfaceWatcher()
      const list = watcher.list()
      watcher.close()
      return list
    })
  }

  close(): void {
    this.wire.close()
    this.bench.close()
  }

  #namespaces(): void {
    const names = [WIRE, BETWEEN, ...HOSTS.map(host => `or-${host}`)]
    this.bench.namespace(...names)
    const quiet = ['ipv6.conf.all.disable_ipv6=1', 'ipv6.conf.default.disable_ipv6=1']
    const still = ['ipv4.conf.all.forwarding=0', 'ipv4.conf.all.arp_ignore=1']
    const all = [...quiet, ...still].map(each => `net.${each}`).join(' ')
    for (const name of names) this.bench.sh(name, `sysctl -qw ${all}`)
  }

  #plug(): void {
    const [wire, underlay] = [netns(WIRE), netns(BETWEEN)]
    const make: string[] = ['link add br0 type bridge mcast_snooping 0', 'link set br0 up']
    const here: string[] = []
    const hosts = new Map<string, string[]>(HOSTS.map(host => [host, []]))
    for (const [i, { host, near, far }] of this.#cables.entries()) {
      const end = `${near} netns ${netns(`or-${host}`)}`
      here.push(`link add ${far} index ${FAR_INDEX + i} type veth peer name ${end}`)
      here.push(`link set ${far} up`)
      hosts.get(host)!.push(`link set ${near} up`)
    }
    for (const [h, host] of HOSTS.entries()) {
      const end = `${UNDERLAY} netns ${netns(`or-${host}`)} address ${this.#mac(h)}`
      make.push(`link add u${h} mtu ${UNDERLAY_MTU} type veth peer name ${end} mtu ${UNDERLAY_MTU}`)
      make.push(`link set u${h} master br0 up`)
      const lines = hosts.get(host)!
      lines.push(`link set ${UNDERLAY} up`, `addr add ${addressOf(host)}/24 dev ${UNDERLAY}`)
      for (const [o, other] of HOSTS.entries())
        if (o !== h)
          lines.push(`neigh add ${addressOf(other)} lladdr ${this.#mac(o)} dev ${UNDERLAY}`)
    }
    batch(wire, here)
    batch(underlay, make)
    for (const [host, lines] of hosts) batch(netns(`or-${host}`), lines)
  }

  #mac(h: number): string {
    return `02:00:00:00:ff:0${h}`
  }
}

const batch = (namespace: string, lines: readonly string[]): void => {
  sh(`ip -n ${namespace} -batch - <<'END'\n${lines.join('\n')}\nEND`)
}
