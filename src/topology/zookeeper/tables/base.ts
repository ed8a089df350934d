// The base of a table: all its rows after some change, in the node of the table, so that a newcomer
// need not follow all changes, and old ones can go.  A line with the number of the last change of
// each process, then a line for each row.

import type { Clock } from '../../../core/clock.ts'
import { fail, reasonOf } from '../../../core/errors.ts'
import { Pace } from '../../../core/pace.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'
import { fromNode, idOf, removeParts, toNode } from '../nodes/blob.ts'
import type { Rows } from './rows.ts'

/** A whole table at one change, for those who begin or were away too long. */
export interface Base {
  /** The change that comes after it. */
  readonly n: number
  /** Of the node that holds it, and which node that is. */
  readonly version: number
  /** Which table of this name it is: one that was removed and made again is another. */
  readonly birth: string
}

/** What a base says. */
export interface BaseContents {
  /** The change it includes last. */
  readonly n: number
  /** The version that the newest entry has. */
  readonly version: number
  /** The last change of each machine that is in it. */
  readonly last: Map<string, number>
  /** Its entries as text. */
  readonly lines: readonly string[]
}

interface NewBase {
  readonly zk: ZooKeeper
  readonly clock: Clock
  readonly path: string
  readonly id: string
  readonly n: number
  /** Of the node it takes the place of. */
  readonly version: number
  readonly last: readonly (readonly [process: string, serial: number])[]
  readonly rows: Rows
  /** Changes before it that are left for who is behind. */
  readonly behind?: number | undefined
}

const BEHIND = 32
const LINES = 256
const REMOVALS = 256

/** The base of a table, or an empty one.  Throws STORE_FILE when it is not what Mezzo wrote. */
export async function readBase(zk: ZooKeeper, path: string): Promise<BaseContents> {
  const node = await zk.get(path)
  const { data, version } = node ?? { data: Buffer.alloc(0), version: 0 }
  if (data.length === 0) return { n: 0, version, last: new Map(), lines: [] }
  const n = numberOf(data)
  if (n === undefined) throw fail('STORE_FILE', { path, reason: 'it is not what Mezzo writes' })
  const { bytes } = await fromNode(zk, path, n, data, 't')
  const [head = '', ...lines] = Buffer.from(bytes).toString().split('\n')
  try {
    const last = new Map(JSON.parse(head) as [string, number][])
    return { n, version, last, lines: lines.filter(line => line !== '') }
  } catch (error) {
    throw fail('STORE_FILE', { path, reason: `it is no base of a table: ${reasonOf(error)}` })
  }
}

/** Makes a base of rows that nobody changes meanwhile; false when another was faster. */
export async function compact(base: NewBase): Promise<boolean> {
  const { zk, path, id, n, version, behind = BEHIND } = base
  const before = await zk.get(path)
  if (before?.version !== version) return false
  const node = await toNode(zk, n, { id, bytes: await bytesOf(base) }, 't')
  try {
    await zk.set(path, node, version)
  } catch (error) {
    if (isZooKeeperError(error, 'BAD_VERSION', 'NO_NODE')) return false
    throw error
  }
  const old = numberOf(before.data)
  if (old !== undefined) await removeParts(zk, old, before.data, 't')
  await removeBefore(zk, path, n - behind)
  return true
}

async function bytesOf({ clock, last, rows }: NewBase): Promise<Uint8Array> {
  const pace = new Pace(clock)
  const lines = [JSON.stringify(last)]
  for (const line of rows.lines()) if (lines.push(line) % LINES === 0) await pace.breathe()
  return Buffer.from(lines.join('\n'))
}

async function removeBefore(zk: ZooKeeper, path: string, n: number): Promise<void> {
  const names = (await zk.children(path)) ?? []
  const old = names.filter(name => Number(name) < n)
  for (let at = 0; at < old.length; at += REMOVALS)
    await Promise.all(
      old.slice(at, at + REMOVALS).map(name =>
        zk.remove(`${path}/${name}`).catch(error => {
          if (!isZooKeeperError(error, 'NO_NODE')) throw error // another sweeps too
        })
      )
    )
}

function numberOf(data: Buffer): number | undefined {
  const n = Number(idOf(data)?.split('@')[1])
  return Number.isInteger(n) && n > 0 ? n : undefined
}
