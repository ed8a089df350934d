// What happens between packets, where the ground is a world: ports move, to and fro, both ends at
// once, and agents begin anew in the middle of it.

import fc from 'fast-check'
import type { World } from '../world/world.ts'

export interface EventPlan {
  readonly kind: number
  readonly host: number
}

const hostPlan = fc.nat({ max: 3 })

/** Most of the time nothing happens. */
export const eventPlans: fc.Arbitrary<EventPlan> = fc.record({
  kind: fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7),
  host: hostPlan
})

/** Something happens. */
export const faultPlans: fc.Arbitrary<EventPlan> = fc.record({
  kind: fc.constantFrom(1, 1, 2, 3, 3, 4, 5, 6, 7, 7),
  host: hostPlan
})

const [RESTARTS, RESTARTS_LAST] = [4, 6] // kinds
const SAVED_MS = 300
const MOVED_MS = 400
const BEGUN_MS = 1200
const MIDST_MS = 20

/** The ports at both ends of a connection: of a machine, and of an uplink or another machine. */
export interface Ends {
  readonly machine: string
  readonly uplink: string
}

/** Milliseconds pass, a port moves, or an agent is killed and begins anew. */
export type Step = number | { readonly move: string; readonly to: string } | { restart: string }

export function happen(world: World, event: EventPlan, ends: Ends): void {
  const before = world.store.get('port', ends.machine)!.host as string
  for (const step of stepsOf(event, ends, [...world.hosts.keys()], before))
    if (typeof step === 'number') world.settle(step)
    else if ('move' in step) move(world, step.move, step.to)
    else world.hosts.get(step.restart)!.restart()
}

/** How long that takes. */
export function durationMs(event: EventPlan): number {
  const steps = stepsOf(event, { machine: '', uplink: '' }, [''], '')
  return steps.reduce<number>((sum, step) => sum + (typeof step === 'number' ? step : 0), 0)
}

function stepsOf(
  { kind, host }: EventPlan,
  { machine, uplink }: Ends,
  hosts: readonly string[],
  before: string
): Step[] {
  const there = hosts[host % hosts.length]!
  const goes = { move: machine, to: there }
  // What nobody else had to know, an agent that is killed may lose before it is saved.
  const saved = kind >= RESTARTS && kind <= RESTARTS_LAST ? [SAVED_MS] : []
  switch (kind) {
    case 1:
      return [goes, MOVED_MS]
    case 2:
      return [{ move: uplink, to: there }, MOVED_MS]
    case 3:
      return [goes, { move: uplink, to: hosts[(host + 1) % hosts.length]! }, MOVED_MS]
    // The store has not noticed: what an agent had learned of MACs is there for the next.
    case 4:
      return [...saved, { restart: there }, BEGUN_MS]
    case 5:
    case 6:
      return [...saved, goes, MIDST_MS, { restart: kind === 5 ? there : before }, BEGUN_MS]
    case 7:
      return [goes, MIDST_MS, { move: machine, to: before }, MOVED_MS]
    default:
      return []
  }
}

function move(world: World, id: string, host: string): void {
  const port = world.store.get('port', id)!
  if (port.host !== host)
    world.store.put('port', { ...port, host, previousHost: port.host } as never)
}
