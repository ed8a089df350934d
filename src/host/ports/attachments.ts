// The datapath's programs on the interfaces of a host: of underlays, of active ports, and of ports
// that are about to be. Of the last the program is there, or on its way, before the port may be
// activated, and what comes in waits.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters, Histogram } from '../../core/counters.ts'
import { type Datapath, PortClass } from '../../datapath/datapath.ts'
import { derive, type Tag, tagOf } from '../../flow/tag.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import type { HostEvents } from '../events.ts'
import { waitForInterface } from '../waits.ts'
import type { Interface } from './interface.ts'
import type { Punts } from './punts.ts'

const INTERFACE = tagOf('interface')
/** Of flows of what comes in by an interface; stale when it becomes another port's, or none. */
export const interfaceTag = (ifindex: number): Tag => derive(INTERFACE, ifindex)

interface Coming {
  readonly port: PortId
  isThere: boolean
}

/** What attachments are made of. */
export interface AttachmentsParts {
  /** Where programs are put on interfaces. */
  readonly datapath: Pick<Datapath, 'attach' | 'attachSoon' | 'detach' | 'detachOthers'>
  readonly counters: Counters
  readonly clock: Clock
  readonly events: HostEvents
  /** Told of where ports are. */
  readonly punts: Pick<Punts, 'placed' | 'left'>
}

const ATTACH_MS = [1, 2, 5, 10, 20, 30, 50, 75, 100, 200, 500]

/** On which interfaces the datapath has its programs. */
export class Attachments {
  readonly #datapath: AttachmentsParts['datapath']
  readonly #events: HostEvents
  readonly #punts: AttachmentsParts['punts']
  readonly #refused: Counter
  readonly #clock: Clock
  readonly #attachMs: Histogram
  readonly #coming = new Map<number, Coming>() // by ifindex
  readonly #underlays = new Set<number>()
  #othersGone = false

  constructor({ datapath, counters, clock, events, punts }: AttachmentsParts) {
    this.#punts = punts
    this.#datapath = datapath
    this.#events = events
    this.#clock = clock
    const help = 'Time the kernel took to put a program on an interface, ms'
    this.#attachMs = counters.histogram('agent.attach-ms', ATTACH_MS, help)
    this.#refused = counters.claim('agent.attach-failed', 'Interfaces that refused programs')
  }

  /** What comes in here comes by tunnels. */
  isUnderlay(ifindex: number): boolean {
    return this.#underlays.has(ifindex)
  }

  /** Frames of the interface, or for the port behind it, are to wait. */
  isComing(ifindex: number): boolean {
    return this.#coming.has(ifindex)
  }

  /** The interface of a port that is about to be activated; 0: it is not. */
  comingBy(id: PortId): number {
    for (const [ifindex, { port }] of this.#coming) if (port === id) return ifindex
    return 0
  }

  /**
   * Puts the program of a port on its interface. True: it is there, and `activated` may follow.
   * False: it will be when `then` is called, or another port has the interface. `port` is null
   * until the port is known.
   */
  prepare(id: PortId, port: Port | null, at: Interface, then: () => void): boolean {
    const { ifindex } = at
    const known = this.#coming.get(ifindex)
    if (known !== undefined) return known.port === id && known.isThere
    const coming = { port: id, isThere: false }
    this.#coming.set(ifindex, coming)
    if (port !== null) this.#events.portComing(port)
    this.#punts.placed(id, ifindex)
    const portClass = port?.isUplink === true ? PortClass.uplink : PortClass.vm
    let isLate = false
    const peerRedirect = at.peerElsewhere
    const physical = { ifindex, name: at.name, portClass, peerRedirect, port: id }
    const begin = this.#clock.now()
    this.#datapath.attachSoon(physical, isThere => {
      this.#attachMs.observe(this.#clock.now() - begin)
      if (this.#coming.get(ifindex) !== coming) return
      coming.isThere = isThere
      if (!isThere) this.#refuse(ifindex)
      else if (isLate) then()
    })
    isLate = true
    return coming.isThere
  }

  /** The port that was prepared at the interface is active. */
  activated(ifindex: number): void {
    this.#coming.delete(ifindex)
    this.#events.wake(waitForInterface(ifindex))
  }

  /** An active port has left its interface, which may have become an underlay. */
  detach(ifindex: number): void {
    this.#punts.left(ifindex)
    if (!this.#underlays.has(ifindex)) this.#datapath.detach(ifindex)
  }

  /** Gives up the ports that are prepared elsewhere than at these interfaces. */
  keep(present: ReadonlyMap<PortId, Interface>): void {
    for (const [ifindex, { port }] of [...this.#coming]) {
      if (present.get(port)?.ifindex === ifindex) continue
      this.#coming.delete(ifindex)
      this.#punts.left(ifindex)
      this.#datapath.detach(ifindex)
      this.#events.wake(waitForInterface(ifindex))
    }
  }

  /** These interfaces carry tunnels, and no others. */
  setUnderlays(underlays: readonly Interface[]): void {
    const wanted = new Set(underlays.map(({ ifindex }) => ifindex))
    for (const ifindex of this.#underlays) {
      if (wanted.has(ifindex)) continue
      this.#underlays.delete(ifindex)
      this.#datapath.detach(ifindex)
      this.#events.outdate([interfaceTag(ifindex)])
    }
    for (const { ifindex, name } of underlays) {
      if (this.#underlays.has(ifindex)) continue
      try {
        this.#datapath.attach({ ifindex, name, portClass: PortClass.tunnel, peerRedirect: false })
        this.#underlays.add(ifindex)
        this.#events.outdate([interfaceTag(ifindex)])
      } catch {
        this.#refused.value++
      }
    }
  }

  /** All of ours are there: an earlier agent's programs go, the first time this is called. */
  detachOthers(): void {
    if (this.#othersGone) return
    this.#othersGone = true
    this.#datapath.detachOthers()
  }

  // The interface went while we looked: its going is the next event.
  #refuse(ifindex: number): void {
    this.#refused.value++
    this.#coming.delete(ifindex)
    this.#punts.left(ifindex)
  }
}
