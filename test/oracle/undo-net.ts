// The network of the third oracle: machines on a bridge, a router that translates, and uplinks of
// it on different hosts, in one port group.  Outside is behind every uplink.

import { Topology } from '../world/objects.ts'
import type { WorldObject } from '../world/store.ts'
import { type Macs, TALKS, type Talk } from './talk.ts'
import type { TalkPlan, UndoPlan } from './undo.ts'

type Rule = Record<string, unknown> & { readonly action: string }

interface Machine {
  readonly port: string
  readonly mac: string
  readonly ip: string
}

const GATEWAY_MAC = '02:00:00:00:0a:01'
const FAR_MAC = '02:00:00:00:0f:01'
const PORT = 80
const PORTS = 4

const ADDRESSES = {
  4: { inside: '10.0.0.', outside: '198.51.100.', open: '180.0.1.', moved: '180.0.2.0/24' },
  6: { inside: 'fd00::', outside: '2001:db8:9::', open: '2001:db8:1::', moved: '2001:db8:2:1::/64' }
} as const
const [SNAT_NONE, SNAT_MASQUERADE, SNAT_PREFIX] = [0, 3, 4]

export class UndoNet {
  readonly plan: UndoPlan
  readonly machines: readonly Machine[]
  readonly #topology = new Topology()
  readonly #uplinks: readonly string[]

  constructor(plan: UndoPlan, stateful: boolean) {
    this.plan = plan
    const { inside } = this.#addresses
    this.machines = plan.vms.map((_, i) => ({
      port: `vm${i}`,
      mac: `02:00:00:00:01:0${i}`,
      ip: `${inside}${10 + i}`
    }))
    this.#uplinks = Array.from({ length: plan.hosts }, (_, h) => `out${h}`)
    this.#devices()
    this.#chain('in', this.#inward())
    this.#chain('out', this.#outward())
    this.#topology.add('port-group', 'outs', { name: 'outs', stateful, ports: this.#uplinks })
  }

