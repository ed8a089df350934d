// What happens between the packets of a talk, where the ground is a world: ports move, to and fro,
// both ends at once, and agents begin anew in the middle of it.

import fc from 'fast-check'
import type { World } from '../world/world.ts'

export interface EventPlan {
  readonly kind: number
  readonly host: number
}

/** Most of the time nothing happens. */
export const eventPlans: fc.Arbitrary<EventPlan> = fc.record({
  kind: fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7),
  host: fc.nat({ max: 3 })
})

const [RESTARTS, RESTARTS_LAST] = [4, 6] // kinds
const SAVED_MS = 300
const MOVED_MS = 400
const BEGUN_MS = 1200
const MIDST_MS = 20

/** The port of a machine, and that of an uplink: the ends of a connection. */
export interface Ends {
  readonly machine: string
  readonly uplink: string
}

export function happen(world: World, { kind, host }: EventPlan, { machine, uplink }: Ends): void {
  const hosts = [...world.hosts.keys()]
  const there = hosts[host % hosts.length]!
  const before = world.hub.get('port', machine)!.host as string
  // What nobody else had to know, an agent that is killed may lose before it is saved.
  if (kind >= RESTARTS && kind <= RESTARTS_LAST) world.settle(SAVED_MS)
  switch (kind) {
    case 0:
      return
    case 1:
      move(world, machine, there)
      return world.settle(MOVED_MS)
    case 2:
      move(world, uplink, there)
      return world.settle(MOVED_MS)
    case 3:
      move(world, machine, there)
      move(world, uplink, hosts[(host + 1) % hosts.length]!)
      return world.settle(MOVED_MS)
    case 4:
      return restart(world, there)
    case 5:
    case 6:
      move(world, machine, there)
      world.settle(MIDST_MS)
      return restart(world, kind === 5 ? there : before)
    case 7:
      move(world, machine, there)
      world.settle(MIDST_MS)
      move(world, machine, before)
      return world.settle(MOVED_MS)
  }
}

function move(world: World, id: string, host: string): void {
  const port = world.hub.get('port', id)!
  if (port.host !== host) world.hub.put('port', { ...port, host, previousHost: port.host } as never)
}

// The store has not noticed: what the agent had learned of MACs is there for the next.
function restart(world: World, id: string): void {
  world.hosts.get(id)!.restart()
  world.settle(BEGUN_MS)
}
