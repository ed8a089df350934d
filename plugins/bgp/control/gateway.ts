// The uplink ports of this host, found by what is active here and by what an earlier agent has
// left. Each is followed in the store until it is not bound here any more.  gateway.test.ts holds
// it.

import type {
  OtherHosts,
  PortActivity,
  PortModel,
  Running,
  Store,
  Timer
} from '../../../src/control.ts'
import { fitnessOf } from './fitness.ts'
import { Isolation } from './isolation.ts'
import { type Drain, planOf } from './plan.ts'
import { RouterWatch } from './router-watch.ts'
import { Uplink, type UplinkParts } from './uplink.ts'
import type { UplinkStatus } from './uplink-status.ts'

type Watch = ReturnType<Store['watch']>

/** What a gateway is made of. */
export interface GatewayParts extends UplinkParts {
  readonly store: Pick<Store, 'table' | 'watch'>
  /** Those that are active here. */
  readonly ports: PortActivity
  /** The hosts it serves. */
  readonly others: OtherHosts
  readonly host: UplinkParts['host'] & { readonly id: string }
  /** Takes what an operator should know. */
  readonly say: (notes: readonly string[]) => void
  /** Between two looks at the sessions. */
  readonly pollMs: number
  /** Peers are told so long before that a drained host goes. */
  readonly tellMs: number
}

// An agent that begins has its ports active within seconds; until then nothing that an earlier one
// has left is changed.
const AWAIT_MS = 10_000
// A store that has lost us and finds us again says so of all our ports.
const HOLD_MS = 5000
const LOOK_MS = 500 // at the other hosts

interface Held {
  readonly watch: Watch
  /** Of this agent; what is awaited was left by an earlier one. */
  activity: 'awaited' | 'active' | 'inactive'
  timer: Timer | null // until it is inactive
  model: PortModel | undefined
  uplink: Uplink | undefined
}

interface Followed {
  readonly watch: RouterWatch
  readonly ports: Set<string>
}

/** The gateway that this host is, if it is one. */
export class Gateway implements Running {
  readonly #parts: GatewayParts
  readonly #ports = new Map<string, Held>()
  readonly #routers = new Map<string, Followed>()
  readonly #active = new Set<string>() // as this agent says
  readonly #ending = new Map<string, Promise<void>>() // by port
  readonly #watches: Watch[] = []
  readonly #isolation: Isolation
  #isPlannedCutOff = false
  #drain: Drain | null = null // not known yet
  #telling: Timer | null = null
  #polling: Timer | null = null
  #looking: Timer | null = null
  #isClosed = false

  constructor(parts: GatewayParts) {
    this.#parts = parts
    this.#isolation = new Isolation(parts.others)
  }

