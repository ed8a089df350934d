// How BGP is on this host, as its route of the API and `mezzo bgp status` show it: flat lists, one
// line for each port, session and network. gateway.test.ts holds it.

import type { JsonSchema } from '../../../src/control.ts'
import type { BgpEngine } from '../engine/engine.ts'
import type { Gateway } from './gateway.ts'

const text = (description: string): JsonSchema => ({ type: 'string', description })
const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] })
const whole = (description: string): JsonSchema => ({ type: 'integer', description })
const list = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: 'array',
  items: { type: 'object', properties, required: Object.keys(properties) }
})
const port = text('id of the uplink port')

/** What the route answers. */
export const statusSchema: JsonSchema = {
  type: 'object',
  properties: {
    engine: orNull(text('the version of FRR that speaks; null: none does')),
    reason: orNull(text('why none does')),
    drained: { type: 'boolean', description: 'traffic from outside is led elsewhere' },
    ports: list({
      port,
      router: text('id of its router'),
      asn: orNull(whole('our autonomous system')),
      routerId: orNull(text('who we are')),
      state: text('none: nothing is declared; opening, working, failed'),
      routes: whole('prefixes learned'),
      default: orNull(text('families of which the default route is learned; null: of none')),
      reason: orNull(text('why it is not working'))
    }),
    sessions: list({
      port,
      peer: text('id of the bgp-peer'),
      name: text("the peer's, or its address"),
      address: text('of the peer'),
      asn: whole('of the peer'),
      state: text('of RFC 4271: idle, connect, active, open-sent, open-confirm, established'),
      since: orNull(text('when it was established')),
      received: whole('prefixes it tells'),
      sent: whole('prefixes it is told'),
      flaps: whole('how often it was established and is not any more'),
      bfd: orNull(text('up, down, init; null: it is not asked for')),
      reason: orNull(text('what went wrong last'))
    }),
    static: list({
      port,
      uplink: text('id of the static-uplink'),
      name: text('its own, or its address'),
      address: text('of the next hop'),
      state: text('of BFD: up, down, init, admin-down; unwatched: it is without'),
      since: orNull(text('when it came up')),
      flaps: whole('how often it was up and is not any more'),
      reason: orNull(text('why it is not up, or is taken last'))
    }),
    networks: list({
      port,
      network: text('id of the bgp-network'),
      prefix: text('of the network'),
      announced: { type: 'boolean', description: 'at this port' },
      reasons: {
        type: 'array',
        items: text('host-drained, router-down, port-down, port-inactive, cut-off, uplink-network'),
        description: 'why not'
      }
    }),
    refused: list({
      port,
      prefix: text('told by a peer, and nobody is led there'),
      within: text('what it is, or lies in: a bgp-network, or a network of a port of the router')
    })
  },
  required: ['engine', 'reason', 'drained', 'ports', 'sessions', 'static', 'networks', 'refused']
}

/** How it is now. */
export function statusOf(gateway: Gateway, { status }: Pick<BgpEngine, 'status'>): object {
  const { uplinks } = gateway
  return {
    engine: status.version,
    reason: status.reason,
    drained: gateway.isDrained,
    ports: uplinks.map(({ port, router, asn, routerId, state, routes, defaults, reason }) => ({
      ...{ port, router, asn, routerId, state, routes },
      ...{ default: defaults.length === 0 ? null : defaults.join(', '), reason }
    })),
    sessions: uplinks.flatMap(({ port, sessions }) =>
      sessions.map(session => ({
        ...{ port, peer: session.peer, name: session.name, address: session.address },
        ...{ asn: session.asn, state: session.state },
        since: session.upSinceMs === null ? null : new Date(session.upSinceMs).toISOString(),
        ...{ received: session.prefixesReceived, sent: session.prefixesSent },
        ...{ flaps: session.flaps, bfd: session.bfd, reason: session.damped ?? session.lastError }
      }))
    ),
    static: uplinks.flatMap(({ port, statics }) =>
      statics.map(({ id: uplink, name, address, state, since, flaps, reason }) => ({
        ...{ port, uplink, name, address, state, since: since ?? null, flaps },
        reason: reason ?? null
      }))
    ),
    networks: uplinks.flatMap(({ port, state, networks }) =>
      networks.map(({ id: network, prefix, reasons }) => ({
        ...{ port, network, prefix, announced: state === 'working' && reasons.length === 0 },
        reasons
      }))
    ),
    refused: uplinks.flatMap(({ port, refused }) =>
      refused.map(({ prefix, within }) => ({ port, prefix, within }))
    )
  }
}
