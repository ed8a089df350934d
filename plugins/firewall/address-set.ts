// The addresses of an IP group, looked up by number.  An IPv6 address goes through three maps to
// the set of its last words, so no text and no mixed key is made per packet.
// condition.test.ts holds it.

import { address, ethernet, type SimulationContext } from '../../src/plugin.ts'
import type { Side } from './within.ts'

type Tree = Map<number, Map<number, Map<number, Set<number>>>>

/** The addresses of an IP group, looked up by number. */
export class AddressSet {
  readonly #v4 = new Set<number>()
  readonly #v6: Tree = new Map()

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const { family, words } = address.parseIp(text)
      if (family === 4) this.#v4.add(words[3]!)
      else this.#add6(words)
    }
  }

  /** A function that says whether a packet's source or destination is in the set. */
  question(side: Side): (ctx: SimulationContext) => boolean {
    const word = side === 'src' ? 'ipSrcWord' : 'ipDstWord'
    return ctx => {
      const { key } = ctx
      const type = key.ethType
      if (type === ethernet.Type.ipv4 || type === ethernet.Type.arp)
        return this.#v4.has(key[word](3))
      if (type !== ethernet.Type.ipv6) return false
      const last = this.#v6.get(key[word](0))?.get(key[word](1))?.get(key[word](2))
      return last?.has(key[word](3)) ?? false
    }
  }

  #add6([a, b, c, d]: Int32Array): void {
    const second = below(this.#v6, a!, () => new Map())
    const third = below(second, b!, () => new Map())
    below(third, c!, () => new Set<number>()).add(d!)
  }
}

function below<T>(map: Map<number, T>, key: number, make: () => T): T {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
