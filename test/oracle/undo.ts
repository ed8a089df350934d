// The third oracle, reply undoes request: whatever the rules translate and whoever speaks first,
// the answer to what came out goes in by any member of a stateful port group, and arrives as the
// mirror of what was sent; so does an error about it.  What is said once more comes out as before.
// In moving plans ports move and agents begin anew between any two packets, and connections end and
// begin again; at the end every record is where it belongs (invariants.ts).

import fc from 'fast-check'
import { arpRequest } from '../../src/wire/builder.ts'
import { faultsIn } from '../world/invariants.ts'
import { type Delivery, World, type WorldOptions } from '../world/world.ts'
import { type EventPlan, eventPlans, happen } from './events.ts'
import { PLUGINS } from './oracle.ts'
import type { Ground } from './stage.ts'
import {
  errorAbout,
  heard,
  mirrored,
  quotedBy,
  readable,
  type Said,
  say,
  type Talk,
  talkOf
} from './talk.ts'
import { UndoNet } from './undo-net.ts'

export interface TalkPlan {
  readonly inward: boolean // outside speaks first
  readonly vm: number
  readonly far: number // who is outside
  readonly protocol: number
  readonly ports: number
  readonly ways: readonly number[] // the uplink of each packet
  /** What happens before each packet, and each packet of the talk that follows between its ends. */
  readonly events?: readonly EventPlan[]
  readonly end?: number // none, FIN of both, RST of one or the other
  readonly againMs?: number // so long after, another begins between the same ends; 0: none does
}

export interface UndoPlan {
  readonly family: 4 | 6
  readonly hosts: number // each with an uplink
  readonly vms: readonly number[] // the host of each
  readonly snat: number
  readonly dnat: number
  readonly guarded: boolean // machines hear only what they asked for, and what is for a few ports
  readonly talks: readonly TalkPlan[]
}

const PACKETS = 5 // of a talk
const few = fc.nat({ max: 3 })

const talkPlan = {
  inward: fc.boolean(),
  vm: few,
  far: fc.nat({ max: 1 }),
  protocol: fc.nat({ max: 2 }),
  ports: few
}
const waysOf = (packets: number): fc.Arbitrary<number[]> =>
  fc.array(few, { minLength: packets, maxLength: packets })

const network = {
  family: fc.constantFrom(4 as const, 6 as const),
  hosts: fc.constantFrom(3, 2),
  vms: fc.array(few, { minLength: 1, maxLength: 3 }),
  snat: fc.nat({ max: 4 }),
  dnat: few,
  guarded: fc.boolean()
}

export const undoPlans: fc.Arbitrary<UndoPlan> = fc.record({
  ...network,
  talks: fc.array(fc.record({ ...talkPlan, ways: waysOf(PACKETS) }), {
    minLength: 1,
    maxLength: 10,
    size: 'max'
  })
})

const WAYS_MOVING = 3 * PACKETS // of a talk, its end, and one more

/** Plans in which ports move, agents begin anew, and connections end and begin again. */
export const movingPlans: fc.Arbitrary<UndoPlan> = fc.record({
  ...network,
  talks: fc.array(
    fc.record({
      ...talkPlan,
      ways: waysOf(WAYS_MOVING),
      events: fc.array(eventPlans, { minLength: WAYS_MOVING, maxLength: WAYS_MOVING }),
      end: fc.constantFrom(0, 1, 2, 3),
      againMs: fc.constantFrom(0, 20, 2000, 15_000)
    }),
    { minLength: 1, maxLength: 3, size: 'max' }
  )
})

export interface UndoOptions {
  readonly ground?: (options: WorldOptions) => Ground
  /** Whether the hosts of the uplinks know of each other's connections. */
  readonly stateful?: boolean
}

const CALM_MS = 300 // until hosts know each other
const SETTLE_MS = 20 // for leases and acknowledgements

export const undoes =
  ({ ground = options => new World(options), stateful = true }: UndoOptions = {}) =>
  (plan: UndoPlan): string | undefined => {
    const net = new UndoNet(plan, stateful)
    const { objects } = net
    const common = { seed: 7, plugins: PLUGINS, objects, share: true, flowsMax: 1024 }
    const world = ground({ ...common, journal: true })
    try {
      new Conversation(world, net).hold()
      return settled(world, plan)
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      return `move ${error.message}\n${JSON.stringify(plan)}`
    } finally {
      world.close?.()
    }
  }

const LET_GO_MS = 5000 // what hosts lost is handed over and forgotten (custody.ts)

// When all is said, records are where they belong.
function settled(world: Ground, plan: UndoPlan): string | undefined {
  if (!(world instanceof World) || plan.talks.every(({ events }) => events === undefined))
    return undefined
  world.settle(LET_GO_MS)
  const faults = faultsIn(world)
  return faults.length === 0
    ? undefined
    : `move at the end: ${faults.join('\n')}\n${JSON.stringify(plan)}`
}

