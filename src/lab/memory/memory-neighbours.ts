// Who has which MAC address, for the nodes of the memory lab: asks by ARP and neighbour
// solicitation, three times a second apart, and keeps the frames that wait for the answer.
// test/memory-vm.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import { formatIp, type Ip } from '../../wire/address.ts'
import { arpRequest, neighbourSolicitation } from '../../wire/frames.ts'

type Bytes = Uint8Array<ArrayBuffer>
type Use = (mac: number) => void

const TRIES_MAX = 3
const TRY_MS = 1000
// As many as Linux keeps for one neighbour, more or less; the oldest goes.
const WAITING_MAX = 64

/** Which MAC an address has, and who waits to know. */
export class Neighbours {
  readonly #mac: number
  readonly #clock: Clock
  readonly #send: (frame: Bytes) => void
  readonly #known = new Map<string, number>()
  readonly #waiting = new Map<string, Use[]>()

  constructor(mac: number, clock: Clock, send: (frame: Bytes) => void) {
    this.#mac = mac
    this.#clock = clock
    this.#send = send
  }

  /** Calls back with the MAC address, at once when it is known; never when nobody answers. */
  resolve(ip: Ip, source: Ip, use: Use): void {
    const name = formatIp(ip)
    const known = this.#known.get(name)
    if (known !== undefined) return use(known)
    const waiting = this.#waiting.get(name)
    if (waiting === undefined) {
      this.#waiting.set(name, [use])
      this.#ask(name, ip, source, 1)
      return
    }
    if (waiting.length >= WAITING_MAX) waiting.shift()
    waiting.push(use)
  }

  /** The address is at this MAC: what waited for it goes on. */
  learn(ip: Ip, mac: number): void {
    const name = formatIp(ip)
    this.#known.set(name, mac)
    const waiting = this.#waiting.get(name) ?? []
    this.#waiting.delete(name)
    for (const use of waiting) use(mac)
  }

  /** Somebody announces itself: believed where we knew the address already. */
  refresh(ip: Ip, mac: number): void {
    if (this.#known.has(formatIp(ip))) this.learn(ip, mac)
  }

  /** Forgets all addresses. */
  clear(): void {
    this.#known.clear()
  }

  #ask(name: string, ip: Ip, source: Ip, turn: number): void {
    this.#send(
      ip.family === 4
        ? arpRequest(this.#mac, source.words[3]!, ip.words[3]!)
        : neighbourSolicitation(this.#mac, source.words, ip.words)
    )
    this.#clock.after(TRY_MS, () => {
      if (!this.#waiting.has(name)) return
      if (turn < TRIES_MAX) this.#ask(name, ip, source, turn + 1)
      else this.#waiting.delete(name)
    })
  }
}
