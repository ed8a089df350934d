// The ports of this host whose control plane stands beside the walk. Rules are by port, as the main
// thread gives them; in the datapath they are by interface, while the port is at one and our end of
// the veth pair is there. What the datapath refuses is tried again. punts.test.ts holds it.

import { Retry } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { type PortPunt, type PuntRules, readPuntRules } from '../../datapath/punt.ts'
import type { PortId } from '../../simulation/device.ts'
import type { Interface } from './interface.ts'

/** What punts are made of. */
export interface PuntsParts {
  /** Where rules are put, by interface. */
  readonly datapath: Pick<Datapath, 'punt'>
  /** Where the MAC of a port is known. */
  readonly view: { port(id: PortId): { readonly mac: number } | null | undefined }
  readonly counters: Counters
  readonly clock: Clock
}

type Read = ReturnType<typeof readPuntRules>

interface Given {
  /** null: there are to be none, also of those that an earlier agent left. */
  readonly rules: (Read & { readonly interface: string }) | null
  /** What the datapath was told last, which it may have refused; undefined: nothing. */
  told?: Told
}

type Told = PortPunt & { readonly ifindex: number; isIn: boolean }

/** Rules of ports, put where these are. */
export class Punts {
  readonly #parts: PuntsParts
  readonly #failed: Counter
  readonly #given = new Map<PortId, Given>()
  readonly #places = new Map<PortId, number>() // interfaces of ports, by number
  readonly #retry: Retry
  #interfaces: readonly Interface[] = []

  constructor(parts: PuntsParts) {
    this.#parts = parts
    const { clock, counters } = parts
    this.#retry = new Retry(clock, () => this.#again())
    this.#failed = counters.claim('agent.punt-failed', 'Times that the datapath refused a punt')
    counters.gauge('agent.punts', () => this.#inForce(), 'Ports with a control plane of their own')
  }

  /**
   * These rules, in place of others, as soon as the port is at an interface and theirs is there.
   * Throws INVALID: the others stay; UNAVAILABLE: then it has none.
   */
  set(port: PortId, rules: PuntRules): void {
    const read = { ...readPuntRules(rules), interface: rules.interface }
    const told = this.#given.get(port)?.told
    const given: Given = { rules: read, ...(told && { told }) }
    this.#given.set(port, given)
    try {
      this.#apply(port, given, true)
    } catch (error) {
      this.clear(port)
      throw error
    }
  }

  /** The port has none any more. */
  clear(port: PortId): void {
    const told = this.#given.get(port)?.told
    const given: Given = { rules: null, ...(told && { told }) }
    this.#given.set(port, given)
    this.#apply(port, given, false)
  }

  /**
   * The port's program is about to be put on this interface: rules are there before, so that what
   * is first asked on a new link, for a MAC, is heard by the namespace too.
   */
  placed(port: PortId, ifindex: number): void {
    this.#places.set(port, ifindex)
    this.#try(port)
  }

  /** The port that was at the interface is there no more. */
  left(ifindex: number): void {
    for (const [port, at] of this.#places) {
      if (at !== ifindex) continue
      this.#places.delete(port)
      this.#try(port)
    }
  }

  /** These interfaces there are now. */
  look(interfaces: readonly Interface[]): void {
    this.#interfaces = interfaces
    for (const port of this.#given.keys()) this.#try(port)
  }

  /** What was refused is not tried again. */
  close(): void {
    this.#retry.close()
  }

  #try(port: PortId, isNew = false): void {
    const given = this.#given.get(port)
    if (given === undefined) return
    try {
      this.#apply(port, given, isNew)
    } catch {
      this.#refused()
    }
  }

  #again(): void {
    for (const [port, { told }] of this.#given) if (told?.isIn === false) this.#try(port, true)
    if ([...this.#given.values()].every(({ told }) => told?.isIn !== false)) this.#retry.reset()
  }

  #refused(): void {
    this.#failed.value++
    this.#retry.later()
  }

  #inForce(): number {
    return [...this.#given.values()].filter(({ told }) => told?.isIn === true).length
  }

  #apply(port: PortId, given: Given, isNew: boolean): void {
    const { datapath } = this.#parts
    const { told } = given
    const ifindex = this.#places.get(port)
    const punt = this.#puntOf(port, given)
    if (told !== undefined && (punt === undefined || told.ifindex !== ifindex)) {
      delete given.told
      datapath.punt(told.ifindex, null)
    }
    if (ifindex === undefined) return
    if (given.rules === null) {
      this.#given.delete(port)
      if (told?.ifindex !== ifindex) datapath.punt(ifindex, null)
      return
    }
    if (punt === undefined) return
    if (!isNew && given.told?.inside === punt.inside && given.told.mac === punt.mac) return
    const fresh: Told = { ...punt, ifindex, isIn: true }
    given.told = fresh // until it is tried again, whatever comes of it
    const refused = (): void => {
      if (this.#given.get(port)?.told !== fresh || !fresh.isIn) return
      fresh.isIn = false
      this.#refused()
    }
    try {
      datapath.punt(ifindex, punt, refused)
    } catch (error) {
      fresh.isIn = false
      throw error
    }
  }

  // undefined: something is missing yet.
  #puntOf(port: PortId, { rules }: Given): PortPunt | undefined {
    const mac = this.#parts.view.port(port)?.mac
    const inside = this.#interfaces.find(({ name }) => name === rules?.interface)?.ifindex
    if (rules === null || mac === undefined || inside === undefined) return undefined
    return { ...rules, port, mac, inside }
  }
}
