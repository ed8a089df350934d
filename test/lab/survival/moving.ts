// VMs that move to and fro while connections of theirs go on: none of those may be lost, and after
// each move new ones must open.

import { call } from '../../../src/lab/index.ts'
import { keepsInvariants } from '../fixtures/index.ts'
import { Crowds, type Outcome } from './crowds.ts'
import { type Class, Ground } from './ground.ts'

export interface Moving {
  readonly moves: number
  readonly opened: number
  readonly failed: number
  readonly outcomes: readonly Outcome[]
}

const CLASSES: readonly Class[] = ['plain', 'snat']
const PER_SECOND = 200

/** `each`: connections of a class that go on, and new ones after each move. */
export async function moving(prefix: string, moves: number, each: number): Promise<Moving> {
  const ground = await Ground.open({ prefix, processes: false })
  try {
    const crowds = await Crowds.open(ground, each / 2, CLASSES)
    let opened = 0
    let failed = 0
    const happen = async (): Promise<void> => {
      for (let i = 0; i < moves; i++) {
        const to = i % 2 === 0 ? 'compute2' : 'compute1'
        for (const name of CLASSES) await ground.net.move(ground.vms.get(name)!, to)
        for (const name of CLASSES) {
          const { from, to: whom } = ground.client(name)
          const { port } = ground.servers.get(name)!
          const calls = await call(from, whom, { port, count: each, perSecond: PER_SECOND })
          opened += calls.done
          failed += calls.failed
        }
      }
    }
    const outcomes = await crowds.suffer({ name: `${moves} moves`, happen })
    await keepsInvariants(ground.net, 'after the last move')
    await crowds.close()
    return { moves, opened, failed, outcomes }
  } finally {
    await ground.close()
  }
}