  /** How its uplinks are, by port. */
  get uplinks(): UplinkStatus[] {
    const statuses = [...this.#ports.values()].flatMap(({ uplink }) => uplink?.status ?? [])
    return statuses.sort((a, b) => (a.port < b.port ? -1 : 1))
  }

  /** What an operator should know. */
  get notes(): string[] {
    const { isDrained } = this
    return fitnessOf(this.uplinks, { isDrained, isCutOff: this.#isPlannedCutOff })
  }

  /** Traffic is to be led elsewhere. */
  get isDrained(): boolean {
    return this.#drain === 'telling' || this.#drain === 'drained'
  }

  async start(): Promise<void> {
    const { store, ports, host, engine, log } = this.#parts
    const own = store.watch({ kind: 'host', id: host.id }, events => {
      for (const event of events)
        this.#drainAs(event.op === 'put' && event.object.value.drain === true)
    })
    this.#watches.push(own)
    void own.ready.then(() => this.#drainAs(this.isDrained)).catch(() => {})
    try {
      for (const id of await engine.places()) {
        this.#follow(id)
        this.#await(id)
      }
    } catch (error) {
      log.warn({ err: error }, 'what an earlier agent has left is not known')
    }
    this.#watches.push(
      ports.watch({
        active: (port, isOwn) => {
          if (port.type !== 'router' || port.host !== host.id)
            return this.#isolation.serves(port.id, true)
          if (isOwn) this.#active.add(port.id)
          this.#follow(port.id)
          if (isOwn) this.#isActive(port.id)
        },
        // It may come back: it is let go when it is not bound here any more.
        gone: id => {
          this.#active.delete(id)
          this.#isolation.serves(id, false)
          this.#inactiveIn(HOLD_MS, id)
        }
      })
    )
    this.#poll()
    this.#lookAround()
  }

  /** What speaks goes on for the next agent. */
  async stop(): Promise<void> {
    this.#isClosed = true
    this.#telling?.cancel()
    this.#polling?.cancel()
    this.#looking?.cancel()
    for (const watch of this.#watches) watch.close()
    for (const { watch } of this.#routers.values()) watch.close()
    for (const { watch, timer } of this.#ports.values()) {
      watch.close()
      timer?.cancel()
    }
    const leaving = [...this.#ports.values()].map(({ uplink }) => uplink?.leave())
    await Promise.allSettled([...leaving, ...this.#ending.values()])
  }

  #isActive(id: string): void {
    const held = this.#ports.get(id)
    if (held === undefined) return
    held.timer?.cancel()
    held.activity = 'active'
    this.#planPort(held)
  }

  #await(id: string): void {
    const held = this.#ports.get(id)
    if (held === undefined || held.activity === 'active') return
    held.activity = 'awaited'
    this.#inactiveIn(AWAIT_MS, id)
  }

  #inactiveIn(delayMs: number, id: string): void {
    const held = this.#ports.get(id)
    if (held === undefined || this.#isClosed) return
    held.timer?.cancel()
    held.timer = this.#parts.clock.after(delayMs, () => {
      held.activity = 'inactive'
      this.#planPort(held)
    })
  }

  #follow(id: string): void {
    if (this.#isClosed || this.#ports.has(id)) return
    const ending = this.#ending.get(id)
    if (ending !== undefined) return void ending.then(() => this.#follow(id))
    const watch = this.#parts.store.watch({ kind: 'port', id }, events => {
      for (const event of events)
        this.#heard(id, event.op === 'put' ? (event.object.value as PortModel) : undefined)
    })
    const activity = this.#active.has(id) ? 'active' : 'inactive'
    this.#ports.set(id, { watch, activity, timer: null, model: undefined, uplink: undefined })
    void watch.ready.then(
      () => {
        if (this.#ports.get(id)?.model === undefined) this.#drop(id)
      },
      () => {} // the store closes
    )
  }

  #heard(id: string, model: PortModel | undefined): void {
    const held = this.#ports.get(id)
    if (held === undefined || this.#isClosed) return
    const isHere = model?.host === this.#parts.host.id && model.type === 'router'
    if (!isHere) return this.#drop(id)
    if (held.model === undefined) {
      held.uplink = new Uplink(this.#parts, model.device, id)
      this.#of(model.device).ports.add(id)
    }
    held.model = model
    this.#planPort(held)
  }

  #of(router: string): Followed {
    let followed = this.#routers.get(router)
    if (followed === undefined) {
      const watch = new RouterWatch(this.#parts.store, router, () => this.#planRouter(router))
      followed = { watch, ports: new Set() }
      this.#routers.set(router, followed)
    }
    return followed
  }

  #planRouter(router: string): void {
    for (const id of this.#routers.get(router)?.ports ?? []) {
      const held = this.#ports.get(id)
      if (held !== undefined) this.#planPort(held)
    }
  }

  #planAll(): void {
    for (const held of this.#ports.values()) this.#planPort(held)
  }

  #planPort({ model, uplink, activity }: Held): void {
    const view = model && this.#routers.get(model.device)?.watch.view
    if (model === undefined || view === undefined || this.#drain === null) return
    const withheld = [
      ...(activity === 'inactive' ? ['port-inactive'] : []),
      ...(this.#isPlannedCutOff ? ['cut-off'] : [])
    ]
    const planned = planOf(model, view, this.#drain, withheld)
    uplink?.plan(planned, this.isDrained, activity !== 'awaited')
  }

  // It is not bound here any more, or was never.
  #drop(id: string): void {
    const held = this.#ports.get(id)
    if (held === undefined || this.#isClosed) return
    this.#ports.delete(id)
    held.watch.close()
    held.timer?.cancel()
    const router = held.model?.device ?? ''
    const followed = this.#routers.get(router)
    followed?.ports.delete(id)
    if (followed?.ports.size === 0) {
      followed.watch.close()
      this.#routers.delete(router)
    }
    this.#end(id, held.uplink)
  }

  #end(id: string, uplink: Uplink | undefined): void {
    const { engine, log } = this.#parts
    const ended = uplink === undefined ? engine.remove(id) : uplink.close()
    const ending = ended
      .catch(error => log.warn({ err: error, port: id }, 'what is left of it could not be removed'))
      .finally(() => this.#ending.delete(id))
    this.#ending.set(id, ending)
  }

  #drainAs(isWanted: boolean): void {
    if (this.#isClosed || (this.#drain !== null && isWanted === this.isDrained)) return
    this.#telling?.cancel()
    // An agent that begins on a drained host has told it long ago.
    const isFirst = this.#drain === null
    this.#drain = isWanted ? (isFirst ? 'drained' : 'telling') : 'no'
    if (this.#drain === 'telling')
      this.#telling = this.#parts.clock.after(this.#parts.tellMs, () => {
        this.#drain = 'drained'
        this.#planAll()
      })
    this.#planAll()
  }

  #lookAround(): void {
    if (this.#isClosed) return
    this.#looking = this.#parts.clock.after(LOOK_MS, async () => {
      await this.#isolation.look()
      if (!this.#isClosed) this.#planIsolation()
      this.#lookAround()
    })
  }

  #planIsolation(): void {
    const { isCutOff } = this.#isolation
    if (isCutOff === this.#isPlannedCutOff) return
    this.#isPlannedCutOff = isCutOff
    this.#planAll()
    if (this.uplinks.every(({ state }) => state === 'none')) return // it is no gateway
    const { log } = this.#parts
    if (isCutOff) log.warn({}, 'no other host answers: nothing is announced')
    else log.info({}, 'other hosts answer again')
  }

  #poll(): void {
    if (this.#isClosed) return
    const { clock, pollMs } = this.#parts
    this.#polling = clock.after(pollMs, () => {
      for (const { uplink } of this.#ports.values()) void uplink?.poll() // none waits for another
      this.#parts.say(this.notes)
      this.#poll()
    })
  }
}
