// The table of flow state in CQL.  A partition is one port's hour, a row one batch: many records of
// one port and interval.  Rows are never changed nor deleted, they live as long as their TTL; so
// compaction by windows of time drops whole files, and no repair needs to know of deletions.
//
//   (port, hour) │ at ↓  writer  serial │ records
//
// The newest comes first: reading ends where a port's share of memory does.

const TABLE = 'flow_state'
/** A partition is an hour of one port. */
export const HOUR_MS = 3_600_000

const WINDOWS = 24 // of compaction, in the life of a row
const GRACE_S = 300

/** CQL, complete with the names of keyspace and table. */
export interface Statements {
  /** Keyspace and table. */
  readonly table: string
  /** Makes the keyspace if there is none. */
  readonly makeKeyspace: string
  /** Makes the table if there is none. */
  readonly makeTable: string
  /** Writes a batch. */
  readonly save: string
  /** Reads the batches of a port's hour, the newest first. */
  readonly load: string
  /** Reads nothing, and is answered by a node that is well. */
  readonly probe: string
}

/** `keyspace` is a plain name (the settings see to it); a data centre may have any. */
export function statementsOf(
  keyspace: string,
  dataCentre: string,
  replicaCount: number,
  keepS: number
): Statements {
  const place = `${keyspace}.${TABLE}`
  const minutes = Math.max(1, Math.ceil(keepS / 60 / WINDOWS))
  const replication = `'class': 'NetworkTopologyStrategy', ${text(dataCentre)}: ${replicaCount}`
  const compaction = `'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'MINUTES',
    'compaction_window_size': ${minutes}`
  return {
    table: TABLE,
    makeKeyspace: `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {${replication}}`,
    makeTable: `CREATE TABLE IF NOT EXISTS ${place} (
      port int, hour int, at timestamp, writer int, serial int, records blob,
      PRIMARY KEY ((port, hour), at, writer, serial)
    ) WITH CLUSTERING ORDER BY (at DESC, writer DESC, serial DESC)
      AND compaction = {${compaction}}
      AND default_time_to_live = ${keepS} AND gc_grace_seconds = ${GRACE_S}`,
    save: `INSERT INTO ${place} (port, hour, at, writer, serial, records)
      VALUES (?, ?, ?, ?, ?, ?) USING TTL ?`,
    load: `SELECT records FROM ${place} WHERE port = ? AND hour = ? AND at >= ?`,
    probe: 'SELECT key FROM system.local'
  }
}

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
