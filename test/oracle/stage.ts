// One world on which a plan is played.  `spread` puts the ports on the hosts the plan names, else
// all are on one; `cache` lets flows be kept, else every packet is walked.

import Value from 'typebox/value'
import { routerSettings } from '../../plugins/router/settings.ts'
import type { Plugin } from '../../src/plugin.ts'
import { CachePolicy } from '../../src/simulation/verdict.ts'
import type { Stored } from '../../src/topology/model.ts'
import type { PortModel } from '../../src/topology/models.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import type { WorldObject, WorldStore } from '../world/store.ts'
import { type Delivery, World, type WorldHost, type WorldOptions } from '../world/world.ts'
import { durationMs, happen } from './events.ts'
import type { Net } from './net.ts'
import { announcement, answer, packet, question } from './packets.ts'
import type { FaultPlan, Move, PacketPlan, Plan } from './plan.ts'

export type GroundHost = Pick<
  WorldHost,
  'host' | 'counters' | 'ifindexOf' | 'setUp' | 'setMtu' | 'setUnderlayMtu'
>

// What a stage asks of its world.
export interface Ground {
  readonly store: WorldStore
  readonly hosts: ReadonlyMap<string, GroundHost>
  readonly delivered: Delivery[]
  addHost(id: string): void
  send(port: string, frame: Uint8Array): void
  // `expected`: as many deliveries there are in another world by then, where that is known.
  settle(ms: number, expected?: number): void
  close?(): void
}

export interface StageOptions {
  readonly plugins: readonly Plugin[]
  readonly cache: boolean
  readonly spread: boolean
  readonly patient?: boolean // neighbours are waited for as long as in real life
  readonly ground?: (options: WorldOptions) => Ground // memory without
  readonly netOf?: new (
    plan: Plan
  ) => Net // what is made of a plan, when it is not just Net
  readonly share?: boolean // of flow state
  readonly journal?: boolean // for agents that begin anew
  readonly calmMs?: number // before the first move: hosts that share state get to know each other
  readonly answer?: typeof answer // what stations say
  readonly unlimited?: boolean // as many ICMP errors as there are reasons for
}

// Each host asks for itself who a neighbour is, and remembers for itself that nobody answered: two
// hosts ask where one would not ask again.  So that this does not show, a question lasts no longer
// than a settle, and a failure not at all.
const SETTLE_MS = 12
const DEFAULTS = Value.Default(routerSettings, {}) as object
// The limit is kept by host, and told apart by a hash of the flow, of which the interface is part:
// two flows that share a credit in one world need not in another.
const UNLIMITED = { errorBurstMax: 1_000_000 }
const HASTY = {
  ...DEFAULTS,
  neighbourRetryMs: 20,
  neighbourTimeoutMs: 10,
  neighbourFailedMs: 1,
  ...UNLIMITED
}

// A drop because nobody answered is kept a few seconds longer than the neighbour is not asked: that
// is as it should be, and must not show either.
const PATIENT = { ...DEFAULTS, neighbourFailedMs: 600_000 }

const CALM_MS = 5000 // what hosts lost is handed over and forgotten (custody.ts)
const HELD_MS = 2100 // two seconds: what waits for its first fragment goes on without
const ROUNDS_MAX = 6
const ANSWERS_MAX = 12 // in one round: a loop of bridges may ask a thousand times

export class Stage {
  readonly world: Ground
  readonly #net: Net
  readonly #options: StageOptions
  readonly #down = new Set<string>()
  readonly #packets: PacketPlan[] = []
  #serial = 0
  #isHeld = false // perhaps
  #expected: readonly number[] = []
  // Of the last move: how many deliveries were there after each settle.
  readonly counts: number[] = []
  // What was sent last and may have become a flow.
  readonly sent: { port: string; frame: Uint8Array }[] = []

  constructor(net: Net, options: StageOptions) {
    this.#net = net
    this.#options = options
    const objects = options.spread ? net.objects : net.objects.map(onOneHost)
    const { plugins, cache } = options
    const patient = options.unlimited === true ? { ...PATIENT, ...UNLIMITED } : PATIENT
    const settings = { router: options.patient === true ? patient : HASTY }
    const { ground = (all: WorldOptions) => new World(all) } = options
    const { share = false, journal = false } = options
    const common = { seed: 7, plugins, objects, cache, flowsMax: 1024, settings }
    this.world = ground({ ...common, share, journal })
    for (let h = 0; h < (options.spread ? net.plan.hosts : 1); h++)
      if (!this.world.hosts.has(`h${h}`)) this.world.addHost(`h${h}`)
    this.#settle(options.calmMs)
  }

