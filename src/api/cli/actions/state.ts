// Flow state, as a person looks at it.

import { usage } from '../client.ts'
import { duration, table } from '../print.ts'
import type { Context } from '../words/context.ts'
import { type Action, ids, nothing, settings } from './action.ts'

const FILTERS = ['kind', 'protocol', 'address', 'limit']

/** What can be asked of flow state. */
export const stateActions: readonly Action[] = [
  {
    noun: 'state',
    verb: 'list',
    words: `HOST [${FILTERS.map(name => `${name}=…`).join('] [')}]`,
    summary: 'List flow state of a host: connections, and what plugins remember.',
    run: list
  },
  {
    noun: 'host',
    verb: 'peers',
    words: 'HOST',
    summary: 'List the other hosts, as they look from this one.',
    run: peers
  },
  {
    noun: 'state',
    verb: 'rotate-key',
    words: '',
    summary: 'Make a new secret for the messages of flow state; nobody is told what it is.',
    async run({ client, out }, words) {
      if (words.length > 0) throw usage('expected mezzo state rotate-key')
      await client.send('DELETE', '/state-key')
      await out({}, nothing)
    }
  }
]

interface State {
  readonly text: string
  readonly isOwn: boolean
  readonly ageMs: number
  readonly idleMs: number
}

async function list({ client, names, out }: Context, words: readonly string[]) {
  const { rest, given } = settings(words, FILTERS)
  const [host] = await ids(rest, [['host']], 'HOST', names)
  const query = given.size === 0 ? '' : `?${new URLSearchParams([...given])}`
  const records = await client.get<State[]>(`/hosts/${host}/state${query}`)
  const rows = records.map(({ text, isOwn, ageMs, idleMs }) => [
    duration(ageMs),
    duration(idleMs),
    isOwn ? 'here' : 'elsewhere',
    text
  ])
  const head = ['age', 'idle', 'made', 'state']
  await out(records, async () => (rows.length === 0 ? 'no state' : table(head, rows)))
}

interface Peer {
  readonly host: string
  readonly alive: boolean
  readonly agentAlive: boolean
}

async function peers({ client, names, out }: Context, words: readonly string[]) {
  const [host] = await ids(words, [['host']], 'HOST', names)
  const all = await client.get<Peer[]>(`/hosts/${host}/peers`)
  await out(all, async () => {
    const rows: string[][] = []
    for (const { host: other, alive, agentAlive } of all)
      rows.push([
        await names.label(['host'], other),
        alive ? 'alive' : 'dead',
        agentAlive ? 'takes state' : 'away'
      ])
    return rows.length === 0 ? 'no other hosts' : table(['host', 'host is', 'agent'], rows)
  })
}
