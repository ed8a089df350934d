// The nodes of a store in ZooKeeper, all below the chroot:
//
//   /schema          what this is: version of the layout, version of the tables, an id made once
//   /log/<n>         the n-th change since the beginning, as one node (log.ts)
//   /parts/<n>-…     what a change or a base has beyond the size of one node
//   /base            the newest base: everything there was after change n (base.ts)
//   /tables/<name>   a table that hosts share: its base, and below it its changes (tables/)
//   /alive/<process> one ephemeral node for each process that takes part

import { fail, reasonOf, show } from '../../../core/errors.ts'
import type { Random } from '../../../core/random.ts'
import { SCHEMA_VERSION } from '../../sqlite/schema.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'

const LAYOUT_VERSION = 2
const DIGITS = 12
const ID_BYTES = 12
const NAMES_TOLD = 4

/** The node of a change. */
export const logPath = (n: number): string => `/log/${numbered(n)}`

/** A number of a fixed width, so that names sort as numbers do. */
export const numbered = (n: number): string => String(n).padStart(DIGITS, '0')

/** What has to be true of a place where a store is opened. */
export type Must = 'find' | 'make'

/** Makes the nodes when they are not there; gives the id of the store.  Refuses another layout. */
export async function openLayout(
  zk: ZooKeeper,
  where: string,
  random: Random,
  must?: Must
): Promise<string> {
  const path = `ZooKeeper ${where}`
  const there = await zk.get('/schema')
  if (must === 'make' && there !== undefined) throw fail('EXISTS', { kind: 'store', id: path })
  if (must === 'find' && there === undefined) throw fail('NOT_FOUND', { kind: 'store', id: path })
  const found = there ?? (await makeLayout(zk, path, random))
  const { version, tables, id } = parsed(found.data, path)
  const known = `this Mezzo knows layout ${LAYOUT_VERSION} with tables ${SCHEMA_VERSION}`
  if (version !== LAYOUT_VERSION || tables !== SCHEMA_VERSION) {
    const reason = `its layout is ${show(version)} with tables ${show(tables)}; ${known}`
    throw fail('STORE_FILE', { path, reason })
  }
  if (typeof id !== 'string' || id === '')
    throw fail('STORE_FILE', { path, reason: `its /schema has no id: ${show(id)}` })
  return id
}

async function makeLayout(zk: ZooKeeper, path: string, random: Random): Promise<{ data: Buffer }> {
  await mustBeFree(zk, path)
  const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
  const schema = { version: LAYOUT_VERSION, tables: SCHEMA_VERSION, id }
  const data = Buffer.from(JSON.stringify(schema))
  const none = Buffer.alloc(0)
  await zk.makeRoot()
  try {
    await zk.multi([
      { op: 'create', path: '/schema', data },
      ...['/log', '/parts', '/base', '/tables', '/alive'].map(
        path => ({ op: 'create', path, data: none }) as const
      )
    ])
    return { data }
  } catch (error) {
    if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error
    const others = await zk.get('/schema') // made at the same moment
    if (others !== undefined) return others
    throw fail('STORE_FILE', { path: '/log', reason: 'it is there, but there is no /schema' })
  }
}

// A node that somebody else uses, by a slip of the pen in `chroot` say, is left alone.
async function mustBeFree(zk: ZooKeeper, path: string): Promise<void> {
  const names = (await zk.children('/')) ?? []
  if (names.length === 0 || names.includes('schema')) return
  const some = names.slice(0, NAMES_TOLD).join(', ')
  const reason = `it is no store, and not empty: there are ${some}, and no schema`
  throw fail('STORE_FILE', { path, reason })
}

function parsed(data: Buffer, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data.toString())
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new Error(`it is ${show(value)}`)
  } catch (error) {
    throw fail('STORE_FILE', { path, reason: `its /schema is not ours: ${reasonOf(error)}` }, error)
  }
}