  // Plays a move, lets the VMs answer, and says what came out, in an order of its own.
  // `expected`: the counts of another world.
  play(move: Move, expected: readonly number[] = []): string[] {
    this.world.delivered.length = 0
    this.counts.length = 0
    this.#expected = expected
    const heard: Delivery[] = []
    for (const { port, frame } of this.#framesOf(move)) {
      this.sent.push({ port, frame })
      this.world.send(port, frame)
      this.#settle()
      this.#converse(heard)
    }
    this.#change(move)
    this.#settle(move.is === 'wait' ? move.ms : undefined)
    this.#converse(heard)
    return heard.map(text).sort()
  }

  #settle(ms = this.#options.patient === true ? 1 : SETTLE_MS): void {
    this.world.settle(ms, this.#expected[this.counts.length])
    this.counts.push(this.world.delivered.length)
  }

  #converse(heard: Delivery[]): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const delivered = this.world.delivered.splice(0)
      if (delivered.length === 0) return
      heard.push(...delivered)
      const answers = delivered.flatMap(each => this.#answer(each))
      answers.sort((a, b) => (text(a) < text(b) ? -1 : 1))
      for (const { port, frame } of answers.slice(0, ANSWERS_MAX)) this.world.send(port, frame)
      this.#settle()
    }
    heard.push(...this.world.delivered.splice(0))
  }

  #answer({ port, frame }: Delivery): Delivery[] {
    const vm = this.#net.stations.find(each => each.port === port)
    const { answer: say = answer } = this.#options
    const reply = vm === undefined ? undefined : say(vm, frame)
    return reply === undefined ? [] : [{ port, frame: reply }]
  }

  #framesOf(move: Move): Delivery[] {
    const { stations } = this.#net
    const at = (from: number): string => stations[from % stations.length]!.port
    switch (move.is) {
      case 'packet':
        this.#packets.push(move)
        return this.#framesOfPacket(move, move.times)
      case 'again': {
        const before = this.#packets.at(-1 - move.back)
        return before === undefined ? [] : this.#framesOfPacket(varied(before, move.vary), 1)
      }
      case 'ask':
        return [
          { port: at(move.from), frame: question(this.#net, move.from, move.whom, move.family) }
        ]
      case 'end': {
        const before = this.#packets.filter(isTcp).at(-1 - move.back)
        return before === undefined ? [] : this.#framesOfPacket({ ...before, flags: move.flags }, 1)
      }
      case 'announce':
        return [
          { port: at(move.from), frame: announcement(this.#net, move.from, move.as, move.family) }
        ]
      case 'garbage':
        return [{ port: at(move.from), frame: Uint8Array.from(move.bytes) }]
      default:
        return []
    }
  }

  #framesOfPacket(plan: PacketPlan, times: number): Delivery[] {
    const { stations } = this.#net
    const { port } = stations[plan.from % stations.length]!
    this.#isHeld ||= plan.fragment > 21
    return Array.from({ length: times }, () => {
      return { port, frame: packet(this.#net, plan, ++this.#serial) }
    })
  }

  // --- the topology changes ----------------------------------------------------------------------

  #change(move: Move): void {
    switch (move.is) {
      case 'admin':
        return this.#edit(this.#net.target(move.at).id, old => ({
          adminStateUp: old.adminStateUp === false
        }))
      case 'filter': {
        const { at, chain, out } = move.filter
        const field = out ? 'outFilter' : 'inFilter'
        return this.#edit(this.#net.target(at).id, old => ({
          [field]: old[field] === undefined ? `c${chain % 2}` : undefined
        }))
      }
      case 'route':
        return this.#toggle('route', this.#net.route(`extra${move.slot}`, move.route))
      case 'rule':
        return this.#toggle('rule', this.#net.rule(`extra${move.slot}`, move.rule, move.slot))
      case 'rebind':
        return this.#rebind(move.vm, move.host)
      case 'flap':
        return this.#flap(move.vm)
      case 'unplug':
        return this.#unplug(move.port)
      case 'fault':
        return this.#fault(move)
    }
  }

  #edit(id: string, change: (old: Stored) => object): void {
    const kind = this.#net.kindOf(id)
    const old = this.world.store.get(kind, id)
    if (old !== undefined) this.world.store.put(kind, { ...old, ...change(old) })
  }

  #toggle(kind: string, value: Stored): void {
    if (this.world.store.get(kind, value.id) === undefined) this.world.store.put(kind, value)
    else this.world.store.delete(kind, value.id)
  }

  #vm(n: number): PortModel {
    const { stations } = this.#net
    return this.world.store.get('port', stations[n % stations.length]!.port) as PortModel
  }

  #rebind(vm: number, host: number): void {
    const port = this.#vm(vm)
    if (this.#down.has(port.id)) this.#flap(vm)
    this.#settle()
    this.#edit(port.id, () => {
      const place = { ...port, host: `h${host % this.#net.plan.hosts}` }
      return this.#options.spread ? place : onOneHost({ kind: 'port', value: place }).value
    })
    this.#forgetUnanswered()
  }

  #flap(vm: number): void {
    const port = this.#vm(vm)
    if (port.host === undefined) return
    const up = this.#down.delete(port.id)
    if (!up) this.#down.add(port.id)
    this.world.hosts.get(port.host)!.setUp(port.interface!, up)
  }

  // In the world where all is on one host nothing happens, for as long.
  #fault({ one, other, event, calm }: FaultPlan): void {
    const [machine, uplink] = [this.#vm(one), this.#vm(other)]
    for (const [vm, { id }] of [
      [one, machine],
      [other, uplink]
    ] as const)
      if (this.#down.has(id)) this.#flap(vm)
    this.#settle(this.#isHeld ? HELD_MS : undefined)
    this.#isHeld = false
    const { world } = this
    if (this.#options.spread && world instanceof World)
      happen(world, event, { machine: machine.id, uplink: uplink.id })
    else world.settle(durationMs(event))
    if (calm) world.settle(CALM_MS)
    this.#forgetUnanswered()
  }

  // That nobody answered, a host keeps for some seconds: where a port is new, nobody knows of it.
  #forgetUnanswered(): void {
    for (const { host } of this.world.hosts.values()) {
      const { cache } = host.worker
      for (let id = 1; id < cache.table.top; id++)
        if ((cache.get(id)?.cachePolicy ?? 0) !== CachePolicy.normal) cache.remove(id)
      cache.flush()
    }
  }

  // A link is taken apart, or put together again.
  #unplug(n: number): void {
    const { ports } = this.#net
    const id = ports[n % ports.length]!
    const original = this.#net.objects.find(({ value }) => value.id === id)!.value
    const peer = original.peer as string | undefined
    if (peer === undefined) return
    this.#edit(id, old => ({ peer: old.peer === undefined ? peer : undefined }))
    this.#edit(peer, old => ({ peer: old.peer === undefined ? id : undefined }))
  }
}

