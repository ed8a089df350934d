// Whether a bound port takes packets, as the agent of its host says: in one table the ports that
// do, in another why the others do not; in a third what was refused to them.

import Type from 'typebox'
import type { Status, Stored } from './model.ts'

/** Port → the host on which it is active, '' when it is down there. */
export const ACTIVE_TABLE = 'active'
/** Port → why it is not, while it is bound. */
export const BINDING_FAULTS_TABLE = 'binding-faults'
/** Port → packets that would have opened more connections than it may, since its agent began. */
export const REFUSALS_TABLE = 'connections-refused'

/** Of a port whose agent has said nothing yet, or is away. */
export const AGENT_SILENT = 'the agent of its host has not spoken of it'

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
    host === undefined
      ? []
      : [
          { table: ACTIVE_TABLE, key: id },
          { table: BINDING_FAULTS_TABLE, key: id },
          { table: REFUSALS_TABLE, key: id }
        ],
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
