// The settings of flow state: how much of it there may be, how long it lives, how it is shared, and
// where it is kept for an agent that comes back or a port that moves.

import Type, { type Static } from 'typebox'
import type { StateSettings } from '../agent/messages.ts'
import { section } from '../core/config/config.ts'
import { fail } from '../core/errors.ts'
import { EXCHANGE_DEFAULT } from '../state/exchange/exchange.ts'
import { TIMEOUTS_DEFAULT, type Timeouts } from '../state/timeouts.ts'
import { assemblyOf } from '../topology/assembly/assemble.ts'
import type { Resources, StateKindPart } from '../topology/assembly/resources.ts'

const TIMEOUT_MAX = 2_592_000 // thirty days

const idleTime = (value: number, description: string) =>
  Type.Integer({
    minimum: 1,
    maximum: TIMEOUT_MAX,
    default: value,
    description: `idle time of ${description}`
  })

const idle = (name: Exclude<keyof Timeouts, 'kindsS'>, description: string) =>
  idleTime(TIMEOUTS_DEFAULT[name], description)

const protocols = {
  tcpOpeningS: idle('tcpOpeningS', 'TCP before its handshake is over'),
  tcpEstablishedS: idle('tcpEstablishedS', 'TCP after that; RFC 5382 wants 7440 at least'),
  tcpHalfClosedS: idle('tcpHalfClosedS', 'TCP of which one side has said FIN'),
  tcpClosedS: idle('tcpClosedS', 'TCP of which both have'),
  tcpResetS: idle('tcpResetS', 'TCP that was reset'),
  udpOneWayS: idle('udpOneWayS', 'UDP without an answer'),
  udpTwoWayS: idle('udpTwoWayS', 'UDP with answers; RFC 4787 wants 120 at least'),
  icmpS: idle('icmpS', 'ICMP echo'),
  otherS: idle('otherS', 'other protocols')
}

/** Setting of a kind of state that has an idle time of its own: `source-seen` → `sourceSeenS`. */
const settingOf = (kind: string): string =>
  `${kind.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}S`

const timeoutsOf = (kinds: readonly StateKindPart[]) =>
  section(
    {
      ...protocols,
      ...Object.fromEntries(
        kinds.flatMap(({ name, idleS, description = `records of kind ${name}` }) =>
          idleS === undefined ? [] : [[settingOf(name), idleTime(idleS, description)]]
        )
      )
    },
    'how long state outlives its last packet'
  )

const exchange = section(
  {
    holdMs: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: EXCHANGE_DEFAULT.holdMs,
      description: 'a packet waits for other hosts to have its state, at most'
    }),
    retransmitMs: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: EXCHANGE_DEFAULT.retransmitMs,
      description: 'before a message is sent again the first time; doubles'
    }),
    heartbeatMs: Type.Integer({
      minimum: 5,
      maximum: 10_000,
      default: EXCHANGE_DEFAULT.heartbeatMs,
      description: 'between heartbeats to a host'
    }),
    deadMs: Type.Integer({
      minimum: 15,
      maximum: 60_000,
      default: EXCHANGE_DEFAULT.deadMs,
      description: 'silence after which a host is dead; three heartbeats at least'
    })
  },
  'how hosts share state'
)

const file = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

