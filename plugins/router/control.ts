// The router's side on the main thread: puts routes that others have learned where all agents see
// them.

import { address, defineControl, fail, Store, ThisHost } from '../../src/control.ts'
import { HOPS_MAX, type LearnedHop, learnedTable, Routes } from './token.ts'
import { SHARE_MAX } from './weight.ts'

const WEIGHT_MAX = 0x7fff_ffff

export default defineControl({
  name: 'router',
  needs: { store: Store, host: ThisHost },
  provides: [Routes],
  setup({ store, host }, _, provide) {
    provide(Routes, new RouteWriter(store, host.id))
    return undefined
  }
})

class RouteWriter implements Routes {
  readonly #store: Store
  readonly #host: string
  readonly #put = new Map<string, Set<string>>() // keys by router and origin

  constructor(store: Store, host: string) {
    this.#store = store
    this.#host = host
  }

  async put(router: string, origin: string, prefix: string, nextHops: readonly LearnedHop[]) {
    need(/^[\w-]+$/.test(origin), 'origin', origin, 'letters, digits, - and _')
    const network = need(parsed(prefix), 'prefix', prefix, 'a network such as 10.1.0.0/16')
    const count = nextHops.length
    need(count > 0 && count <= HOPS_MAX, 'nextHops', count, `1 to ${HOPS_MAX} next hops`)
    for (const hop of nextHops) checkHop(hop, network.family)
    const key = `${this.#host} ${origin} ${address.formatPrefix(address.networkOf(network))}`
    this.#of(router, origin).add(key)
    await this.#store.table(learnedTable(router)).put(key, JSON.stringify(nextHops))
  }

  async withdraw(router: string, origin: string, prefix?: string) {
    const keys = this.#of(router, origin)
    const network = prefix === undefined ? null : (parsed(prefix) ?? null)
    const one = network && address.formatPrefix(address.networkOf(network))
    const table = this.#store.table(learnedTable(router))
    for (const key of [...keys]) {
      if (one !== null && key !== `${this.#host} ${origin} ${one}`) continue
      keys.delete(key)
      await table.remove(key)
    }
    if (keys.size === 0) this.#put.delete(`${router} ${origin}`)
  }

  #of(router: string, origin: string): Set<string> {
    const name = `${router} ${origin}`
    let keys = this.#put.get(name)
    if (keys === undefined) this.#put.set(name, (keys = new Set()))
    return keys
  }
}

function checkHop({ gateway, weight, share = 1 }: LearnedHop, family: 4 | 6): void {
  if (gateway !== undefined) {
    const expected = `an IPv${family} address`
    need(parsedIp(gateway)?.family === family, 'nextHops.gateway', gateway, expected)
  }
  const isWeight = weight === undefined || (Number.isInteger(weight) && weight >= 0)
  need(isWeight && (weight ?? 0) <= WEIGHT_MAX, 'nextHops.weight', weight, 'a whole number from 0')
  const isShare = Number.isInteger(share) && share >= 1 && share <= SHARE_MAX
  need(isShare, 'nextHops.share', share, `a whole number from 1 to ${SHARE_MAX}`)
}

function need<T>(found: T, field: string, value: unknown, expected: string): NonNullable<T> {
  if (found) return found
  throw fail('INVALID', { field, value: String(value), expected })
}

const parsed = (text: string): address.Prefix | undefined => tried(() => address.parsePrefix(text))
const parsedIp = (text: string): address.Ip | undefined => tried(() => address.parseIp(text))

function tried<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
