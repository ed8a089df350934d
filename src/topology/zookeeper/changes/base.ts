// A base is everything there was after some change, so that a newcomer need not follow all changes
// since the beginning, and old changes can go.  It is the rows of the tables as lines of JSON; of
// the log that feeds watches only the last row, from which counting goes on.

import { fail } from '../../../core/errors.ts'
import type { Pace } from '../../../core/pace.ts'
import type { Database } from '../../sqlite/database.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'
import { type Blob, fromNode, idOf, toNode } from '../nodes/blob.ts'

/** The whole store at one change, for those who begin or were away too long. */
export interface Base {
  /** The change it includes last. */
  readonly n: number
  readonly blob: Blob
}

type Row = readonly (string | number | null)[]

const TABLES = [
  'objects',
  'fields',
  'refs',
  'uniques',
  'numbers',
  'sequences',
  'leases',
  'sessions'
]
const LOGS = ['object_log']
const ROWS = 256

/** All rows as lines of JSON, read a few at a time; nobody may change them meanwhile. */
export async function dump(database: Database, pace: Pace): Promise<Uint8Array> {
  const lines: string[] = []
  for (const table of TABLES) {
    for (let offset = 0; ; offset += ROWS) {
      const rows = database.all<object>(`SELECT * FROM ${table} LIMIT ${ROWS} OFFSET ${offset}`)
      for (const row of rows) lines.push(JSON.stringify([table, ...Object.values(row)]))
      if (rows.length < ROWS) break
      await pace.breathe()
    }
  }
  for (const log of LOGS) {
    const rows = database.all<object>(`SELECT * FROM ${log} ORDER BY n DESC LIMIT 1`)
    for (const row of rows) lines.push(JSON.stringify([log, ...Object.values(row)]))
  }
  return Buffer.from(lines.join('\n'))
}

/** Replaces all rows by those of a dump. Call it within a transaction. */
export function load(database: Database, bytes: Uint8Array): void {
  for (const table of [...TABLES, ...LOGS]) database.run(`DELETE FROM ${table}`)
  const text = Buffer.from(bytes).toString()
  for (const line of text === '' ? [] : text.split('\n')) {
    const [table, ...values] = JSON.parse(line) as [string, ...Row]
    if (!TABLES.includes(table) && !LOGS.includes(table))
      throw fail('STORE_FILE', { path: '/base', reason: `it has a table ${table}` })
    const places = values.map(() => '?').join(', ')
    database.run(`INSERT INTO ${table} VALUES (${places})`, ...values)
  }
}

/** The number of the newest base and the node it is in; 0 when there is none yet. */
export async function pointerOf(
  zk: ZooKeeper,
  changed?: () => void
): Promise<{ n: number; data: Buffer; version: number }> {
  const node = await zk.get('/base', changed)
  if (node === undefined)
    throw fail('STORE_FILE', { path: '/base', reason: 'it was removed by somebody else' })
  if (node.data.length === 0) return { n: 0, data: node.data, version: node.version }
  const id = idOf(node.data)
  const n = Number(id?.split('@')[1])
  if (!Number.isInteger(n) || n < 1)
    throw fail('STORE_FILE', { path: '/base', reason: 'it is not what Mezzo writes' })
  return { n, data: node.data, version: node.version }
}

export const readBase = (zk: ZooKeeper, n: number, data: Buffer): Promise<Blob> =>
  fromNode(zk, '/base', n, data)

/** Puts a base in the place of an older one; false when another was faster. */
export async function putBase(zk: ZooKeeper, version: number, base: Base): Promise<boolean> {
  const node = await toNode(zk, base.n, base.blob)
  try {
    await zk.set('/base', node, version)
    return true
  } catch (error) {
    if (isZooKeeperError(error, 'BAD_VERSION')) return false
    throw error
  }
}