const cassandra = section(
  {
    contactPoints: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      maxItems: 64,
      description: 'nodes to ask first: address or name, with :port or without'
    }),
    port: Type.Integer({ minimum: 1, maximum: 65_535, default: 9042, description: 'of the nodes' }),
    localDataCenter: Type.String({
      minLength: 1,
      default: 'datacenter1',
      description: "the cluster's name for where we are"
    }),
    keyspace: Type.String({
      pattern: '^[a-z][a-z0-9_]{0,47}$',
      default: 'mezzo',
      description: 'made when it is not there'
    }),
    replicaCount: Type.Integer({
      minimum: 1,
      maximum: 16,
      default: 3,
      description: 'replicas in our data centre, of a keyspace that we make'
    }),
    consistency: Type.Union(
      (['LOCAL_QUORUM', 'LOCAL_ONE', 'ONE', 'QUORUM', 'ALL'] as const).map(level =>
        Type.Literal(level)
      ),
      { default: 'LOCAL_QUORUM', description: 'of writes and reads' }
    ),
    timeoutMs: Type.Integer({
      minimum: 50,
      maximum: 60_000,
      default: 1000,
      description: 'a query without an answer has failed'
    }),
    queriesMax: Type.Integer({
      minimum: 1,
      maximum: 1024,
      default: 64,
      description: 'writes under way at once'
    }),
    username: Type.Optional(
      Type.String({ minLength: 1, description: 'or MEZZO_CASSANDRA_USERNAME of the environment' })
    ),
    passwordFile: file('file with the password; or MEZZO_CASSANDRA_PASSWORD of the environment'),
    tls: Type.Boolean({ default: false, description: 'encrypt, and check the certificate' }),
    caFile: file('certificates to trust, PEM; those of Node if absent'),
    certFile: file('our own certificate, PEM'),
    keyFile: file('and its key, PEM')
  },
  'the cluster, when kind is cassandra'
)

const store = section(
  {
    kind: Type.Union([Type.Literal('journal'), Type.Literal('cassandra'), Type.Literal('none')], {
      default: 'journal',
      description: 'journal: files on this machine; cassandra: a cluster; none'
    }),
    path: Type.String({
      minLength: 1,
      default: 'var/flow-state',
      description: 'directory of the journals, one below it for each host'
    }),
    keepS: Type.Integer({
      minimum: 1,
      maximum: 604_800,
      default: 86_400,
      description: 'what was saved longer ago is forgotten'
    }),
    bytesMax: Type.Integer({
      minimum: 1 << 20,
      maximum: 2 ** 36,
      default: 1 << 28,
      description: 'disk of a journal; the oldest goes'
    }),
    queueBytesMax: Type.Integer({
      minimum: 1 << 16,
      maximum: 2 ** 30,
      default: 1 << 24,
      description: 'memory for what waits to be written; what comes then is left out'
    }),
    loadBytesMax: Type.Integer({
      minimum: 1 << 16,
      maximum: 2 ** 31,
      default: 1 << 26,
      description: 'state read for one port; the oldest is left out'
    }),
    cassandra
  },
  'where flow state is kept'
)

/** `kinds`: what plugins declare. */
export const stateSectionOf = (kinds: readonly StateKindPart[]) =>
  section({
    connectionsMax: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 1_000_000,
      description: 'records of connections and of other kinds that a host has, taken together'
    }),
    connectionsPerPort: Type.Integer({
      minimum: 0,
      maximum: 16_777_216,
      default: 0,
      description: 'of them, of those opened by way of one port; 0: as many as there is room for'
    }),
    timeouts: timeoutsOf(kinds),
    exchange,
    store
  })

type StateSection = Static<ReturnType<typeof stateSectionOf>>

/** What a packet thread is told of it. `installed`: whose kinds of state there are. */
export function flowStateOf(
  settings: StateSection,
  installed: readonly Resources[]
): Omit<StateSettings, 'isKept'> {
  const { connectionsMax, connectionsPerPort, exchange } = settings
  const set: Readonly<Record<string, number>> = settings.timeouts
  const { stateKinds } = assemblyOf(installed)
  const kindsS = [0, ...stateKinds.map(({ name, idleS }) => set[settingOf(name)] ?? idleS)]
  const core = Object.keys(protocols).map(name => [name, set[name]])
  const timeouts: Timeouts = { ...Object.fromEntries(core), kindsS }
  const least = 3 * exchange.heartbeatMs
  if (exchange.deadMs < least) {
    const expected = `at least ${least}, three times state.exchange.heartbeatMs`
    throw fail('INVALID', { field: 'state.exchange.deadMs', value: exchange.deadMs, expected })
  }
  return { connectionsMax, connectionsPerPort, timeouts, exchange }
}
