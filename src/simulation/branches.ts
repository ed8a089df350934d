// A flood's branches wait on a list, not on the stack: each keeps the key, the port it came in by
// and the port it leaves by.  The list is reused from visit to visit.

import { FlowKey } from '../flow/key.ts'
import type { Port, PortId } from './device.ts'

/** Ports of the largest flood. */
export const BRANCHES_MAX = 2048

interface Branch {
  port: PortId
  inPort: Port
  hops: number
  readonly key: FlowKey
}

/** The ways of a flood that are still to be walked. */
export class Branches {
  readonly #list: Branch[] = []
  #count = 0
  #next = 0

  /** None is left. */
  clear(): void {
    this.#count = this.#next = 0
  }

  /** False when the list is full. */
  add(port: PortId, inPort: Port, key: FlowKey, hops: number): boolean {
    if (this.#count === BRANCHES_MAX) return false
    let branch = this.#list[this.#count]
    if (branch === undefined) {
      branch = { port, inPort, hops, key: new FlowKey() }
      this.#list.push(branch)
    }
    branch.port = port
    branch.inPort = inPort
    branch.hops = hops
    branch.key.copy(key)
    this.#count++
    return true
  }

  /** The next one; undefined when all were walked. */
  next(): Branch | undefined {
    return this.#next < this.#count ? this.#list[this.#next++] : undefined
  }
}
