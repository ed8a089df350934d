// The schemas of what is no model: agents, flows, walks, errors.

import type { JsonSchema } from '../../core/config/schema.ts'
import { record, text, texts, UUID, whole, yes } from './shapes.ts'

const fault = {
  type: 'object',
  properties: {
    field: text('where: the path of a field, a header, a query parameter'),
    value: { description: 'what came; null when nothing did' },
    expected: text('what would have been right')
  },
  required: ['field', 'value', 'expected'],
  additionalProperties: false
} as const satisfies JsonSchema

const ID = '6f1c0a52-3b7e-4d11-9a53-0d5a1f6b2c01'
const OTHER = '0b9d7c44-91f2-4a3e-8e5b-7a2c4d6e8f02'

/** Schemas of what is no model: agents, flows, errors. */
export const plainSchemas: readonly JsonSchema[] = [
  record(
    'Error',
    'Why a request was refused. Nothing has changed.',
    {
      error: {
        type: 'object',
        properties: {
          code: text('INVALID, NOT_FOUND, EXISTS, REFERENCED, CONFLICT, PRECONDITION …'),
          message: text('one sentence for people'),
          faults: { type: 'array', items: fault }
        },
        required: ['code', 'message', 'faults'],
        additionalProperties: false
      }
    },
    {
      error: {
        code: 'INVALID',
        message: 'name is 7; expected text of 1 to 255 characters',
        faults: [{ field: 'name', value: 7, expected: 'text of 1 to 255 characters' }]
      }
    }
  ),
  record('Link', 'The port at the other end.', { peer: UUID }, { peer: OTHER }),
  record(
    'BindingPut',
    'Where a port meets the physical world.',
    {
      host: UUID,
      interface: { type: 'string', minLength: 1, maxLength: 15, format: 'interface' },
      previousHost: { ...UUID, description: 'where the port is now, or was last' }
    },
    { host: OTHER, interface: 'tap0' },
    ['previousHost']
  ),
  record(
    'Binding',
    'A port and the interface it is bound to.',
    {
      port: UUID,
      host: UUID,
      interface: text('name of the interface'),
      previousHost: { ...UUID, description: 'where it was bound before' }
    },
    { port: ID, host: OTHER, interface: 'tap0' },
    ['previousHost']
  ),
  record(
    'Agent',
    'An agent that reports to this API.',
    {
      id: UUID,
      name: text('of its host'),
      alive: yes('it has reported lately'),
      lastSeen: text('when it had, of one that is not alive')
    },
    { id: OTHER, name: 'compute1', alive: true },
    ['lastSeen']
  ),
  record(
    'Interface',
    'A network interface of a host.',
    {
      name: text('as the kernel calls it'),
      index: whole('as the kernel numbers it'),
      mac: { type: 'string', format: 'mac' },
      mtu: whole('bytes'),
      up: yes('administratively up, with carrier'),
      addresses: texts('its own'),
      port: { ...UUID, description: 'the port bound to it' }
    },
    {
      name: 'tap0',
      index: 7,
      mac: '02:00:00:00:00:01',
      mtu: 1500,
      up: true,
      addresses: ['10.0.0.1']
    },
    ['port']
  ),
  record(
    'Flow',
    'One line of the live flow table of a host.',
    {
      id: whole('while it lives, on its host'),
      key: text('the fields it asks for, with the values and bits it wants'),
      mask: text('all words of the mask, in hexadecimal'),
      actions: texts('what is done with its packets; none: they are dropped'),
      packets: whole('since it was installed'),
      bytes: whole('since it was installed'),
      ageMs: whole('since it was installed'),
      idleMs: whole('since it was last used')
    },
    {
      id: 3,
      key: 'in-port=7,eth-type=ipv4,ip-dst=10.0.2.0/24',
      mask: '000000ff',
      actions: ['set-eth-src 02:4d:00:00:00:02', 'ttl -1', 'output 9'],
      packets: 12,
      bytes: 1176,
      ageMs: 11000,
      idleMs: 950
    }
  ),
  record(
    'State',
    'One record of flow state of a host.',
    {
      kind: text('connection, or a kind that a plugin has declared'),
      protocol: text('tcp, udp, icmp, icmpv6, or protocol and its number'),
      text: text('both directions and what is known of it, as a trace has it'),
      ingress: whole("number of the port where its opener's packets come in; 0: none"),
      egress: whole('number of the port where they leave'),
      scope: text('of its key, in hexadecimal: the device it is of'),
      opening: text('when and by whom it was opened: of two of one key the greater stands'),
      isOwn: yes('made on this host, not learned from another'),
      ageMs: whole('since it was made'),
      idleMs: whole('since it was last used')
    },
    {
      kind: 'connection',
      protocol: 'tcp',
      text: 'connection tcp 10.0.1.5:1234 > 10.0.2.7:80 | 10.0.2.7:80 > 10.0.1.5:1234 replied',
      ingress: 7,
      egress: 9,
      scope: '86e644ac05880443',
      opening: '69257e20000000011a235051',
      isOwn: true,
      ageMs: 11000,
      idleMs: 950
    }
  ),
  record(
    'Peer',
    'Another host, as it looks from one.',
    {
      host: UUID,
      alive: yes('it answers, be it only its kernel'),
      agentAlive: yes('and its agent takes flow state')
    },
    { host: OTHER, alive: true, agentAlive: true }
  ),
  record(
    'Trace',
    'A packet and the port it enters, by id or by the interface it is bound to.',
    {
      port: UUID,
      host: { ...UUID, description: 'with `interface`; with `port`: the host that walks' },
      interface: text('with `host`'),
      packet: {
        description: 'text such as "icmp 10.0.1.5 > 10.0.2.7", or an object of the same fields',
        anyOf: [{ type: 'string', maxLength: 1024 }, { type: 'object' }]
      },
      frame: text('the whole frame in hexadecimal, instead of `packet`')
    },
    { port: ID, packet: 'icmp 10.0.1.5 > 10.0.2.7' },
    ['port', 'host', 'interface', 'packet', 'frame']
  ),
  record(
    'Batch',
    'Objects to be made together, each with its kind.',
    {
      objects: {
        type: 'array',
        minItems: 1,
        maxItems: 1000,
        items: { type: 'object', properties: { kind: text('as GET /models names it') } },
        description: 'fields as in a POST of the kind; an `id` of its own lets others refer to it'
      }
    },
    { objects: [{ kind: 'port-group', id: ID, name: 'uplinks' }] }
  ),
  record(
    'BatchResult',
    'The ids of what was made, in the order of the batch.',
    { ids: { type: 'array', items: UUID } },
    { ids: [ID] }
  ),
  record(
    'TraceResult',
    'The walk of a packet, told in lines.',
    {
      port: UUID,
      host: UUID,
      packet: text('the frame that was walked'),
      assumed: texts('what the description did not say and we filled in'),
      lines: texts('the walk'),
      verdict: text('how it ended: forward, flood, drop, consume, postpone'),
      dropReason: { anyOf: [text('room.why'), { type: 'null' }] },
      mask: texts('the fields that were asked'),
      actions: texts('what a flow would do'),
      tags: texts('what the outcome depends on')
    },
    {
      port: ID,
      host: OTHER,
      packet: '02:4d:00:00:00:05 > 02:4d:00:00:00:01 IPv4 10.0.1.5 > 10.0.2.7 ttl 64 ICMP echo',
      assumed: ['src=02:4d:00:00:00:05'],
      lines: ['in   a of device 6d2f01c4', 'out  b of device 6d2f01c4'],
      verdict: 'forward',
      dropReason: null,
      mask: ['eth-dst'],
      actions: ['output 9'],
      tags: ['6d2f01c4']
    }
  ),
  record(
    'Store',
    'How the store is, as this server sees it.',
    {
      kind: { type: 'string', enum: ['sqlite', 'zookeeper'] },
      where: text('its file, or the servers and the node below which it is'),
      state: {
        type: 'string',
        enum: ['connected', 'away', 'halted'],
        description: 'away: what is known is served; halted: no changes until it is mended'
      },
      fault: text('why it is not well'),
      lastError: text('what went wrong last, also when all is well again'),
      session: text('of this server, as the commands of ZooKeeper show it'),
      sessionMs: { type: 'integer', description: 'how long the servers keep the session' },
      change: { type: 'integer', description: 'number of the last change that is here' },
      awayMs: { type: 'number', description: 'for how long there has been no connection' },
      lagMs: { type: 'number', description: 'age of known changes that are not here yet' },
      counters: { type: 'object', additionalProperties: { type: 'number' } }
    },
    {
      ...{ kind: 'sqlite', where: 'var/mezzo.db', state: 'connected' },
      ...{ change: 17, awayMs: 0, lagMs: 0, counters: {} }
    }
  ),
  record(
    'Health',
    'Whether this API can do its work.',
    {
      status: { type: 'string', enum: ['ok', 'degraded', 'failing'] },
      store: text('ok, or why it cannot be written, or read'),
      notes: { type: 'array', items: text('worth knowing, in the way of nobody') }
    },
    { status: 'ok', store: 'ok', notes: [] }
  )
]

/** One of them; throws when there is none of that name. */
export function schemaNamed(name: string): JsonSchema {
  const schema = plainSchemas.find(each => each.$id === name)
  if (schema === undefined) throw new Error(`there is no schema ${name}`)
  return schema
}
