// Later fragments have no ports.  Who tracks connections or translates remembers, for a short time,
// what first fragments say of layer 4, by what all fragments of a packet share: addresses, protocol
// and identification.

const SLOTS = 1024
const KEEP_MS = 15_000 // fragments of one packet come within moments; RFC 1122 §3.3.2 waits 60 s

export class FragmentMemory {
  readonly #hash = new Int32Array(SLOTS)
  readonly #check = new Int32Array(SLOTS)
  readonly #until = new Float64Array(SLOTS)
  readonly #ports = new Int32Array(SLOTS)
  readonly #id = new Int32Array(SLOTS)
  /** Of the fragment found last: the key's word of ports, and its ICMP id. */
  ports = 0
  id = 0

  /** A newer packet takes the place of an older one that shares its slot. */
  note(hash: number, check: number, ports: number, id: number, now: number): void {
    const slot = hash & (SLOTS - 1)
    this.#hash[slot] = hash
    this.#check[slot] = check
    this.#until[slot] = now + KEEP_MS
    this.#ports[slot] = ports
    this.#id[slot] = id
  }

  /** False: the first fragment has not been seen here. */
  find(hash: number, check: number, now: number): boolean {
    const slot = hash & (SLOTS - 1)
    if (this.#until[slot]! <= now || this.#hash[slot] !== hash) return false
    if (this.#check[slot] !== check) return false
    this.ports = this.#ports[slot]!
    this.id = this.#id[slot]!
    return true
  }
}
