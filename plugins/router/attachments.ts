// The router's side of the topology: its ports with their neighbours and peers, and the routes
// that are in effect.  It reads the models again at every change and keeps what has not changed
// as the same object: that is how the table (table.ts) knows what has. router.test.ts holds it.

import type { address, Models, Port, PortId, Service } from '../../src/plugin.ts'
import type { RouterCounters } from './counters.ts'
import type { RouteModel } from './models.ts'
import { type NeighbourNeeds, Neighbours, tableOf } from './neighbours.ts'
import { RouterPort } from './ports.ts'
import type { LearnedChange } from './routing/learned.ts'
import { type Route, routeOfModel, routesOfPort } from './routing/route.ts'

/** A port of a router, with what belongs to it. */
export interface Attachment {
  readonly port: RouterPort
  readonly neighbours: Neighbours
  readonly counters: RouterCounters
  /** When the link leads to another router. */
  peer: RouterPort | null
  /** The router's, when a packet met it last. */
  balancer: Service | null
}

interface Compiled {
  readonly model: RouteModel
  readonly route: Route | undefined
  readonly returns: number // of its port
}

/** The ports of a router, and the routes that lead to their networks. */
export class Attachments {
  readonly #given: NeighbourNeeds
  readonly #ports = new Map<PortId, RouterPort>()
  readonly #attachments = new Map<PortId, Attachment>()
  #compiled = new Map<string, Compiled>()
  #routes = new Map<string, Route>()

  constructor(given: NeighbourNeeds) {
    this.#given = given
  }

  /** The port; undefined: it is none of this router's. */
  get(id: PortId): Attachment | undefined {
    return this.#attachments.get(id)
  }

  /** The next hops of the routes that lead by a port. */
  gateways(port: PortId): address.Ip[] {
    const found = new Map<number, address.Ip>()
    for (const { port: by, family, gateway, hash } of this.#routes.values())
      if (by?.id === port && gateway !== null) found.set(hash, { family, words: gateway })
    return [...found.values()]
  }

  /** Whether the address is one of the router's own; words[at..at+3]. */
  owns(family: 4 | 6, words: Int32Array, at = 0): boolean {
    for (const port of this.#ports.values()) if (port.owns(family, words, at)) return true
    return false
  }

  /** Takes over the models; gives the routes in effect. `learned`: besides those stored. */
  update(
    router: string,
    models: Models,
    learned: Iterable<RouteModel> = []
  ): ReadonlyMap<string, Route> {
    const gone = new Set(this.#ports.keys())
    for (const port of models.portsOf(router)) {
      gone.delete(port.id)
      this.#attach(port, models)
    }
    for (const id of gone) this.#detach(id)
    const routes = new Map<string, Route>()
    for (const port of this.#ports.values())
      for (const route of routesOfPort(port)) routes.set(route.id, this.#kept(route))
    for (const route of this.#stored(router, models, learned)) routes.set(route.id, route)
    this.#routes = routes
    return routes
  }

  /** Takes over what has changed of learned routes; gives what that makes of routes in effect. */
  relearn({ gone, come }: LearnedChange): { gone: Route[]; come: Route[] } {
    const left: Route[] = []
    const entered: Route[] = []
    // `update` may have met them first.
    for (const model of gone) {
      const known = this.#compiled.get(model.id)
      if (known?.model !== model) continue
      this.#compiled.delete(model.id)
      if (known.route !== undefined) left.push(known.route)
      this.#routes.delete(model.id)
    }
    for (const model of come) {
      if (this.#compiled.get(model.id)?.model === model) continue
      const compiled = this.#compile(model)
      this.#compiled.set(model.id, compiled)
      if (compiled.route === undefined) continue
      entered.push(compiled.route)
      this.#routes.set(model.id, compiled.route)
    }
    return { gone: left, come: entered }
  }

  /** Lets go of all ports. */
  close(): void {
    for (const id of [...this.#ports.keys()]) this.#detach(id)
  }

  #attach(port: Port, models: Models): void {
    let own = this.#ports.get(port.id)
    if (own === undefined) this.#ports.set(port.id, (own = new RouterPort(port)))
    else if (own.port !== port) own.update(port)
    let attachment = this.#attachments.get(port.id)
    if (attachment === undefined) {
      const neighbours = new Neighbours(own, models.table(tableOf(port.id), 'lasting'), this.#given)
      attachment = {
        port: own,
        neighbours,
        counters: this.#given.counters,
        peer: null,
        balancer: null
      }
      this.#attachments.set(port.id, attachment)
    }
    const peer = port.peer === null ? undefined : models.port(port.peer)
    attachment.peer = peer?.kind === 'router' ? new RouterPort(peer) : null
  }

  #detach(id: PortId): void {
    this.#attachments.get(id)?.neighbours.close()
    this.#attachments.delete(id)
    this.#ports.delete(id)
  }

  // The id of such a route says all that is in it, but not which object its port is.
  #kept(route: Route): Route {
    const before = this.#routes.get(route.id)
    return before?.port === route.port ? before : route
  }

  *#stored(router: string, models: Models, learned: Iterable<RouteModel>): Generator<Route> {
    const compiled = new Map<string, Compiled>()
    for (const model of [...models.where<RouteModel>('route', 'router', router), ...learned]) {
      const known = this.#compiled.get(model.id)
      const isSame = known?.model === model && this.#stands(known)
      const next = isSame ? known : this.#compile(model)
      compiled.set(model.id, next)
      if (next.route !== undefined) yield next.route
    }
    this.#compiled = compiled
  }

  #compile(model: RouteModel): Compiled {
    const route = routeOfModel(model, this.#ports)
    return { model, route, returns: route?.port?.returns ?? 0 }
  }

  // Its port is as usable, and the same, as when it was compiled.  What was passed over for want of
  // an agent is a route anew when that is back.
  #stands({ model, route, returns }: Compiled): boolean {
    if ((model.type ?? 'port') !== 'port') return true
    const port = this.#ports.get(model.port ?? '')
    if (port?.isUsable !== true) return route === undefined
    return route?.port === port && port.returns === returns
  }
}
