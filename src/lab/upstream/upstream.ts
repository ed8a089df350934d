// The outside of gateways that speak BGP: two upstream routers, each with a cable to each gateway,
// and behind them the network that connections go to. All three are BIRD; who dies is found out by
// BFD, and nobody is told by hand. test/lab/survival-uplinks.test.ts holds it.
//
//   gateway1 ──┬── r1 ──┐
//         ╲ ╱  │        outside
//         ╱ ╲  │        │
//   gateway2 ──┴── r2 ──┘

import type { Lab } from '../lab.ts'
import type { Host } from '../machines/host.ts'
import type { Outside } from '../machines/outside.ts'
import { Bird, type BirdOptions } from '../services/bird.ts'
import { until } from '../traffic/stream.ts'
import {
  type Ends,
  outsideOptions,
  ROUTERS,
  type Router,
  routerOptions,
  sessionNames,
  type UpstreamPlan
} from './sessions.ts'

const UP_MS = 120_000
const TO_OUTSIDE = 'outside' // the interface of a router

/** Where an upstream router is plugged in at a gateway. */
export const uplinkName = (router: number): string => `uplink${router}`

type Name = Router | 'outside'
type Machines = ReadonlyMap<Router, Outside>
type Birds = ReadonlyMap<Name, Bird>

/** Two upstream routers and what is behind them. */
export class Upstream {
  /** What connections go to. */
  readonly outside: Outside
  /** The machines of the routers. */
  readonly routers: Machines
  readonly #birds: Birds
  readonly #plan: UpstreamPlan
  readonly #dead = new Set<Router>()
  readonly #cut = new Set<string>() // interfaces: 'r1 eth0'

  /** Builds it and lets it speak; sessions come up when the gateways speak too. */
  static async build(lab: Lab, plan: UpstreamPlan): Promise<Upstream> {
    const routers = new Map<Router, Outside>()
    for (const [r, name] of ROUTERS.entries())
      routers.set(name, await lab.outside(name, { links: uplinksOf(lab, plan, r) }))
    const outside = await lab.outside('outside', {
      links: ROUTERS.map((name, r) => {
        const there = plan.behind(r).map(({ near, length }) => `${near}/${length}`)
        const addresses = farOf(plan.behind(r))
        return { host: routers.get(name)!, interface: TO_OUTSIDE, addresses, there }
      }),
      addresses: plan.addresses.map(each => `${each}/${each.includes(':') ? 128 : 32}`)
    })
    return new Upstream(outside, routers, await speak(outside, routers, plan), plan)
  }

  private constructor(outside: Outside, routers: Machines, birds: Birds, plan: UpstreamPlan) {
    this.outside = outside
    this.routers = routers
    this.#birds = birds
    this.#plan = plan
  }

  /** What speaks at a router, or behind them. */
  bird(name: Name): Bird {
    return this.#birds.get(name)!
  }

  /** How many of a router's sessions with our gateways are up, and how many there should be. */
  async sessions(router: Router): Promise<{ up: number; all: number }> {
    const r = ROUTERS.indexOf(router)
    const names = this.#plan.gateways.flatMap((name, g) =>
      sessionNames(name, this.#plan.link(g, r))
    )
    const bird = this.bird(router)
    const seen = await Promise.all(names.map(name => bird.session(name)))
    return { up: seen.filter(({ isUp }) => isUp).length, all: names.length }
  }