  get objects(): readonly WorldObject[] {
    return [...this.#topology.objects, ...this.routes(0)]
  }

  /** The way out.  What is sent by an uplink's address stays with it. */
  routes(wanted: number): WorldObject[] {
    const way = this.plan.snat === SNAT_MASQUERADE ? 0 : wanted % this.#uplinks.length
    const destination = this.plan.family === 4 ? '0.0.0.0/0' : '::/0'
    return this.#uplinks.map((port, i) => {
      const weight = i === way ? 1 : 10
      const gateway = this.#link(i, 1)
      return {
        kind: 'route',
        value: { id: `by-${port}`, router: 'r', destination, port, gateway, weight }
      } as WorldObject
    })
  }

  /** Rows of the routers' tables: table, address, MAC. */
  neighbours(): string[][] {
    return [
      ...this.machines.map(({ ip, mac }) => ['neighbour/gate', ip, mac]),
      ...this.#uplinks.map((port, i) => [`neighbour/${port}`, this.#link(i, 1), FAR_MAC])
    ]
  }

  macsOf(port: string): Macs {
    const machine = this.machines.find(each => each.port === port)
    if (machine !== undefined) return { from: machine.mac, to: GATEWAY_MAC }
    return { from: FAR_MAC, to: outMac(this.#uplinks.indexOf(port)) }
  }

  isUplink(port: string): boolean {
    return this.#uplinks.includes(port)
  }

  uplink(way: number): string {
    return this.#uplinks[way % this.#uplinks.length]!
  }

  /** What a plan says, as far as the rules allow it; the machine that speaks, or null: outside. */
  talk({ inward, vm, protocol, ports, far }: TalkPlan): { machine: string | null; talk: Talk } {
    const { outside } = this.#addresses
    const { dnat, snat, guarded } = this.plan
    const machine = this.machines[vm % this.machines.length]!
    const there = `${outside}${1 + far}`
    // The answers of a machine whose own address was asked would be translated: so it is written.
    if (!inward || (dnat === 0 && snat !== SNAT_NONE)) {
      const kind = TALKS[protocol]!
      const sport = 4000 + ports
      const dport = kind === 'ping' ? sport : PORT + ports
      return {
        machine: machine.port,
        talk: { protocol: kind, src: machine.ip, sport, dst: there, dport }
      }
    }
    const kind = TALKS[guarded ? protocol % 2 : protocol]!
    const sport = 5000 + ports
    const dport = kind === 'ping' ? sport : PORT + ports
    const dst = dnat === 0 ? machine.ip : this.#vip
    return { machine: null, talk: { protocol: kind, src: there, sport, dst, dport } }
  }

  // --- what it is made of ------------------------------------------------------------------------

  get #addresses() {
    return ADDRESSES[this.plan.family]
  }

  get #vip(): string {
    return `${this.#addresses.open}100`
  }

  get #net(): string {
    return this.plan.family === 4 ? '10.0.0.0/24' : 'fd00::/64'
  }

  get #one(): string {
    return this.plan.family === 4 ? '/32' : '/128'
  }

  // One address for one: nothing is remembered, so each direction has a rule of its own.
  get #isFixed(): boolean {
    const { dnat } = this.plan
    return dnat === 1 || (dnat === 2 && this.machines.length === 1)
  }

  // 1: outside, 2: the router.
  #link(i: number, end: number): string {
    return this.plan.family === 4 ? `203.0.113.${16 * i + end}` : `2001:db8:a${i}::${end}`
  }

  #devices(): void {
    const { family, vms, hosts, guarded } = this.plan
    const filters = guarded ? { outFilter: 'guard', inFilter: 'watch' } : {}
    const [long, short] = family === 4 ? [28, 24] : [64, 64]
    const at = this.#topology
    at.bridge('b').router('r', { inFilter: 'in', outFilter: 'out' })
    at.uplink('gate', 'r', 'b', GATEWAY_MAC, [`${this.#addresses.inside}1/${short}`])
    for (const [i, { port }] of this.machines.entries())
      at.edge(port, 'b', `h${vms[i]! % hosts}`, { interface: `eth-${port}`, ...filters })
    for (const [i, port] of this.#uplinks.entries()) {
      const addresses = [`${this.#link(i, 2)}/${long}`]
      const place = {
        interface: this.plan.talks.some(({ events }) => events) ? `eth-${port}` : 'eth-up0'
      }
      at.bound(port, 'router', 'r', `h${i}`, { ...place, mac: outMac(i), addresses })
    }
    if (guarded) this.#policy()
  }

  #policy(): void {
    const ports = { start: PORT, end: PORT + PORTS - 1 }
    this.#chain('watch', [{ action: 'accept', matchForwardFlow: true }])
    this.#chain('guard', [
      { action: 'accept', connectionStates: ['established', 'related'] },
      { action: 'accept', ethType: 0x806 },
      { action: 'accept', protocol: 6, destinationPorts: ports },
      { action: 'accept', protocol: 17, destinationPorts: ports },
      { action: 'drop' }
    ])
  }

  #chain(name: string, rules: readonly Rule[]): void {
    this.#topology.add('chain', name, { name })
    for (const [i, { action, ...fields }] of rules.entries())
      this.#topology.rule(name, i + 1, action, fields)
  }

  #inward(): Rule[] {
    const { dnat, snat } = this.plan
    const [first, last] = [this.machines[0]!.ip, this.machines.at(-1)!.ip]
    const rule = { action: 'dnat', destination: `${this.#vip}${this.#one}` }
    const targets = [
      { from: first },
      { from: first, to: last },
      { from: last, portFrom: PORT, portTo: PORT + PORTS - 1 }
    ]
    const back: Rule =
      snat === SNAT_PREFIX
        ? { action: 'dnat', destination: this.#addresses.moved, natPrefix: this.#net }
        : { action: 'reverse-snat', natThen: 'continue' }
    return dnat === 0 ? [back] : [back, { ...rule, natTargets: [targets[dnat - 1]!] }]
  }

  #outward(): Rule[] {
    const { open, moved } = this.#addresses
    const rule = { action: 'snat', source: this.#net, outPorts: this.#uplinks }
    const ways: Rule[] = [
      { ...rule, natTargets: [{ from: `${open}200`, portFrom: 1024, portTo: 65_535 }] },
      {
        ...rule,
        natTargets: [
          { from: `${open}200`, to: `${open}203`, portFrom: 2000, portTo: 2511 },
          { from: `${open}210` }
        ]
      },
      { ...rule, action: 'masquerade' },
      { ...rule, natPrefix: moved }
    ]
    const back: Rule = this.#isFixed
      ? {
          ...rule,
          source: `${this.machines[0]!.ip}${this.#one}`,
          natTargets: [{ from: this.#vip }]
        }
      : { action: 'reverse-dnat', natThen: 'continue' }
    return this.plan.snat === SNAT_NONE ? [back] : [back, ways[this.plan.snat - 1]!]
  }
}

const outMac = (i: number): string => `02:00:00:00:0b:0${1 + i}`
