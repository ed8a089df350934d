// A change of a table, as a node of its log holds it: a blob whose id names the process and its
// number, and JSON with the owners once and the steps by their place among them.
//
//   {"owners":["compute1.5f…"],"steps":[[0,"fa:16:3e:00:00:01","port"],[0,"fa:…:02"]],"at":17}

import { fail, reasonOf } from '../../../core/errors.ts'
import type { Blob } from '../nodes/blob.ts'
import type { Step } from './rows.ts'

/** A change of a table's log. */
export interface TableChange {
  /** The process that made it, and the how-manieth of that one in this table it is. */
  readonly by: string
  /** Counts the changes of one machine: it knows its own again. */
  readonly serial: number
  readonly steps: readonly Step[]
  /** It counts only as change `at`: its maker had seen all before it, and nothing else. */
  readonly at?: number | undefined
}

type Place = readonly [owner: number, key: string, value?: string | null, was?: string]

/** A change as bytes. */
export function toBlob({ by, serial, steps, at }: TableChange): Blob {
  const owners = [...new Set(steps.map(({ owner }) => owner))]
  const places = steps.map(({ owner, key, value, was }): Place => {
    const place = owners.indexOf(owner)
    if (value !== undefined) return [place, key, value]
    return was === undefined ? [place, key] : [place, key, null, was]
  })
  const bytes = Buffer.from(JSON.stringify({ owners, steps: places, at }))
  return { id: `${by}.${serial}`, bytes }
}

/** Throws STORE_FILE, with the path, when it is no change. */
export function fromBlob(path: string, { id, bytes }: Blob): TableChange {
  const dot = id.lastIndexOf('.')
  const [by, serial] = [id.slice(0, dot), Number(id.slice(dot + 1))]
  try {
    const { owners, steps, at } = JSON.parse(Buffer.from(bytes).toString()) as {
      owners: string[]
      steps: Place[]
      at?: number
    }
    const all = steps.map(([place, key, value, was]): Step => {
      const owner = owners[place]
      if (owner === undefined || typeof key !== 'string') throw new Error('a step lacks its key')
      return { owner, key, ...(value == null ? { was } : { value }) }
    })
    if (dot < 0 || !Number.isInteger(serial)) throw new Error(`its id is ${id}`)
    return { by, serial, steps: all, at }
  } catch (error) {
    throw fail('STORE_FILE', { path, reason: `it is no change of a table: ${reasonOf(error)}` })
  }
}
