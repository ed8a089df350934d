// Topologies for the world, in few words: what a test builds reads like what it is about.
// Port numbers, which a store would give out, come in the order of making.

import type { Stored } from '../../src/topology/model.ts'
import type { WorldObject } from './store.ts'

type Fields = Readonly<Record<string, unknown>>

export const object = (kind: string, id: string, fields: Fields = {}): WorldObject => ({
  kind,
  value: { id, ...fields } as Stored
})

/** A chain with its rules, at positions 1, 2 and so on. */
export const chain = (id: string, rules: readonly Fields[]): WorldObject[] => [
  object('chain', id, { name: id }),
  ...rules.map((rule, i) => object('rule', `${id}-${i}`, { chain: id, position: i + 1, ...rule }))
]

export class Topology {
  readonly objects: WorldObject[] = []
  #numbers = 0

  add(kind: string, id: string, fields: Fields = {}): this {
    this.objects.push(object(kind, id, fields))
    return this
  }

  bridge(id: string, fields: Fields = {}): this {
    return this.add('bridge', id, fields)
  }

  router(id: string, fields: Fields = {}): this {
    return this.add('router', id, fields)
  }

  // A port bound to the interface of the same name.
  bound(id: string, type: 'bridge' | 'router', device: string, host: string, f: Fields = {}): this {
    return this.#port(id, { type, device, host, interface: id, ...f })
  }

  // A port of a bridge where a virtual machine is.
  edge(id: string, bridge: string, host = 'h1', fields: Fields = {}): this {
    return this.bound(id, 'bridge', bridge, host, fields)
  }

  // Two ports that are each other's peers.
  link(a: string, aFields: Fields, b: string, bFields: Fields): this {
    return this.#port(a, { ...aFields, peer: b }).#port(b, { ...bFields, peer: a })
  }

  // A router's port on a bridge; the bridge's end is called `to-<id>`.
  uplink(id: string, router: string, bridge: string, mac: string, addresses: string[]): this {
    return this.link(`to-${id}`, { type: 'bridge', device: bridge }, id, {
      type: 'router',
      device: router,
      mac,
      addresses
    })
  }

  rule(chain: string, position: number, action: string, fields: Fields = {}): this {
    return this.add('rule', `${chain}-${position}`, { chain, position, action, ...fields })
  }

  #port(id: string, fields: Fields): this {
    return this.add('port', id, { number: ++this.#numbers, name: id, ...fields })
  }
}
