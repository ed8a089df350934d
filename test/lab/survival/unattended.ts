// A gateway whose agent is killed while its kernel and its links stay: from a second later on new
// connections open as ever, by the other gateway, and those that are there go on.

import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../../../src/lab/index.ts'
import { keepsInvariants } from '../fixtures/index.ts'
import { Crowds, type Outcome } from './crowds.ts'
import { Ground } from './ground.ts'

export interface Unattended {
  readonly seconds: number
  readonly connections: number
  readonly failed: number
  /** That took a second and more to connect. */
  readonly slow: number
  readonly no_neighbour: number
  readonly outcomes: readonly Outcome[]
}

const NOTICED_MS = 1000
const WARM = 600
const DROPS = 'drop.router.no-neighbour'

export interface UnattendedOptions {
  readonly prefix: string
  readonly seconds: number
  readonly perSecond: number
  readonly atOnce?: number
  readonly each: number // long-lived connections of a class and direction
}

export async function unattended(options: UnattendedOptions): Promise<Unattended> {
  const { prefix, seconds, perSecond, atOnce, each } = options
  const ground = await Ground.open({ prefix })
  try {
    await ground.returnBy('gateway2') // what a routing protocol would see to
    const crowds = await Crowds.open(ground, each, ['plain', 'snat', 'firewall'])
    const { from, to } = ground.client('snat')
    const { port } = ground.servers.get('snat')!
    await call(from, to, { port, count: WARM, perSecond: 100 }) // walks are compiled
    let calls = { connections: 0, failed: 0, slow: 0 }
    const happen = async (): Promise<void> => {
      await ground.net.kill('gateway1')
      await sleep(NOTICED_MS)
      calls = await call(from, to, { port, count: seconds * perSecond, perSecond, atOnce })
    }
    const outcomes = await crowds.suffer({ name: 'agent of gateway1 killed', happen })
    await keepsInvariants(ground.net, 'without the agent of gateway1')
    await crowds.close()
    const { connections, failed, slow } = calls
    const hosts = [...ground.net.hosts].filter(host => host !== 'gateway1')
    const counted = await Promise.all(hosts.map(host => ground.net.agent(host).counters()))
    const no_neighbour = counted.reduce((sum, counters) => sum + (counters[DROPS] ?? 0), 0)
    return { seconds, connections, failed, slow, no_neighbour, outcomes }
  } finally {
    await ground.close()
  }
}
