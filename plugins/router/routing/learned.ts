// Routes that hosts have learned from outside, as the router sees them: a shared table, read again
// when it changes, many changes at once. learned.test.ts holds it.

import type { Clock, Table, Timer } from '../../../src/plugin.ts'
import type { RouterCounters } from '../counters.ts'
import type { RouteModel } from '../models.ts'
import { HOPS_MAX, type LearnedHop } from '../token.ts'
import { SHARE_MAX } from '../weight.ts'

/** Next hops of one router's learned routes, all in all. */
const LEARNED_MAX = 65_536

/** What has become of learned routes. */
export interface LearnedChange {
  /** Those that do not stand any more. */
  readonly gone: readonly RouteModel[]
  /** Those that are new; their ids may be those of some that are gone. */
  readonly come: readonly RouteModel[]
}

const NONE: readonly RouteModel[] = []

/** Of one router. */
export class LearnedRoutes {
  readonly #router: string
  readonly #counters: RouterCounters
  readonly #byKey = new Map<string, readonly RouteModel[]>()
  readonly #unlisten: () => void
  readonly #before = new Map<string, readonly RouteModel[]>() // what has changed, as it was told
  #count = 0
  #timer: Timer | null = null

  /** `changed` is called once for many changes, with what came of them. */
  constructor(
    router: string,
    table: Table,
    counters: RouterCounters,
    clock: Clock,
    changed: (change: LearnedChange) => void
  ) {
    this.#router = router
    this.#counters = counters
    for (const [key, value] of table.entries()) this.#take(key, value)
    this.#unlisten = table.onChange((key, value) => {
      if (!this.#before.has(key)) this.#before.set(key, this.#byKey.get(key) ?? NONE)
      this.#take(key, value)
      this.#timer ??= clock.after(0, () => {
        this.#timer = null
        changed(this.#changes())
      })
    })
  }

  /** As if they were stored: one for each next hop. Those of an unchanged entry are the same. */
  *models(): Generator<RouteModel> {
    for (const models of this.#byKey.values()) yield* models
  }

  /** Hears nothing more. */
  close(): void {
    this.#unlisten()
    this.#timer?.cancel()
  }

  #changes(): LearnedChange {
    const gone = [...this.#before.values()].flat()
    const come = [...this.#before.keys()].flatMap(key => this.#byKey.get(key) ?? NONE)
    this.#before.clear()
    return { gone, come }
  }

  #take(key: string, value: string | undefined): void {
    this.#count -= this.#byKey.get(key)?.length ?? 0
    this.#byKey.delete(key)
    if (value === undefined) return
    const models = this.#modelsOf(key, value)
    if (models === undefined) this.#counters.learnedRefused.value++
    else if (this.#count + models.length > LEARNED_MAX) this.#counters.learnedFull.value++
    else {
      this.#count += models.length
      this.#byKey.set(key, models)
    }
  }

  // undefined: another version's, or broken.
  #modelsOf(key: string, value: string): RouteModel[] | undefined {
    const destination = key.split(' ')[2]
    const hops = parsed(value)
    if (destination === undefined || hops === undefined) return undefined
    const common = { router: this.#router, destination, type: 'port' } as const
    return hops.map((hop, i) => ({ ...common, ...hop, id: `learned/${key}/${i}` }))
  }
}

function parsed(value: string): LearnedHop[] | undefined {
  try {
    const hops = JSON.parse(value) as unknown
    const isList = Array.isArray(hops) && hops.length <= HOPS_MAX && hops.every(isHop)
    return isList ? hops : undefined
  } catch {
    return undefined
  }
}

function isHop(hop: unknown): hop is LearnedHop {
  if (typeof hop !== 'object' || hop === null) return false
  const { port, gateway = '', weight = 0, share = 1 } = hop as Record<string, unknown>
  const isShare = Number.isInteger(share) && Number(share) >= 1 && Number(share) <= SHARE_MAX
  const isPlace = typeof port === 'string' && typeof gateway === 'string'
  return isPlace && typeof weight === 'number' && isShare
}
