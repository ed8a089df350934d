// What is declared of one router, followed as long as one of its ports is an uplink of this host:
// hosts without uplinks read none of it. gateway.test.ts holds it.

import type { PortModel, Store } from '../../../src/control.ts'
import type { BgpNetworkModel, BgpPolicyModel, BgpSpeakerModel } from '../models.ts'
import type { BgpPeerModel } from '../peer/model.ts'
import type { StaticUplinkModel } from '../static/model.ts'
import type { RouterView } from './plan.ts'

type Watching = Pick<Store, 'watch'>
type Watch = ReturnType<Store['watch']>
type Followed = Parameters<Store['watch']>[0]

// Objects that one interest selects, as they are now.
class Objects<T> {
  readonly #byId = new Map<string, T>()
  readonly #watch: Watch
  isReady = false

  constructor(store: Watching, interest: Followed, changed: () => void) {
    this.#watch = store.watch(interest, events => {
      for (const event of events)
        if (event.op === 'put') this.#byId.set(event.object.id, event.object.value as T)
        else this.#byId.delete(event.id)
      if (this.isReady) changed()
    })
    // A watch that ends before is one of a store that closes.
    void this.#watch.ready.then(
      () => {
        this.isReady = true
        changed()
      },
      () => {}
    )
  }

  get all(): T[] {
    return [...this.#byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  }

  close(): void {
    this.#watch.close()
  }
}

/** Follows a router until it is closed. */
export class RouterWatch {
  readonly #store: Watching
  readonly #changed: () => void
  readonly #router: Objects<{ readonly adminStateUp?: boolean }>
  readonly #speakers: Objects<BgpSpeakerModel>
  readonly #peers: Objects<BgpPeerModel>
  readonly #networks: Objects<BgpNetworkModel>
  readonly #ports: Objects<PortModel>
  readonly #statics: Objects<StaticUplinkModel>
  readonly #routes: Objects<RouterView['routes'][number]>
  readonly #policies = new Map<string, Objects<BgpPolicyModel>>()
  #isClosed = false

  constructor(store: Watching, router: string, changed: () => void) {
    this.#store = store
    this.#changed = () => {
      if (!this.#isClosed) changed()
    }
    const of = { field: 'router', value: router }
    this.#router = new Objects(store, { kind: 'router', id: router }, this.#changed)
    this.#speakers = new Objects(store, { kind: 'bgp-speaker', ...of }, this.#changed)
    this.#networks = new Objects(store, { kind: 'bgp-network', ...of }, this.#changed)
    this.#routes = new Objects(store, { kind: 'route', ...of }, this.#changed)
    const device = { field: 'device', value: router }
    this.#ports = new Objects(store, { kind: 'port', ...device }, this.#changed)
    this.#statics = new Objects(store, { kind: 'static-uplink', ...of }, this.#changed)
    this.#peers = new Objects<BgpPeerModel>(store, { kind: 'bgp-peer', ...of }, () => {
      this.#followPolicies()
      this.#changed()
    })
  }

  /** As it is now; undefined: not all of it is here yet. */
  get view(): RouterView | undefined {
    if (!this.#all.every(({ isReady }) => isReady)) return undefined
    const policies = [...this.#policies].flatMap(([id, { all }]) => all.map(p => [id, p] as const))
    return {
      isUp: this.#router.all[0]?.adminStateUp !== false,
      speakers: this.#speakers.all,
      peers: this.#peers.all,
      networks: this.#networks.all,
      ports: this.#ports.all,
      statics: this.#statics.all,
      routes: this.#routes.all,
      policies: new Map(policies)
    }
  }

  /** Follows nothing more. */
  close(): void {
    this.#isClosed = true
    for (const each of this.#all) each.close()
  }

  get #all(): Pick<Objects<unknown>, 'isReady' | 'close'>[] {
    const own = [this.#router, this.#speakers, this.#peers, this.#networks, this.#statics]
    return [...own, this.#ports, this.#routes, ...this.#policies.values()]
  }

  #followPolicies(): void {
    if (this.#isClosed) return
    const named = new Set<string>()
    for (const { importPolicy, exportPolicy } of this.#peers.all)
      for (const id of [importPolicy, exportPolicy]) if (id !== undefined) named.add(id)
    for (const [id, policy] of this.#policies) {
      if (named.has(id)) continue
      policy.close()
      this.#policies.delete(id)
    }
    for (const id of named) {
      if (this.#policies.has(id)) continue
      this.#policies.set(id, new Objects(this.#store, { kind: 'bgp-policy', id }, this.#changed))
    }
  }
}
