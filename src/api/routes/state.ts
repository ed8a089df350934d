// What there is to know and to do about flow state: what a host has of it, how other hosts look
// from there, and a new secret for all of them.

import type { FastifyInstance } from 'fastify'
import type { Fault } from '../../topology/model.ts'
import { rotateStateKey } from '../../topology/state-key.ts'
import { refTo } from '../document/schemas.ts'
import { invalid } from '../http/refusal.ts'
import { AGENT_TIMEOUT_MS, mustReport } from './hosts.ts'
import { idOf, queryOf } from './request.ts'
import { addRoute, pageQuery } from './route.ts'
import type { Served } from './served.ts'

const PROTOCOLS = ['tcp', 'udp', 'icmp', 'icmpv6']
const LINES_MAX = 1000
const ADDRESS_LENGTH_MAX = 64

/** Routes about what a host remembers of flows, and with whom it shares it. */
export function addStateRoutes(app: FastifyInstance, served: Served): void {
  const { objects, agents, stateKinds: kinds } = served
  addRoute(app, {
    url: '/hosts/:id/state',
    tag: 'hosts',
    method: 'GET',
    id: 'listState',
    summary: 'List flow state of a host: connections, and what plugins remember.',
    query: {
      limit: pageQuery(LINES_MAX).limit!,
      kind: { type: 'string', enum: [...kinds] },
      protocol: { type: 'string', description: `${PROTOCOLS.join(', ')}, or a number` },
      address: { type: 'string', description: 'of any end, with or without a port' }
    },
    answers: {
      200: { description: 'Some of it.', schema: { type: 'array', items: refTo('State') } }
    },
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request) {
      const { id } = await objects.read('host', idOf(request))
      const { limit, filters } = queryOf(request, ['kind', 'protocol', 'address'])
      const query = { limit, ...filters, protocol: protocolOf(filters.protocol) }
      checkFilters(query, kinds)
      await mustReport(agents, id)
      return agents.state(id, query)
    }
  })
  addRoute(app, {
    url: '/hosts/:id/peers',
    tag: 'hosts',
    method: 'GET',
    id: 'listPeer',
    summary: 'List the other hosts, as they look from this one.',
    answers: {
      200: { description: 'Of its tunnel zones.', schema: { type: 'array', items: refTo('Peer') } }
    },
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request) {
      queryOf(request, [])
      const { id } = await objects.read('host', idOf(request))
      await mustReport(agents, id)
      return agents.peers(id)
    }
  })
}

// As a record's line has it: numbers of protocols without a name are `protocol 47`.
const protocolOf = (text: string | undefined): string | undefined =>
  text !== undefined && /^[0-9]{1,3}$/.test(text) ? `protocol ${text}` : text

function checkFilters(
  query: { kind?: string; protocol?: string | undefined; address?: string },
  kinds: readonly string[]
) {
  const { kind, protocol, address } = query
  const faults: Fault[] = []
  if (kind !== undefined && !kinds.includes(kind))
    faults.push({ field: 'kind', value: kind, expected: `one of ${kinds.join(', ')}` })
  const isKnown = protocol === undefined || PROTOCOLS.includes(protocol)
  if (!isKnown && !protocol.startsWith('protocol ')) {
    const expected = `one of ${PROTOCOLS.join(', ')}, or a number`
    faults.push({ field: 'protocol', value: protocol, expected })
  }
  if (address !== undefined && address.length > ADDRESS_LENGTH_MAX)
    faults.push({ field: 'address', value: address, expected: 'an address such as 10.0.1.5:80' })
  if (faults.length > 0) throw invalid(faults)
}

/** The route that changes the secret of flow state. */
export function addStateKeyRoute(app: FastifyInstance, { store, random }: Served): void {
  addRoute(app, {
    url: '/state-key',
    tag: 'state',
    method: 'DELETE',
    id: 'rotateStateKey',
    summary: 'Give the secret of flow state up for a new one; nobody is told either.',
    answers: { 204: { description: 'The agents hear of it at once.' } },
    async handle(request, reply) {
      queryOf(request, [])
      await rotateStateKey(store, random)
      return reply.code(204).send()
    }
  })
}
