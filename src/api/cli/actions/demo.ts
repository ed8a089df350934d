// Faults for the running demo (`npm start`), from another terminal; a bare appliance knows none.

import { type Client, Exit, Failure, usage } from '../client.ts'
import { table } from '../print.ts'
import type { Context } from '../words/context.ts'
import type { Action } from './action.ts'

/** A server of Java that comes back takes a minute on a busy machine; it is waited for. */
export const PATIENCE_MS = 300_000

interface Standing {
  readonly class: string
  readonly speaks: string
  readonly total: number
  readonly alive: number
  readonly resets: number
  readonly gap_ms: number
}

/** What can be asked of a running demo. */
export const demoActions: readonly Action[] = [
  {
    noun: 'demo',
    verb: 'list',
    words: '',
    summary: "List the demo's connections: how many live, and their longest silence.",
    withoutModels: true,
    run: list
  },
  faultOf('kill', ['host'], 'A gateway dies, agent and cables; or a server, or a router outside.'),
  faultOf('stop', ['host'], 'All servers of a kind die: zookeeper.'),
  faultOf('restore', ['host'], 'It comes back, or they do.'),
  faultOf('restart', ['host'], 'The agent of a host crashes and is started again.'),
  faultOf('cut', ['host', 'upstream'], 'The cable of a gateway and a router outside is cut.'),
  faultOf('mend', ['host', 'upstream'], 'It is whole again.'),
  faultOf('drain', ['host'], 'Lead traffic from outside away from a gateway.'),
  faultOf('undrain', ['host'], 'It takes traffic from outside again.'),
  faultOf('move', ['vm', 'host'], 'A virtual machine moves to another host.')
]

function faultOf(verb: string, fields: readonly string[], summary: string): Action {
  const shape = fields.map(field => field.toUpperCase()).join(' ')
  return {
    noun: 'demo',
    verb,
    words: shape,
    summary,
    withoutModels: true, // the controller that has them may be dead
    async run({ client, out }, words) {
      if (words.length !== fields.length) throw usage(`expected mezzo demo ${verb} ${shape}`)
      await mustRun(client)
      const body = Object.fromEntries(fields.map((field, i) => [field, words[i]]))
      const path = `/demo/${verb}`
      const answer = await client.send<{ done: string }>('POST', path, body, PATIENCE_MS)
      await out(answer, async () => answer?.done)
    }
  }
}

async function list({ client, out }: Context, words: readonly string[]): Promise<void> {
  if (words.length > 0) throw usage('expected mezzo demo list')
  await mustRun(client)
  const { connections } = await client.get<{ connections: readonly Standing[] }>('/demo')
  const rows = connections.map(each => [
    each.class,
    each.speaks,
    `${each.alive}/${each.total}`,
    String(each.resets),
    `${each.gap_ms} ms`
  ])
  const head = ['connections', 'who speaks', 'alive', 'resets', 'longest gap']
  await out(connections, async () => table(head, rows))
}

async function mustRun(client: Client): Promise<void> {
  if (await client.offers('/demo')) return
  throw new Failure(Exit.refused, 'no demo runs here: the server is an appliance; try npm start')
}