  /** Resolves when all routers have sessions with these gateways, and all know these networks. */
  async untilUp(networks: readonly string[], gateways = this.#plan.gateways): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      for (const router of ROUTERS)
        for (const gateway of gateways) if (!(await this.#speaks(router, gateway))) return false
      for (const name of [...ROUTERS, 'outside'] as const) {
        const known = await this.bird(name).networks()
        if (!networks.every(network => known.includes(network))) return false
      }
      return true
    }
    await until('the upstream routers know our networks', isUp, UP_MS)
  }

  /** Whether it was killed. */
  isDead(router: Router): boolean {
    return this.#dead.has(router)
  }

  /**
   * Resolves when all routers that can speak with a gateway know of networks by it, or when none
   * does.
   */
  async untilTold(gateway: string, isTold: boolean, limitMs: number): Promise<void> {
    const g = this.#plan.gateways.indexOf(gateway)
    const sessions = ROUTERS.flatMap((router, r) => {
      const isAway = this.#dead.has(router) || this.#isCut(router, gateway)
      const names = isAway ? [] : sessionNames(gateway, this.#plan.link(g, r))
      return names.map(name => ({ bird: this.bird(router), name }))
    })
    const isSo = async (): Promise<boolean> => {
      const told = await Promise.all(sessions.map(({ bird, name }) => bird.networks(name)))
      return told.every(networks => networks.length > 0 === isTold)
    }
    const what = isTold ? 'know networks by' : 'send nothing more by'
    await until(`the upstream routers ${what} ${gateway}`, isSo, limitMs)
  }

  async #speaks(router: Router, gateway: string): Promise<boolean> {
    const g = this.#plan.gateways.indexOf(gateway)
    for (const name of sessionNames(gateway, this.#plan.link(g, ROUTERS.indexOf(router))))
      if (!(await this.bird(router).session(name)).isUp) return false
    return true
  }

  /** From now on the upstream routers send by this gateway while they can; null: by all alike. */
  async prefer(gateway: string | null): Promise<void> {
    for (const [r, name] of ROUTERS.entries())
      await this.bird(name).change(routerOptions(this.#plan, r, gateway))
  }

  /** Kills an upstream router: BIRD and its cables. */
  async kill(router: Router): Promise<void> {
    const machine = this.routers.get(router)!
    this.#dead.add(router)
    await this.bird(router).kill()
    await Promise.all(this.#interfaces.map(name => machine.linkDown(name)))
  }

  /** It comes back, but for cables that are cut; its sessions do so later. */
  async revive(router: Router): Promise<void> {
    const machine = this.routers.get(router)!
    const names = this.#interfaces.filter(name => !this.#cut.has(`${router} ${name}`))
    await Promise.all(names.map(name => machine.linkUp(name)))
    await this.bird(router).start()
    this.#dead.delete(router)
  }

  /** Cuts or mends the cable between a gateway and a router, at the router's end. */
  async cut(gateway: string, router: Router, isCut: boolean): Promise<void> {
    const machine = this.routers.get(router)!
    const ifname = this.#interfaceOf(gateway)
    if (isCut) this.#cut.add(`${router} ${ifname}`)
    else this.#cut.delete(`${router} ${ifname}`)
    const isUp = !isCut && !this.#dead.has(router)
    await (isUp ? machine.linkUp(ifname) : machine.linkDown(ifname))
  }

  #isCut(router: Router, gateway: string): boolean {
    return this.#cut.has(`${router} ${this.#interfaceOf(gateway)}`)
  }

  /** Packets that a router has had from a gateway and sent to it. */
  async passed(router: Router): Promise<{ gateway: string; out: number; back: number }[]> {
    const machine = this.routers.get(router)!
    return Promise.all(
      this.#plan.gateways.map(async gateway => {
        const { rx, tx } = await machine.counters(this.#interfaceOf(gateway))
        return { gateway, out: rx.packets, back: tx.packets }
      })
    )
  }

  /** Ends what speaks; the machines go with the lab. */
  async close(): Promise<void> {
    await Promise.all([...this.#birds.values()].map(bird => bird.close()))
  }

  // By the order in which uplinksOf has made them.
  #interfaceOf(gateway: string): string {
    return `eth${this.#plan.gateways.indexOf(gateway)}`
  }

  get #interfaces(): string[] {
    return [TO_OUTSIDE, ...this.#plan.gateways.map(gateway => this.#interfaceOf(gateway))]
  }
}

const uplinksOf = (lab: Lab, { gateways, link }: UpstreamPlan, router: number) =>
  gateways.map((gateway, g) => ({
    host: lab.machines.get(gateway) as Host,
    interface: uplinkName(router),
    addresses: farOf(link(g, router))
  }))

const farOf = (ends: readonly Ends[]): string[] => ends.map(({ far, length }) => `${far}/${length}`)

async function speak(outside: Outside, routers: Machines, plan: UpstreamPlan): Promise<Birds> {
  const birds = new Map<Name, Bird>()
  const start = async (name: Name, machine: Outside, options: BirdOptions): Promise<void> => {
    // IPv6 addresses outlive a cable that is down, as those of IPv4 do.
    await machine.sysctl({ 'ipv6/conf/all/keep_addr_on_down': 1 })
    birds.set(name, await Bird.start(machine, options))
  }
  try {
    for (const [r, name] of ROUTERS.entries())
      await start(name, routers.get(name)!, routerOptions(plan, r))
    await start('outside', outside, outsideOptions(plan))
    return birds
  } catch (error) {
    await Promise.all([...birds.values()].map(bird => bird.close()))
    throw error
  }
}