class Wrong extends Error {}

// Who speaks or hears: the port of a machine, or whoever is behind an uplink.
const OUTSIDE = 'outside'
type Side = string

class Conversation {
  readonly #world: Ground
  readonly #net: UndoNet
  #ways: number[] = []
  #events: EventPlan[] = []
  #machine = ''
  #said = 0
  #text = ''
  #what = ''

  constructor(world: Ground, net: UndoNet) {
    this.#world = world
    this.#net = net
  }

  hold(): void {
    const { plan, machines } = this.#net
    this.#world.settle(CALM_MS)
    for (const [table, ip, mac] of this.#net.neighbours())
      this.#world.store.tablePut(table!, ip!, `${mac} 0`, 'test')
    for (const { port, mac } of machines)
      this.#world.send(port, arpRequest(mac, '0.0.0.0', '10.0.0.99').frame())
    this.#world.settle(SETTLE_MS)
    for (const [i, each] of plan.talks.entries()) {
      const { machine, talk } = this.#net.talk(each)
      this.#ways = [...each.ways]
      this.#events = [...(each.events ?? [])]
      this.#machine = machine ?? machines[each.vm % machines.length]!.port
      this.#what = `${i}, ${readable(talk)}`
      this.#talk(machine ?? OUTSIDE, talk, each.end)
      if (each.againMs === undefined || each.againMs === 0) continue
      this.#world.settle(each.againMs)
      this.#what = `${i} again, ${readable(talk)}`
      this.#talk(machine ?? OUTSIDE, talk)
    }
  }

  #talk(one: Side, talk: Talk, end = 0): void {
    const first = this.#say(one, talk, { flags: 'S' })
    const other = this.#net.isUplink(first.port) ? OUTSIDE : first.port
    const translated = talkOf(first.frame)
    this.#expect(first, one === OUTSIDE ? other : OUTSIDE, translated)

    const answer = this.#say(other, mirrored(translated), { flags: 'SA', reply: true })
    this.#expect(answer, one, mirrored(talk))

    const port = this.#enter(other)
    const error = this.#exchange(port, errorAbout(first.frame, this.#net.macsOf(port)))
    this.#same(quotedBy(error.frame), `error ${talk.dst} > ${talk.src} about ${readable(talk)}`)
    this.#comesOutAt(error, one)

    this.#expect(this.#say(one, talk, { flags: 'A' }), other, translated)
    if (talk.protocol !== 'tcp') return
    if (end === 1) this.#expect(this.#say(one, talk, { flags: 'FA' }), other, translated)
    if (end === 2) this.#expect(this.#say(one, talk, { flags: 'RA' }), other, translated)
    const back = mirrored(translated)
    const flags = end === 1 ? 'FA' : 'RA'
    if (end === 1 || end === 3) this.#expect(this.#say(other, back, { flags }), one, mirrored(talk))
  }

  #say(side: Side, talk: Talk, how: Omit<Said, 'text'>): Delivery {
    this.#text = `packet ${100 + ++this.#said}`
    const port = this.#enter(side)
    return this.#exchange(port, say(this.#net.macsOf(port), talk, { ...how, text: this.#text }))
  }

  // Where it goes in; or by which uplink it is to go out.
  #enter(side: Side): string {
    const way = this.#ways.shift()!
    const event = this.#events.shift()
    if (event !== undefined && this.#world instanceof World)
      happen(this.#world, event, { machine: this.#machine, uplink: this.#net.uplink(way) })
    if (side === OUTSIDE) return this.#net.uplink(way)
    for (const { kind, value } of this.#net.routes(way)) this.#world.store.put(kind, value)
    this.#world.settle(1)
    return side
  }

  #exchange(port: string, frame: Uint8Array): Delivery {
    this.#world.delivered.length = 0
    this.#world.send(port, frame)
    this.#world.settle(SETTLE_MS, 1)
    const [delivery, ...more] = this.#world.delivered
    if (delivery !== undefined && more.length === 0) return delivery
    const ports = this.#world.delivered.map(each => each.port)
    throw this.#wrong(`${readable(talkOf(frame))} into ${port} comes out at [${ports}]`)
  }

  #expect(delivery: Delivery, side: Side, talk: Talk): void {
    this.#comesOutAt(delivery, side)
    this.#same(heard(delivery.frame, this.#text.length), `${readable(talk)} "${this.#text}"`)
  }

  #comesOutAt({ port }: Delivery, side: Side): void {
    if (side === OUTSIDE ? !this.#net.isUplink(port) : port !== side)
      throw this.#wrong(`comes out at ${port}, not ${side}`)
  }

  #same(is: string, should: string): void {
    if (is !== should) throw this.#wrong(`arrives as ${is}, not ${should}`)
  }

  #wrong(how: string): Wrong {
    return new Wrong(`${this.#what}, packet ${this.#said}: ${how}`)
  }
}
