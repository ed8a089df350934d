// What may happen to hosts and ports while connections go on.

import type { Fault } from './crowds.ts'
import { classes, type Ground } from './ground.ts'

async function move(ground: Ground, to: string): Promise<void> {
  for (const name of classes) await ground.net.move(ground.vms.get(name)!, to)
}

async function restart({ net }: Ground, hosts: readonly string[]): Promise<void> {
  await Promise.all(hosts.map(host => net.kill(host)))
  await Promise.all(hosts.map(host => net.startAgent(host)))
  await net.ready()
}

/** In this order: each begins where the one before has ended. */
export const faults: readonly Fault[] = [
  {
    name: 'gateway killed',
    happen: async ground => {
      await Promise.all([ground.net.crash('gateway1'), ground.returnBy('gateway2')])
    }
  },
  {
    name: 'gateway back',
    happen: async ground => {
      await ground.net.revive('gateway1')
      await ground.net.ready()
      await ground.returnBy('gateway1')
    }
  },
  { name: 'port moved', happen: ground => move(ground, 'compute2') },
  { name: 'port moved back', happen: ground => move(ground, 'compute1') },
  { name: 'compute restarted', happen: ground => restart(ground, ['compute1']) },
  { name: 'gateway restarted', happen: ground => restart(ground, ['gateway1']) },
  { name: 'all restarted', happen: ground => restart(ground, [...ground.net.hosts]) },
  {
    // The second time before they have told each other all, or are confirmed.
    name: 'all restarted twice',
    happen: async ground => {
      await restart(ground, [...ground.net.hosts])
      await restart(ground, [...ground.net.hosts])
    }
  }
]
