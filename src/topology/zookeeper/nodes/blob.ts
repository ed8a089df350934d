// Bytes of any length in nodes of a bounded one.  The node itself has a line that describes it and,
// when they are few, the bytes; else those stand in parts that were made before it.  They are
// compressed, and a checksum tells what was damaged or edited by hand.
//
//   {"id":"5f….12","parts":0,"sha":"…"}\n<deflated bytes>

import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { deflate, deflateSync, inflate, inflateSync } from 'node:zlib'
import { fail, reasonOf } from '../../../core/errors.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'
import { numbered } from './layout.ts'

/** Well below a megabyte, for the largest that a server takes is a setting of its own. */
const PART_BYTES_MAX = 512 << 10
const SHA_LENGTH = 24
const NEWLINE = 10

/** Bytes that may be larger than a node. */
export interface Blob {
  /** Who made it, and when in that one's life: unique for ever. */
  readonly id: string
  /** The bytes. */
  readonly bytes: Uint8Array
}

interface Head {
  readonly id: string
  readonly parts: number
  readonly sha: string
}

/** Fewer are packed at once: less work than to hand them to another thread. */
const SMALL_BYTES_MAX = 16 << 10

const packedElsewhere = promisify(deflate)
const unpackedElsewhere = promisify(inflate)

const packed = (bytes: Uint8Array): Buffer | Promise<Buffer> =>
  bytes.length <= SMALL_BYTES_MAX ? deflateSync(bytes) : packedElsewhere(bytes)

const unpacked = (bytes: Uint8Array): Buffer | Promise<Buffer> =>
  bytes.length <= SMALL_BYTES_MAX ? inflateSync(bytes) : unpackedElsewhere(bytes)

const shaOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, SHA_LENGTH)

/** What parts are called: those of one family are swept together. */
export type Family = '' | 't'

const partPath = (family: Family, n: number, id: string, i: number): string =>
  `/parts/${family}${numbered(n)}-${id}-${i}`

/** What a node is to hold; its parts are made.  `n` tells the sweeper when they are old. */
export async function toNode(
  zk: ZooKeeper,
  n: number,
  { id, bytes }: Blob,
  family: Family = ''
): Promise<Buffer> {
  const small = await packed(bytes)
  const sha = shaOf(small)
  const parts = small.length <= PART_BYTES_MAX ? 0 : Math.ceil(small.length / PART_BYTES_MAX)
  for (let i = 0; i < parts; i++) {
    const part = small.subarray(i * PART_BYTES_MAX, (i + 1) * PART_BYTES_MAX)
    await zk.create(partPath(family, n, id, i), part).catch(error => {
      if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error // of an earlier try
    })
  }
  const head: Head = { id, parts, sha }
  const line = Buffer.from(`${JSON.stringify(head)}\n`)
  return parts > 0 ? line : Buffer.concat([line, small])
}

/** Who made a node; undefined when it is not one of ours. */
export function idOf(data: Buffer): string | undefined {
  try {
    return headOf(data).id
  } catch {
    return undefined
  }
}

/** What a node holds.  Throws STORE_FILE, with the path, when it is not what Mezzo wrote. */
export async function fromNode(
  zk: ZooKeeper,
  path: string,
  n: number,
  data: Buffer,
  family: Family = ''
): Promise<Blob> {
  const refuse = (reason: string): Error => fail('STORE_FILE', { path, reason })
  let head: Head
  try {
    head = headOf(data)
  } catch (error) {
    throw refuse(`it is not what Mezzo writes: ${reasonOf(error)}`)
  }
  const { id, parts, sha } = head
  const pieces = [data.subarray(data.indexOf(NEWLINE) + 1)]
  for (let i = 0; i < parts; i++) {
    const part = await zk.get(partPath(family, n, id, i))
    if (part === undefined) throw refuse(`its part ${i} of ${parts} is not there`)
    pieces.push(part.data)
  }
  const small = Buffer.concat(pieces)
  if (shaOf(small) !== sha) throw refuse('its checksum is wrong: somebody else changed it')
  return { id, bytes: await unpacked(small) }
}

/** Removes the parts of a node that another has taken the place of. */
export async function removeParts(
  zk: ZooKeeper,
  n: number,
  data: Buffer,
  family: Family
): Promise<void> {
  const { id, parts } = headOf(data)
  for (let i = 0; i < parts; i++)
    await zk.remove(partPath(family, n, id, i)).catch(error => {
      if (!isZooKeeperError(error, 'NO_NODE')) throw error
    })
}

function headOf(data: Buffer): Head {
  const end = data.indexOf(NEWLINE)
  const value = JSON.parse(data.subarray(0, end < 0 ? data.length : end).toString()) as Head
  const { id, parts, sha } = value
  if (typeof id !== 'string' || typeof sha !== 'string' || !Number.isInteger(parts) || parts < 0)
    throw new Error('its first line lacks id, parts or sha')
  return value
}
