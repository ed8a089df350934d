// Addresses for what the lab builds: MACs that are the same in every run, and the addresses of an
// underlay's subnet in turn. test/lab/lib-self.test.ts holds it.

import { createHash } from 'node:crypto'
import { formatIpv4, maskWord, parsePrefix } from '../../wire/address.ts'
import { LabError } from '../process/process.ts'

/** A locally administered unicast address that depends on the words alone. */
export function macFor(...words: readonly string[]): string {
  const digest = createHash('sha256').update(words.join('\n')).digest('hex')
  return `02:${digest.slice(0, 10).match(/../g)!.join(':')}`
}

/** Gives out the addresses of a network, one after the other. */
export class Subnet {
  /** Bits of its prefix. */
  readonly length: number
  readonly #network: number
  #taken = 0

  constructor(text: string) {
    const prefix = parsePrefix(text)
    if (prefix.family !== 4 || prefix.length > 28)
      throw new LabError(`subnet is "${text}"; expected IPv4 of /28 or shorter`)
    this.length = prefix.length
    this.#network = prefix.words[3]! & maskWord(prefix.length)
  }

  /** The next one for a host, from .1 on. */
  next(): string {
    if (++this.#taken >= this.#size - 2) throw new LabError('no address left in the subnet')
    return formatIpv4(this.#network + this.#taken)
  }

  /** The last one, which the underlay itself has. */
  get last(): string {
    return formatIpv4(this.#network + this.#size - 2)
  }

  get #size(): number {
    return 2 ** (32 - this.length)
  }
}
