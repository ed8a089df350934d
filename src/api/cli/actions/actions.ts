// The verbs that belong to one noun: links, interfaces, flows, traces, metrics; bindings, state and
// the demo have files of their own.

import { visible } from '../../../core/config/visible.ts'
import { Exit, Failure, usage } from '../client.ts'
import { duration, pairs, type Rows, table } from '../print.ts'
import type { Context } from '../words/context.ts'
import { type Action, ids, nothing } from './action.ts'
import { bindingActions } from './bindings.ts'
import { completionOf } from './completion.ts'
import { demoActions } from './demo.ts'
import { drainActions } from './drain.ts'
import { stateActions } from './state.ts'
import { storeActions } from './store.ts'

/** All actions, in the order of the help. */
export const actions: readonly Action[] = [
  {
    noun: 'port',
    verb: 'link',
    words: 'PORT PORT',
    summary: 'Link two free ports.',
    async run({ client, names, out }, words) {
      const [a, b] = await ids(words, [['port'], ['port']], 'PORT PORT', names)
      const answer = await client.send('POST', `/ports/${a}/link`, { peer: b })
      await out(answer, nothing)
    }
  },
  {
    noun: 'port',
    verb: 'unlink',
    words: 'PORT',
    summary: 'Take the link of a port away, at both ends.',
    async run({ client, names, out }, words) {
      const [id] = await ids(words, [['port']], 'PORT', names)
      await client.send('DELETE', `/ports/${id}/link`)
      await out({ id }, nothing)
    }
  },
  ...bindingActions,
  ...stateActions,
  ...drainActions,
  ...storeActions,
  {
    noun: 'host',
    verb: 'interfaces',
    words: 'HOST',
    summary: 'List the network interfaces of a host.',
    run: listInterfaces
  },
  {
    noun: 'agent',
    verb: 'list',
    words: '',
    summary: 'List the agents that report.',
    async run({ client, out }) {
      const agents = await client.get<{ id: string; name: string; alive: boolean }[]>('/agents')
      const rows = agents.map(({ id, name, alive }) => [id, name, alive ? 'yes' : 'no'])
      await out(agents, async () => table(['host', 'name', 'alive'], rows))
    }
  },
  {
    noun: 'flow',
    verb: 'list',
    words: 'HOST [limit=N]',
    summary: 'List flows that are in the kernel of a host.',
    run: listFlows
  },
  {
    noun: 'trace',
    verb: undefined,
    words: "PORT|HOST:INTERFACE 'PACKET' | frame=HEX",
    summary: 'Walk a packet and tell the walk; nothing is sent.',
    run: trace
  },
  {
    noun: 'metrics',
    verb: undefined,
    words: '[FILTER]',
    summary: 'Print counters whose line contains the filter.',
    async run({ client, out }, words) {
      if (words.length > 1) throw usage('expected mezzo metrics [FILTER]')
      const lines = (await client.text('/metrics')).split('\n')
      const wanted = lines.filter(line => line !== '' && !line.startsWith('#'))
      const found = wanted.filter(line => isNamed(line, words[0] ?? ''))
      await out(found, async () => (found.length === 0 ? 'no such counter' : found.join('\n')))
    }
  },
  {
    noun: 'health',
    verb: undefined,
    words: '',
    summary: 'Say whether the server can do its work.',
    withoutModels: true, // it asks for no token
    async run({ client, out }) {
      const { isWell, said } = await client.report<Readonly<Record<string, unknown>>>('/health')
      const rows = Object.entries(said).map(([name, value]) => [name, [value].flat().join('\n')])
      await out(said, async () => pairs(rows.filter(([, value]) => value !== '')))
      if (!isWell) throw new Failure(Exit.refused, 'the server is not well')
    }
  },
  completionOf(() => actions),
  ...demoActions
]

// A counter by either of its names: that of the documents, flows.made or drop.router.no-route, or
// that of Prometheus.
function isNamed(line: string, filter: string): boolean {
  if (line.includes(filter)) return true
  const [text, wanted] = [line, filter].map(each => each.toLowerCase().replace(/[.-]/g, '_'))
  if (text!.includes(wanted!)) return true
  const reason = /^drops?_(.*)$/.exec(wanted!)?.[1]
  return reason !== undefined && text!.startsWith('mezzo_drops') && text!.includes(`"${reason}`)
}

