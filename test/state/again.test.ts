// All agents are killed and begin anew, and again before they have done: kernels forward on, what
// was kept is read late, a port may have moved before, messages get lost.  Every connection goes
// on in both directions, whoever speaks, and every record is where it belongs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import { casesOf } from '../cases.ts'
import { faultsIn } from '../world/invariants.ts'
import type { World } from '../world/world.ts'
import { back, FAR, open, out } from './two-gateways.ts'

const PORTS = [5000, 5001, 5002, 5003, 5004, 5005]
const SLICE_MS = 250
const CALM_MS = 40_000 // until all is handed over, and adopted flows are confirmed
const SAVED_MS = 300 // what nobody has saved yet, a death of all loses

/** Where the packet of a connection comes out; neighbours are asked for meanwhile. */
const exchanged = (world: World, port: string, frame: Uint8Array): string =>
  world
    .exchange(port, frame)
    .filter(each => each.frame[12] === 0x08 && each.frame[13] === 0)
    .map(each => each.port)
    .join()

class Play {
  readonly world: World
  readonly story: string[] = []
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    const journalMs = this.#of(0, 0, 20, 200, 600)
    this.world = open({ seed, journal: true, journalMs, delayMsMax: this.#of(0, 0, 3) })
    this.story.push(`journal ${journalMs} ms`)
    this.#knows()
    this.world.settle(50)
  }

  #of(...choices: readonly number[]): number {
    return choices[this.#random.below(choices.length)]!
  }

  /** The outside answers who asks for it. */
  #knows(): void {
    const { store } = this.world
    for (const n of [0, 1])
      store.tablePut(`neighbour/up${n}`, `203.0.113.${n * 16 + 1}`, `${FAR} 7`, 'test')
  }

  opens(): void {
    const { world } = this
    for (const port of PORTS) {
      assert.equal(exchanged(world, 'vm', out(port, 'S')), 'up0')
      assert.equal(exchanged(world, 'up0', back(0, port, 'SA')), 'vm')
      assert.equal(exchanged(world, 'vm', out(port, 'A')), 'up0')
    }
    world.settle(SAVED_MS + this.#of(0, 200, 1500))
  }

  moves(): void {
    const { world } = this
    world.addHost('h2')
    world.settle(300)
    for (const host of ['h2', 'h1', 'h2', 'h1'].slice(0, this.#of(0, 2, 4))) {
      const port = world.store.get('port', 'vm')!
      world.store.put('port', { ...port, host, previousHost: port.host } as never)
      this.#goesOn(this.#of(400, 1500, 3000, 9000))
      this.story.push(`the port is on ${host}`)
    }
  }

  /** From now on messages get lost. */
  losesMessages(): void {
    const lossProbability = this.#of(0, 0, 0.1)
    this.world.carries = () => !this.#random.chance(lossProbability)
    this.story.push(`loss ${lossProbability}`)
  }

  /** All die; they begin anew one after the other. */
  beginAnew(): void {
    const { world } = this
    const hosts = [...world.hosts.values()]
    for (const host of hosts) host.kill()
    this.story.push(`${world.clock.now()}: all die`)
    const after = new Map(hosts.map(host => [host, this.#of(0, 0, 20, 700, 3000, 9000)]))
    const order = hosts.sort((a, b) => after.get(a)! - after.get(b)!)
    let ms = 0
    for (const host of order) {
      this.#goesOn(after.get(host)! - ms)
      ms = after.get(host)!
      host.restart('keeps')
      this.story.push(`${world.clock.now()}: ${host.id}`)
    }
    this.#goesOn(this.#of(5, 50, 200, 600, 1500, 4000, 45_000))
    if (this.#random.chance(0.3)) for (const host of hosts) host.forgetDead()
  }

  #goesOn(ms: number): void {
    for (let left = ms; left > 0; left -= SLICE_MS) {
      this.world.settle(Math.min(left, SLICE_MS))
      this.#talks()
    }
  }

  // Of every second connection the outside speaks, and the VM answers what it hears.
  #talks(): void {
    const { world } = this
    for (const port of PORTS) {
      if (this.#random.chance(0.5)) continue
      if (port % 2 === 0) exchanged(world, 'vm', out(port, 'PA'))
      else if (exchanged(world, 'up0', back(0, port, 'PA')) === 'vm')
        exchanged(world, 'vm', out(port, 'A'))
    }
  }

  /** What is wrong when all is calm. */
  faults(): string[] {
    const { world } = this
    this.#knows()
    world.carries = () => true
    this.#goesOn(CALM_MS)
    const faults = faultsIn(world)
    for (const port of PORTS) {
      const ways = [
        ['up0', back(0, port, 'PA'), 'vm'],
        ['vm', out(port, 'PA'), 'up0']
      ] as const
      for (const [from, frame, to] of port % 2 === 1 ? ways : ways.toReversed())
        if (exchanged(world, from, frame) !== to) faults.push(`${port} from ${from} gets lost`)
    }
    return faults
  }
}

function faultsOf(seed: number): string[] {
  const play = new Play(seed)
  play.opens()
  play.losesMessages()
  play.moves()
  play.beginAnew()
  play.beginAnew()
  if (seed % 3 === 0) play.beginAnew()
  const faults = play.faults()
  return faults.length === 0 ? [] : [...faults, ...play.story, JSON.stringify(play.world.drops())]
}

test('D4: all agents begin anew, and again before they have done: nothing is lost', () => {
  const first = Number(process.env.AGAIN_SEED ?? 1)
  const runs = Number(process.env.AGAIN_RUNS ?? casesOf(60))
  for (let seed = first; seed < first + runs; seed++)
    assert.deepEqual(faultsOf(seed), [], `AGAIN_SEED=${seed}`)
})
