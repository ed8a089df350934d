// Many learned routes beside few, in the packet thread alone: what a walk that is led by one of
// them costs, and what a change of one costs. Both sizes in turn.

import { loadPlugins } from '../../src/agent/plugins.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import { median } from '../../src/lab/index.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import { simulate } from '../../src/simulation/simulate.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { eth } from '../../src/wire/builder.ts'
import { World } from '../world/world.ts'
import type { Figures } from './figures.ts'

const VM = '02:00:00:00:00:01'
const R1 = '02:00:00:00:01:01'
const UP = '02:00:00:00:02:01'
const UPSTREAM = '02:00:00:00:02:02'
const IFINDEX = 10 // of the first interface of a world's host
const TABLE = 'learned-routes/r'
const HOPS = [
  JSON.stringify([{ port: 'up', gateway: '180.0.1.1' }]),
  JSON.stringify([{ port: 'up', gateway: '180.0.1.1', share: 2 }])
]
const [FEW, MANY] = [10, 10_000] as const // flows go by the odd ones, the others change
const ROUNDS = 100
const WALKS = 2000
const CHANGES = 20 * FEW
const FLOWS = 500

/** All of them. */
export async function learnedRoutes(): Promise<Figures> {
  const few = await Routed.open(FEW)
  const many = await Routed.open(MANY)
  const walks: number[] = []
  const changes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    walks.push(ratio(many, few, each => each.walks(), round))
    changes.push(ratio(many, few, each => each.changes(), round))
  }
  const flap = Array.from({ length: 5 }, () => many.flap())
  return {
    walk_10k_routes_vs_10: median(walks)!,
    route_change_10k_vs_10: median(changes)!,
    flap_5k_of_10k_ms: median(flap)!
  }
}

// Each is first in its turn: who is, finds the caches cold.
function ratio(many: Routed, few: Routed, measure: (of: Routed) => number, round: number): number {
  const [first, second] = round % 2 === 0 ? [many, few] : [few, many]
  const took = [measure(first), measure(second)] as const
  return first === many ? took[0] / took[1] : took[1] / took[0]
}

class Routed {
  readonly #world: World
  readonly #count: number
  readonly #ctx: SimulationContext
  readonly #key = new Int32Array(WORDS)
  #turn = 0

  static async open(count: number): Promise<Routed> {
    const routed = new Routed(await openWorld(), count)
    for (let i = 0; i < count; i++) routed.#put(i, 0)
    routed.#world.settle()
    return routed
  }

  private constructor(world: World, count: number) {
    this.#world = world
    this.#count = count
    this.#ctx = new SimulationContext(world.hosts.get('a')!.host.view)
  }

  /** How long walks to ever other routes took. */
  walks(): number {
    const frames = Array.from({ length: FEW }, (_, i) => question((i * this.#count) / FEW))
    const started = performance.now()
    for (let i = 0; i < WALKS; i++) this.#walk(frames[i % frames.length]!)
    return performance.now() - started
  }

  /** How long changes of one route each took, with flows by as many others, whatever there are. */
  changes(): number {
    for (let i = 1; i < FEW; i += 2) this.#walk(question(i))
    const started = performance.now()
    for (let change = 0; change < CHANGES; change++) {
      const i = (2 * change) % FEW
      if (i === 0) this.#turn ^= 1
      this.#put(i, this.#turn)
      this.#world.settle()
    }
    return performance.now() - started
  }

  /** How long it took that half of all went and came. */
  flap(): number {
    for (let i = 0; i < FLOWS; i++) this.#walk(question(i % this.#count))
    const started = performance.now()
    for (let i = 0; i < this.#count; i += 2)
      this.#world.store.tableRemove(TABLE, keyOf(i), 'speaker')
    this.#world.settle()
    for (let i = 0; i < this.#count; i += 2) this.#put(i, 0)
    this.#world.settle()
    return performance.now() - started
  }

  #put(i: number, turn: number): void {
    this.#world.store.tablePut(TABLE, keyOf(i), HOPS[turn]!, 'speaker')
  }

  #walk(frame: Uint8Array): void {
    const ctx = this.#ctx
    const view = new DataView(frame.buffer)
    extract(this.#key, 0, IFINDEX, 0, 0, view, 0, frame.length)
    ctx.key.load(this.#key, 0)
    ctx.begin(0, view, 0, frame.length)
    if (simulate(ctx, 'v1') !== Verdict.forward)
      throw new Error(`dropped: ${ctx.outcome.dropReason}`)
  }
}

const networkOf = (i: number): string => `100.${64 + (i >> 8)}.${i & 255}`
const keyOf = (i: number): string => `a bgp ${networkOf(i)}.0/24`
const question = (i: number): Uint8Array =>
  eth(VM, R1)
    .ipv4('10.0.1.11', `${networkOf(Math.floor(i))}.9`)
    .udp(7, 53)
    .frame()

async function openWorld(): Promise<World> {
  const port = (id: string, number: number, more: object) => ({
    kind: 'port',
    value: { id, number, ...more }
  })
  const router = { type: 'router', device: 'r' }
  const world = new World({
    plugins: await loadPlugins(),
    objects: [
      { kind: 'bridge', value: { id: 'br' } },
      { kind: 'router', value: { id: 'r' } },
      port('v1', 1, { type: 'bridge', device: 'br', host: 'a', interface: 'i1' }),
      port('br-r', 2, { type: 'bridge', device: 'br', peer: 'r-br' }),
      port('r-br', 3, { ...router, peer: 'br-r', mac: R1, addresses: ['10.0.1.1/24'] }),
      port('up', 4, {
        ...router,
        ...{ host: 'a', interface: 'i2', mac: UP, addresses: ['180.0.1.2/24'] }
      })
    ]
  })
  world.exchange('v1', eth(VM, R1).arpReply(VM, '10.0.1.11', R1, '10.0.1.1').frame())
  world.exchange('up', eth(UPSTREAM, UP).arpReply(UPSTREAM, '180.0.1.1', UP, '180.0.1.2').frame())
  return world
}
