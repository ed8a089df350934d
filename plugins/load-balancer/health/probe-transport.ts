// The way from a checker to members and back, through the virtual network.  What is sent leaves the
// router like any packet of its own; what is answered comes to the router's address, on whichever
// host, and from there to this one (the balancer's `take`, and the agent's local delivery). A check
// is known by the member's address and port, and by a port or ICMP id out of a small range that its
// pool has: below 1024, where translations do not go. health.test.ts holds it.

import {
  address,
  type Device,
  type Devices,
  type LocalEndpoint,
  type Random,
  type Walks
} from '../../../src/plugin.ts'
import { type Answer, type Ends, Probe, readAnswer } from './packets.ts'

const FIRST = 512
const RANGES = 16
const PER_RANGE = 32

/** The first of the ports a pool's checks are sent from; all hosts know it by the pool's word. */
export const rangeOf = (word: number): number => FIRST + ((word >>> 0) % RANGES) * PER_RANGE

/** Whether the port is of the range that begins at `first`. */
export const isInRange = (port: number, first: number): boolean =>
  port >= first && port < first + PER_RANGE

/** The bits by which a port is known to be one of a check at all: 512 to 1023. */
export const PROBE_PORT_BITS = 0xfe00
/** Whether the port is one that checks use. */
export const isProbePort = (port: number): boolean => (port & PROBE_PORT_BITS) === FIRST

/** Where a check goes. */
export interface Target {
  /** Id of the router that sends it. */
  readonly router: string
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** The member's address, four words. */
  readonly words: Int32Array
  /** 0 for a ping. */
  readonly port: number
  /** First of the ports this checker may use. */
  readonly range: number
}

/** A port of ours that is open for one check. */
export interface Line {
  /** False: there is no way just now; null: the neighbour is still being asked for. */
  send(make: (ends: Ends) => Uint8Array): boolean | null
  /** Takes no further answer. */
  close(): void
}

/** Sends the packets of checks from a router, and finds whose answer a packet is. */
export class ProbeTransport {
  readonly #walks: Walks
  readonly #devices: Devices
  readonly #random: Random
  readonly #open = new Map<string, (answer: Answer) => void>()

  constructor(walks: Walks, devices: Devices, random: Random) {
    this.#walks = walks
    this.#devices = devices
    this.#random = random
  }

  /** Checks that wait for an answer. */
  get size(): number {
    return this.#open.size
  }

  /** Undefined when every port of the range is in use towards the target. */
  open(probe: Probe, target: Target, heard: (answer: Answer) => void): Line | undefined {
    const { family, words, port: dport } = target
    const to = address.formatIp({ family, words })
    const start = this.#random.below(PER_RANGE)
    for (let i = 0; i < PER_RANGE; i++) {
      const sport = target.range + ((start + i) % PER_RANGE)
      const name = nameOf(probe, to, dport, sport)
      if (this.#open.has(name)) continue
      this.#open.set(name, heard)
      return {
        send: make => this.#send(target, sport, make),
        close: () => {
          this.#open.delete(name)
        }
      }
    }
    return undefined
  }

  /** A frame for this host's checks.  False: nobody waits for it. */
  receive(frame: Uint8Array): boolean {
    const answer = readAnswer(frame)
    if (answer === undefined) return false
    const heard = this.#open.get(nameOf(answer.probe, answer.from, answer.sport, answer.dport))
    heard?.(answer)
    return heard !== undefined
  }

  #send(target: Target, sport: number, make: (ends: Ends) => Uint8Array): boolean | null {
    const { family, words, port: dport } = target
    const router = this.#devices.device('router', target.router)
    if (router === undefined) return null
    if (router === null || !speaks(router)) return false
    const nextHop = router.nextHopTo(family, words)
    if (nextHop === undefined) return null
    if (nextHop === null) return false
    const { srcMac, dstMac, src } = nextHop
    this.#walks.emit(make({ srcMac, dstMac, family, src, dst: words, sport, dport }), nextHop.port)
    return true
  }
}

const speaks = (device: Device): device is LocalEndpoint =>
  typeof (device as Partial<LocalEndpoint>).nextHopTo === 'function'

const nameOf = (probe: Probe, member: string, port: number, own: number): string =>
  `${probe} ${member} ${probe === Probe.ping ? 0 : port} ${own}`
