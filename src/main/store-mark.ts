// Which store this machine's kernel and flow state were filled from.  Each store has an id; beside
// the pins and in the directory of the journals stands, by the store's path, the id they belong to.
// Where there is another store now (its file was deleted, and a new one made in its place), that
// knows no port of ours: an agent that served it would take every program off its interface, and
// say that all is well.  Flow state alone is no reason to stay away: nothing is forwarded by it.

import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fail, isFailure } from '../core/errors.ts'
import { storeIdentityModel } from '../topology/models.ts'
import type { Store } from '../topology/store.ts'

const TABLE = 'system'
const TABLE_BEFORE = 'house' // where still older stores keep it
const KEY = 'store-id'
const MARK = 'store-id.json'
// There is one: who creates it second is refused.
const IDENTITY = '6d7a5354-0000-4000-8000-000000000002'

/** The store, and what of this machine belongs to it. */
export interface StorePaths {
  /** The path of the store's file, or what it is called. */
  readonly storePath: string
  /** '' = nothing outlives the agent. */
  readonly pins: string
  /** Directory of the journals. */
  readonly flowState: string | undefined
  /** The operator has said that another store is meant. */
  readonly mayBeNew: boolean
}

interface Marked {
  readonly path: string
  readonly mark: string // path of the mark
}

/**
 * Refuses a store that the pins here do not belong to; else what is here belongs to it from now
 * on.  Gives what an operator should know of it, if anything.
 */
export async function checkStore(store: Store, paths: StorePaths): Promise<string | undefined> {
  const path = paths.storePath
  const id = await identityOf(store)
  const { pins, flowState } = markedOf(paths)
  const isForeign = (marked: Marked | undefined): marked is Marked => {
    const said = marked === undefined ? undefined : marksOf(marked)[path]
    return said !== undefined && said !== id && holds(marked!.path)
  }
  const how = (await hasHost(store)) ? 'another one' : 'empty'
  const other = isForeign(pins) ? 'one that is gone' : mistaken(pins, path, how)
  if (pins !== undefined && other !== undefined && !paths.mayBeNew)
    throw fail('STORE_FOREIGN', { path, how, other, pins: pins.path })
  const note = isForeign(flowState)
    ? `the store ${path} is ${how}: the flow state in ${flowState.path} belongs to one that is gone`
    : undefined
  for (const marked of [pins, flowState]) if (marked !== undefined) mark(marked, path, id)
  return note
}

// Several may ask a new store at once: an object is made by one of them, and the others read it.
async function identityOf(store: Store): Promise<string> {
  const { kind } = storeIdentityModel
  const read = async (): Promise<string | undefined> =>
    (await store.read(kind, IDENTITY))?.value.identity as string | undefined
  const there = await read()
  if (there !== undefined) return there
  const identity = (await identityBefore(store)) ?? randomUUID()
  try {
    await store.write([{ op: 'create', kind, value: { id: IDENTITY, identity } }])
    return identity
  } catch (error) {
    const made = isFailure(error, 'EXISTS') ? await read() : undefined
    if (made === undefined) throw error
    return made
  }
}

// Older stores have it in a table.
const identityBefore = async (store: Store): Promise<string | undefined> =>
  (await store.table(TABLE).get(KEY)) ?? (await store.table(TABLE_BEFORE).get(KEY))

function markedOf({ pins, flowState }: StorePaths): { pins?: Marked; flowState?: Marked } {
  const pinned = resolve(pins) // a bpffs, which holds no files
  const beside = join(dirname(pinned), `${basename(pinned)}.${MARK}`)
  return {
    ...(pins !== '' && { pins: { path: pinned, mark: beside } }),
    ...(flowState !== undefined && {
      flowState: { path: resolve(flowState), mark: join(resolve(flowState), MARK) }
    })
  }
}

const holds = (path: string): boolean =>
  existsSync(path) && readdirSync(path).some(name => name !== MARK)

async function hasHost(store: Store): Promise<boolean> {
  for await (const _ of store.list('host')) return true
  return false
}

// An empty store of a cluster, which was just made because its name has a slip of the pen: who
// moves to a cluster brings the topology there first.  Gives the one by which the kernel forwards.
function mistaken(pins: Marked | undefined, path: string, how: string): string | undefined {
  if (pins === undefined || how !== 'empty' || !path.startsWith('zookeeper:')) return undefined
  const marks = marksOf(pins)
  return Object.hasOwn(marks, path) || !holds(pins.path) ? undefined : Object.keys(marks).at(-1)
}

const MARKS_MAX = 64

function marksOf({ mark }: Marked): Record<string, string> {
  try {
    return JSON.parse(readFileSync(mark, 'utf8')) as Record<string, string>
  } catch {
    return {} // none yet, or torn by a power cut
  }
}

function mark(marked: Marked, path: string, id: string): void {
  const { [path]: _, ...others } = marksOf(marked)
  const kept = [...Object.entries(others), [path, id]].slice(-MARKS_MAX)
  mkdirSync(dirname(marked.mark), { recursive: true, mode: 0o700 })
  writeFileSync(marked.mark, `${JSON.stringify(Object.fromEntries(kept))}\n`, { mode: 0o600 })
}