interface Interface {
  readonly name: string
  readonly index: number
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  readonly addresses: readonly string[]
  readonly port?: string
}

async function listInterfaces({ client, names, out }: Context, words: readonly string[]) {
  const [host] = await ids(words, [['host']], 'HOST', names)
  const interfaces = await client.get<Interface[]>(`/hosts/${host}/interfaces`)
  await out(interfaces, async () => {
    const rows: string[][] = []
    for (const { name, index, mac, mtu, up, addresses, port } of interfaces) {
      const label = port === undefined ? '-' : await names.label(['port'], port)
      rows.push([
        name,
        String(index),
        mac,
        String(mtu),
        up ? 'up' : 'down',
        label,
        addresses.join(' ')
      ])
    }
    return table(['name', 'index', 'mac', 'mtu', 'state', 'port', 'addresses'], rows)
  })
}

interface Flow {
  readonly key: string
  readonly actions: readonly string[]
  readonly packets: number
  readonly bytes: number
  readonly ageMs: number
  readonly idleMs: number
}

async function listFlows({ client, names, out }: Context, words: readonly string[]) {
  const limit = words.find(word => word.startsWith('limit='))
  const rest = words.filter(word => word !== limit)
  const [host] = await ids(rest, [['host']], 'HOST [limit=N]', names)
  const query = limit === undefined ? '' : `?limit=${encodeURIComponent(limit.slice(6))}`
  const flows = await client.get<Flow[]>(`/hosts/${host}/flows${query}`)
  const rows: Rows = flows.map(flow => [
    String(flow.packets),
    String(flow.bytes),
    duration(flow.ageMs),
    duration(flow.idleMs),
    flow.key,
    flow.actions.join(', ') || 'drop'
  ])
  const head = ['packets', 'bytes', 'age', 'idle', 'key', 'actions']
  await out(flows, async () => (rows.length === 0 ? 'no flows' : table(head, rows)))
}

interface Walk {
  readonly packet: string
  readonly assumed: readonly string[]
  readonly lines: readonly string[]
  readonly verdict: string
  readonly dropReason: string | null
  readonly mask: readonly string[]
  readonly actions: readonly string[]
  readonly tags: readonly string[]
}

async function trace({ client, names, out }: Context, words: readonly string[]) {
  const [where, ...rest] = words
  if (where === undefined || rest.length === 0)
    throw usage("expected mezzo trace PORT 'icmp 10.0.1.5 > 10.0.2.7'")
  const text = rest.join(' ')
  const what = text.startsWith('frame=') ? { frame: text.slice(6) } : { packet: text }
  const walk = await client.send<Walk>('POST', '/trace', { ...(await entry()), ...what })
  await out(walk, async () => walkText(walk!))

  // HOST:INTERFACE when there is such a host, a port otherwise (which may be DEVICE:NAME).
  async function entry(): Promise<object> {
    const [host, name] = where!.split(':', 2)
    if (name !== undefined) {
      const hosts = await client.all(`/hosts?name=${encodeURIComponent(host!)}`)
      if (hosts.length === 1) return { host: hosts[0]!.id, interface: name }
    }
    return { port: await names.id(['port'], where!) }
  }
}

function walkText(walk: Walk): string {
  const verdict = walk.dropReason === null ? walk.verdict : `${walk.verdict} ${walk.dropReason}`
  const rows = [
    ['packet', walk.packet],
    ...(walk.assumed.length > 0 ? [['assumed', walk.assumed.join(', ')]] : [])
  ]
  const end = [
    ['verdict', verdict],
    ['mask', walk.mask.join(', ') || 'none'],
    ['actions', walk.actions.join(', ') || (walk.verdict === 'drop' ? 'drop' : 'none')],
    ['tags', walk.tags.join(', ') || 'none']
  ]
  const lines = walk.lines.map(line => `  ${visible(line)}`)
  return [pairs(rows), ...lines, pairs(end)].join('\n')
}
