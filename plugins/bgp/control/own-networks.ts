// Networks of ours, asked of each prefix that a peer tells whether it lies in one of them: what we
// announce and what our router is connected to is found here, whatever anybody outside says
// (RFC 7454 §6.1.3, §6.1.4). own-networks.test.ts holds it.

import { address } from '../../../src/control.ts'

type Prefix = ReturnType<typeof address.parsePrefix>

/** Ours. */
export class OwnNetworks {
  readonly #networks = new Set<string>() // in their shortest form
  readonly #lengths: { readonly 4: readonly number[]; readonly 6: readonly number[] }

  /** Host bits are of no meaning; what is a link's own in IPv6 is left out, all have it. */
  constructor(prefixes: Iterable<string>) {
    const lengths = { 4: new Set<number>(), 6: new Set<number>() }
    for (const text of prefixes) {
      const network = address.networkOf(address.parsePrefix(text))
      if (network.family === 6 && address.ipv6IsLinkLocal(network.words[0]!)) continue
      this.#networks.add(address.formatPrefix(network))
      lengths[network.family].add(network.length)
    }
    this.#lengths = { 4: longestFirst(lengths[4]), 6: longestFirst(lengths[6]) }
  }

  /** The longest of ours that a prefix is or lies in; undefined: none. */
  covering(text: string): string | undefined {
    const prefix = address.parsePrefix(text)
    for (const length of this.#lengths[prefix.family]) {
      if (length > prefix.length) continue
      const network = cutTo(prefix, length)
      if (this.#networks.has(network)) return network
    }
    return undefined
  }

  /** Whether the others are these. */
  isSame(other: OwnNetworks): boolean {
    const [ours, theirs] = [this.#networks, other.#networks]
    return ours.size === theirs.size && [...ours].every(network => theirs.has(network))
  }
}

const cutTo = ({ family, words }: Prefix, length: number): string =>
  address.formatPrefix(address.networkOf({ family, words, length }))

const longestFirst = (lengths: ReadonlySet<number>): number[] => [...lengths].sort((a, b) => b - a)
