// What may happen to gateways, their uplinks and the routers outside while connections go on.
// Nobody tells the outside: what it has to know it learns by BGP and BFD.

import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../../src/core/random.ts'
import type { Fault } from './crowds.ts'
import type { Ground } from './ground.ts'
import { GATEWAYS } from './ground.ts'
import type { Upstream } from './upstream.ts'

const [FIRST] = GATEWAYS
const UNDERLAY = 'underlay0'
const MOMENT_MS = 2000

const upstreamOf = ({ upstream }: Ground): Upstream => {
  if (upstream === undefined) throw new Error('the ground speaks no BGP')
  return upstream
}

const isBack = async (ground: Ground): Promise<void> => {
  await ground.net.ready()
  await upstreamOf(ground).untilUp()
}

/** A gateway dies, all its processes and cables, and comes back. */
export const gatewayFaults: readonly Fault[] = [
  {
    name: 'gateway killed',
    happen: async ground => {
      await Promise.all([ground.net.crash(FIRST), upstreamOf(ground).silence(FIRST)])
    }
  },
  {
    name: 'gateway back',
    happen: async ground => {
      await ground.net.revive(FIRST)
      await isBack(ground)
    }
  }
]

/** In this order: each begins where the one before has ended. */
export const uplinkFaults: readonly Fault[] = [
  ...gatewayFaults,
  {
    name: 'gateway drained',
    happen: ({ net }) => net.change('host', net.hostId(FIRST), { drain: true })
  },
  {
    name: 'gateway undrained',
    happen: async ground => {
      await ground.net.change('host', ground.net.hostId(FIRST), { drain: false })
      await isBack(ground)
    }
  },
  {
    // Its uplinks are well: routers outside hear of it by what it does not announce any more.
    name: 'gateway cut off',
    happen: async ({ net }) => {
      await net.host(FIRST).ip(`link set ${UNDERLAY} down`)
    },
    after: async ground => {
      await ground.net.host(FIRST).ip(`link set ${UNDERLAY} up`)
      await isBack(ground)
    }
  },
  { name: 'uplink cut', happen: ground => upstreamOf(ground).cut(FIRST, 'r1', true) },
  {
    name: 'uplink mended',
    happen: async ground => {
      await upstreamOf(ground).cut(FIRST, 'r1', false)
      await isBack(ground)
    }
  },
  { name: 'upstream router killed', happen: ground => upstreamOf(ground).kill('r1') },
  {
    name: 'upstream router back',
    happen: async ground => {
      await upstreamOf(ground).revive('r1')
      await isBack(ground)
    }
  },
  {
    name: 'bgpd killed',
    happen: async ground => {
      await upstreamOf(ground).silence(FIRST, 'bgpd')
      await isBack(ground)
    }
  },
  {
    name: 'agent killed',
    happen: ({ net }) => net.kill(FIRST),
    after: async ground => {
      await ground.net.startAgent(FIRST)
      await isBack(ground)
    }
  }
]

/** A gateway's death and return, so many times, at moments of chance that are always the same. */
export function uplinkRounds(rounds: number): Fault[] {
  const random = new SeededRandom(rounds)
  return Array.from({ length: rounds }, (_, i) => i + 1).flatMap(round =>
    gatewayFaults.map(({ name, happen }) => ({
      name: `${name} ${round}`,
      happen: async (ground: Ground): Promise<void> => {
        await sleep(random.below(MOMENT_MS))
        await happen(ground)
      }
    }))
  )
}