const isTcp = ({ protocol }: PacketPlan): boolean => protocol % 8 === 3 || protocol % 8 === 4

// The same packet, or one that differs in one thing.
function varied(plan: PacketPlan, n: number): PacketPlan {
  switch (n) {
    case 1:
      return { ...plan, ports: plan.ports ^ 2 }
    case 2:
      return { ...plan, ports: plan.ports ^ 1 }
    case 3:
      return { ...plan, tos: (plan.tos + 2) % 4 }
    case 4:
      return { ...plan, protocol: plan.protocol + 3 }
    case 5:
      return { ...plan, fragment: plan.fragment === 22 ? 23 : 22 }
    case 6:
      return { ...plan, ttl: plan.ttl + 4 }
    case 7:
      return { ...plan, to: plan.to + 1 }
    case 8:
      return { ...plan, from: plan.from + 1 }
    default:
      return plan
  }
}

const text = ({ port, frame }: Delivery): string => `${port} ${hexOf(frame)}`

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// A line of `play` for people.
export function readable(line: string): string {
  const [port, hex] = line.split(' ') as [string, string]
  return `${port}: ${describeFrame(Uint8Array.from(Buffer.from(hex, 'hex')))}`
}

function onOneHost({ kind, value }: WorldObject): WorldObject {
  if (kind !== 'port' || value.host === undefined) return { kind, value }
  const place = `${value.host}-${value.id}` // as another host, it would be another interface
  return { kind, value: { ...value, host: 'h0', interface: place } }
}
