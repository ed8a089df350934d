// A route as the router uses it: numbers only, in effect, with a rank among its equals.

import { address, tagOf } from '../../../src/plugin.ts'
import type { RouteModel } from '../models.ts'
import type { RouterPort } from '../ports.ts'
import { WEIGHT_DEFAULT } from '../weight.ts'

/** What becomes of a packet: it is for the router, leaves by a port, is lost, or refused. */
export type RouteKind = 'local' | 'port' | 'blackhole' | 'reject'

/** A route, ready for look-up. */
export interface Route {
  readonly id: string
  readonly kind: RouteKind
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** The destination: four words, masked. */
  readonly words: Int32Array
  /** Bits of it. */
  readonly length: number
  /** Senders it is for: four words, masked. */
  readonly srcWords: Int32Array
  /** Bits of that; 0: any sender. */
  readonly srcLength: number
  /** Of routes as long, the lowest weight wins; equal ones share. */
  readonly weight: number
  /** Among those, what it takes of the flows beside the others' shares: 1 to SHARE_MAX. */
  readonly share: number
  readonly port: RouterPort | null
  /** Next hop; null: the destination itself is at the port. */
  readonly gateway: Int32Array | null
  /**
   * What spreading flows over equal routes goes by: the next hop, so that a route that is made
   * again under another id keeps its flows.
   */
  readonly hash: number
  /** For traces. */
  readonly text: string
}

const ANY = new Int32Array(4)
// An address of the router is itself whatever the routes say.
const LOCAL_WEIGHT = -1
const CONNECTED_WEIGHT = 0

/**
 * To the addresses of the port, and to the networks it is on. Link-local ones belong to a link, not
 * to the router: router.ts looks after them.
 */
export function* routesOfPort(port: RouterPort): Generator<Route> {
  if (!port.isUsable) return
  for (const given of port.port.addresses) {
    const { family } = given
    const text = address.formatPrefix(given)
    const common = { family, srcWords: ANY, srcLength: 0, share: 1, gateway: null, port }
    const length = family === 4 ? 32 : 128
    const name = `${port.id}/${text}`
    const own = { words: given.words, length, weight: LOCAL_WEIGHT, text: `local ${text}` }
    yield { ...common, ...own, id: `local/${name}`, kind: 'local', hash: tagOf(name) }
    if (family === 6 && address.ipv6IsLinkLocal(given.words[0]!)) continue
    const { words } = address.networkOf(given)
    const link = { words, length: given.length, weight: CONNECTED_WEIGHT, text: `link ${text}` }
    yield { ...common, ...link, id: `link/${name}`, kind: 'port', hash: tagOf(port.id, '') }
  }
}

/** Undefined while the port it leaves by is not there or cannot be used. */
export function routeOfModel(
  model: RouteModel,
  ports: ReadonlyMap<string, RouterPort>
): Route | undefined {
  const kind = model.type ?? 'port'
  const port = kind === 'port' ? ports.get(model.port ?? '') : undefined
  if (kind === 'port' && port?.isUsable !== true) return undefined
  const { family, words, length } = address.networkOf(address.parsePrefix(model.destination))
  const source = model.source === undefined ? undefined : address.parsePrefix(model.source)
  const gateway = model.gateway === undefined ? null : address.parseIp(model.gateway)
  return {
    id: model.id,
    kind,
    family,
    words,
    length,
    srcWords: source?.words ?? ANY,
    srcLength: source?.length ?? 0,
    weight: model.weight ?? WEIGHT_DEFAULT,
    share: model.share ?? 1,
    port: port ?? null,
    gateway: gateway?.words ?? null,
    hash: tagOf(model.port ?? kind, gateway === null ? '' : address.formatIp(gateway)),
    text: describe(model, kind)
  }
}

const describe = (model: RouteModel, kind: string): string =>
  [
    model.destination,
    model.source === undefined ? '' : ` from ${model.source}`,
    kind === 'port' ? '' : ` ${kind}`,
    model.gateway === undefined ? '' : ` via ${model.gateway}`
  ].join('')

/** The order in which equal prefixes are tried; the same at every agent. */
export const byRank = (a: Route, b: Route): number =>
  a.weight - b.weight || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
