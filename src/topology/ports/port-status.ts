// Whether a bound port takes packets, as the agent of its host says, each host in tables of its
// own: in one the ports that do, in another why the others do not; in a third what was refused to
// them.  Whoever has never met a port of a host hears nothing of them.

import Type from 'typebox'
import type { Status, Stored } from '../model.ts'

const ACTIVE = 'active/'

/** Of a host: port → the host when it is active there, '' when it is down. */
export const activeTable = (host: string): string => `${ACTIVE}${host}`
/** The host whose ports a table tells of; undefined when it tells of something else. */
export const hostOfActiveTable = (table: string): string | undefined =>
  table.startsWith(ACTIVE) ? table.slice(ACTIVE.length) : undefined
/** Of a host: port → why it is not, while it is bound. */
export const bindingFaultsTable = (host: string): string => `binding-faults/${host}`
/** Of a host: port → packets refused for connections it may not open, since its agent began. */
export const refusalsTable = (host: string): string => `connections-refused/${host}`

/** Of a port whose agent has said nothing yet, or is away. */
export const AGENT_SILENT = 'the agent of its host has not spoken of it'

/** What hosts report of a port, as the API shows it. */
export const portStatus: Status = {
  fields: Type.Object({
    state: Type.Optional(
      Type.Union([Type.Literal('up'), Type.Literal('down')], {
        readOnly: true,
        description: 'of bound ports: up when packets go in and out by its interface'
      })
    ),
    stateReason: Type.Optional(
      Type.String({ readOnly: true, description: 'why it is down, as its host says' })
    ),
    connectionsRefused: Type.Optional(
      Type.Integer({
        readOnly: true,
        minimum: 1,
        description: 'packets it was refused to open more by: state.connectionsPerPort of its host'
      })
    )
  }),
  references: {},
  entries: ({ id, host }) =>
    typeof host !== 'string'
      ? []
      : [activeTable, bindingFaultsTable, refusalsTable].map(tableOf => ({
          table: tableOf(host),
          key: id
        })),
  read: ({ host }, [active, fault, refused]) => ({
    ...stateOf(host, active, fault),
    ...(refused === undefined ? {} : { connectionsRefused: Number(refused) })
  })
}

function stateOf(
  host: unknown,
  active: string | undefined,
  fault: string | undefined
): Readonly<Pick<Stored, string>> {
  if (host === undefined) return {}
  if (active === host) return { state: 'up' }
  return { state: 'down', stateReason: fault ?? AGENT_SILENT }
}
