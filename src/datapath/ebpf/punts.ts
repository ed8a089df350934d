// The kernel's side of punts: rules in pinned maps, the program on our end of each veth pair. Both
// outlive the agent; the next one takes them over with the interfaces of their ports.
// test/lab/punt.test.ts holds it.

import { hashOf } from '../../flow/tag.ts'
import {
  PUNT_BUCKETS,
  PUNT_CLASS,
  PUNT_LISTED_WORDS,
  PUNT_WORDS,
  PUNTS_MAX,
  PuntList,
  PuntWord
} from '../../native/abi.ts'
import { type Addon, check, type HostHandle } from '../../native/addon.ts'
import type { Ip } from '../../wire/address.ts'
import { type PortPunt, PUNT_CLASSES } from '../punt.ts'

const SECOND_NS = 1e9
// How long a class that was silent may come at any speed, in time at its rate.
const BURST_NS = 250_000_000
const NOTHING = new Uint32Array(0)

/** What punts in the kernel are made of. */
export interface KernelPuntsParts {
  readonly addon: Addon
  /** The datapath they are of. */
  readonly host: HostHandle
  /** Attach by clsact even where tcx works. */
  readonly clsact: boolean
}

interface Inside {
  /** The end of the veth. */
  readonly ifindex: number
}

/** The rules of ports whose control plane stands beside the walk, in the kernel. */
export class KernelPunts {
  readonly #parts: KernelPuntsParts
  readonly #insides = new Map<number, Inside>() // by the bound interface
  #refused = 0

  constructor(parts: KernelPuntsParts) {
    this.#parts = parts
  }

  /** Ends of veths that could not be given their program: nothing comes back by them. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Rules hold from now on; the program of the way back may take a moment. `refused`: the kernel
   * did not take it, and it is tried again with the next rules.
   */
  set(ifindex: number, punt: PortPunt, refused: () => void = () => {}): void {
    const { addon, host } = this.#parts
    const what = `punt of port ${punt.port}`
    check(what, addon.punt(host, ifindex, rulesOf(punt), listsOf(punt)))
    if (this.#insides.get(ifindex)?.ifindex === punt.inside) return
    this.#leave(ifindex)
    this.#enter(ifindex, punt.inside, refused)
  }

  /** What comes in there goes the ordinary way. */
  clear(ifindex: number): void {
    const { addon, host } = this.#parts
    addon.punt(host, ifindex, NOTHING, NOTHING)
    this.#leave(ifindex)
  }

  /** The interface is attached for this port: rules of another that were left there go. */
  attaching(ifindex: number, port: string | undefined): void {
    const left = this.#left().find(each => each.ifindex === ifindex)
    if (left !== undefined && (port === undefined || left.owner !== ownerOf(port)))
      this.clear(ifindex)
  }

  /** It is attached no more. */
  detached(ifindex: number): void {
    if (this.#insides.has(ifindex)) this.clear(ifindex)
  }

  /** Takes over what an earlier agent left at interfaces that are attached; the rest goes. */
  adopt(isAttached: (ifindex: number) => boolean): void {
    for (const { ifindex, inside } of this.#left()) {
      if (!isAttached(ifindex)) this.clear(ifindex)
      else if (!this.#insides.has(ifindex)) this.#enter(ifindex, inside)
    }
  }

  #enter(ifindex: number, inside: number, refused: () => void = () => {}): void {
    const { addon, host, clsact } = this.#parts
    const entered: Inside = { ifindex: inside }
    this.#insides.set(ifindex, entered)
    const done = (result: number): void => {
      if (result >= 0) return
      this.#refused++
      if (this.#insides.get(ifindex) === entered) this.#insides.delete(ifindex)
      refused()
    }
    const result = addon.attachSoon(host, inside, PUNT_CLASS, clsact, done)
    if (result < 0) done(result)
  }

  #leave(ifindex: number): void {
    const inside = this.#insides.get(ifindex)
    if (inside === undefined) return
    this.#insides.delete(ifindex)
    this.#parts.addon.detach(this.#parts.host, inside.ifindex)
  }

  #left(): { ifindex: number; inside: number; owner: number }[] {
    const words = new Uint32Array(PUNTS_MAX * 3)
    const n = check('punts', this.#parts.addon.punts(this.#parts.host, words))
    return Array.from({ length: n }, (_, i) => {
      const [ifindex, inside, owner] = words.subarray(i * 3)
      return { ifindex: ifindex!, inside: inside!, owner: owner! }
    })
  }
}

// Never 0, which is that of the way back.
const ownerOf = (port: string): number => (hashOf('punt', port) | 1) >>> 0

function rulesOf({ inside, port, mac, rates }: PortPunt): Uint32Array {
  const words = new Uint32Array(PUNT_WORDS)
  words[PuntWord.out] = inside
  words[PuntWord.owner] = ownerOf(port)
  words[PuntWord.macHi] = Math.floor(mac / 0x1_0000)
  words[PuntWord.macLo] = mac % 0x1_0000
  words.fill(BURST_NS, PuntWord.burst, PuntWord.burst + PUNT_BUCKETS)
  PUNT_CLASSES.forEach((name, i) => {
    words[PuntWord.interval + i] = Math.max(1, Math.round(SECOND_NS / rates[name]))
  })
  return words
}

function listsOf({ addresses, peers, services }: PortPunt): Uint32Array {
  const listed = [
    ...addresses.map(ip => ipWords(PuntList.own, ip)),
    ...peers.map(ip => ipWords(PuntList.peer, ip)),
    ...services.map(word => [PuntList.service << 8, 0, 0, 0, word])
  ]
  const words = new Uint32Array(listed.length * PUNT_LISTED_WORDS)
  listed.forEach((each, i) => {
    words.set(each, i * PUNT_LISTED_WORDS)
  })
  return words
}

const ipWords = (what: number, { family, words }: Ip): number[] => [(what << 8) | family, ...words]
