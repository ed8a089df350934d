// What one host asks of another: the questions of the API that only the host's own agent can
// answer, as JSON.  They read; of the routes of plugins those that change something are passed on
// too, once: who asks hears what became of it, or that it is not known.

import Type, { type Static } from 'typebox'
import { checkValue } from '../../topology/validation.ts'
import type { AgentsView } from '../agents.ts'
import { invalid, Refusal } from '../http/refusal.ts'
import { plain } from '../rest/merge.ts'

const LIMIT_MAX = 1000
const TEXT_MAX = 255
const FRAME_MAX = 2 * 65_536

const Limit = Type.Integer({ minimum: 1, maximum: LIMIT_MAX })
const Text = Type.String({ maxLength: TEXT_MAX })
const closed = { additionalProperties: false }

const shapes = {
  interfaces: Type.Object({}, closed),
  flows: Type.Object({ limit: Limit }, closed),
  state: Type.Object(
    {
      limit: Limit,
      kind: Type.Optional(Text),
      protocol: Type.Optional(Text),
      address: Type.Optional(Text)
    },
    closed
  ),
  peers: Type.Object({}, closed),
  trace: Type.Object(
    { port: Text, frame: Type.String({ maxLength: FRAME_MAX, pattern: '^([0-9a-f]{2})+$' }) },
    closed
  ),
  plugin: Type.Object(
    {
      plugin: Text,
      operation: Text,
      query: Type.Record(Type.String(), Type.String()),
      body: Type.Optional(Type.Unknown())
    },
    closed
  )
}

/** What is asked. */
export type Topic = keyof typeof shapes
/** With what. */
export type Details<T extends Topic> = Static<(typeof shapes)[T]>

/** What a route of a plugin does; undefined: the plugin has declared none of that name. */
export type EffectOf = (plugin: string, operation: string) => 'reads' | 'changes' | undefined

/** The agent's answer; throws a Refusal for a question that is none. */
export async function answerOf(
  agents: AgentsView,
  effectOf: EffectOf,
  { host, topic, details }: { host: string; topic: string; details: unknown }
): Promise<unknown> {
  const asked = askedOf(topic, details)
  switch (asked.topic) {
    case 'interfaces':
      return agents.interfaces(host)
    case 'flows':
      return agents.flows(host, asked.details)
    case 'state':
      return agents.state(host, asked.details)
    case 'peers':
      return agents.peers(host)
    case 'trace': {
      const { port: portId, frame } = asked.details
      return agents.trace(host, { portId, frame: Buffer.from(frame, 'hex') })
    }
    case 'plugin': {
      const { plugin, operation, query, body } = asked.details
      if (effectOf(plugin, operation) === undefined) {
        const expected = 'the operation of a route that the plugin has here'
        throw invalid([{ field: 'operation', value: operation, expected }])
      }
      return agents.answer(host, plugin, operation, { query, body })
    }
  }
}

type Asked = { [T in Topic]: { topic: T; details: Details<T> } }[Topic]

function askedOf(topic: string, details: unknown): Asked {
  if (!Object.hasOwn(shapes, topic)) {
    const expected = `one of ${Object.keys(shapes).join(', ')}: is it another version?`
    const message = `the question ${topic.slice(0, TEXT_MAX)} is not known; expected ${expected}`
    throw new Refusal({ status: 501, code: 'UNSUPPORTED', message })
  }
  const faults = checkValue(shapes[topic as Topic], plain(details)) // no deeper than one may walk
  if (faults.length > 0) throw invalid(faults)
  return { topic, details } as Asked
}
