// Where ports meet the physical world: bind, move, unbind, and the list of it.

import { SystemClock, sleep } from '../../../core/clock.ts'
import { visible } from '../../../core/config/visible.ts'
import { AGENT_SILENT } from '../../../topology/ports/port-status.ts'
import { type Client, usage } from '../client.ts'
import { table } from '../print.ts'
import type { Context } from '../words/context.ts'
import { type Action, ids, nothing, settings } from './action.ts'

const PLACE = 'PORT HOST INTERFACE'
const FROM = '[previousHost=HOST]'

/** What can be done with a port's binding. */
export const bindingActions: readonly Action[] = [
  {
    noun: 'port',
    verb: 'bind',
    words: `${PLACE} ${FROM}`,
    summary: 'Bind a free port, or one on previousHost, to an interface of a host.',
    run: (context, words) => place(context, words, 'PUT', 'binding')
  },
  {
    noun: 'port',
    verb: 'move',
    words: `${PLACE} ${FROM}`,
    summary: 'Move a bound port to another interface, as one change.',
    run: (context, words) => place(context, words, 'POST', 'move')
  },
  {
    noun: 'port',
    verb: 'unbind',
    words: 'PORT [HOST]',
    summary: 'Take the binding of a port away; with HOST, only if it is bound there.',
    async run({ client, names, out }, words) {
      const kinds = words.length === 2 ? [['port'], ['host']] : [['port']]
      const [id, host] = await ids(words, kinds, 'PORT [HOST]', names)
      const query = host === undefined ? '' : `?host=${host}`
      await client.send('DELETE', `/ports/${id}/binding${query}`)
      await out({ id }, nothing)
    }
  },
  {
    noun: 'binding',
    verb: 'list',
    words: '[HOST]',
    summary: 'List which port is bound to which interface.',
    run: list
  }
]

async function place(
  { client, names, out }: Context,
  words: readonly string[],
  method: string,
  path: string
): Promise<void> {
  const { rest, given } = settings(words, ['previousHost'])
  const [id, host] = await ids(rest, [['port'], ['host'], []], PLACE, names)
  const before = given.get('previousHost')
  const from = before === undefined ? {} : { previousHost: await names.id(['host'], before) }
  const body = { host, interface: rest[2], ...from }
  const answer = await client.send(method, `/ports/${id}/${path}`, body)
  await out(answer, async () => waitingText(client, id!, rest[0]!))
}

// Its agent is on another machine, perhaps: a moment for its word.
const LOOKS = 10
const LOOK_MS = 50

interface PortState {
  readonly state?: string
  readonly stateReason?: string
}

// Nothing is said of a port that is up; of another, what it waits for.
async function waitingText(client: Client, id: string, name: string): Promise<string | undefined> {
  const clock = new SystemClock()
  for (let look = 1; ; look++) {
    const { state, stateReason } = await client.get<PortState>(`/ports/${id}`)
    if (state === 'up') return undefined
    const isSilent = stateReason === AGENT_SILENT
    if (!isSilent || look >= LOOKS)
      return `${visible(name)} is not up: ${visible(stateReason ?? '')}`
    await sleep(clock, LOOK_MS)
  }
}

interface Binding {
  readonly port: string
  readonly host: string
  readonly interface: string
}

async function list({ client, names, out }: Context, words: readonly string[]) {
  if (words.length > 1) throw usage('expected mezzo binding list [HOST]')
  const query = words[0] === undefined ? '' : `?host=${await names.id(['host'], words[0])}`
  const bindings = await client.all<Binding>(`/bindings${query}`)
  await out(bindings, async () => {
    const rows: string[][] = []
    for (const { port, host, interface: name } of bindings)
      rows.push([await names.label(['port'], port), await names.label(['host'], host), name])
    return rows.length === 0 ? 'no bindings' : table(['port', 'host', 'interface'], rows)
  })
}
