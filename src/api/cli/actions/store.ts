// The store itself: how it is, as the server says; and, without a server, its backup, its way to
// another store, and whether it keeps its own rules.

import { readFile, writeFile } from 'node:fs/promises'
import { SystemClock } from '../../../core/clock.ts'
import { reasonOf } from '../../../core/errors.ts'
import type { Model } from '../../../topology/model.ts'
import type { Store } from '../../../topology/store.ts'
import { Exit, Failure, usage } from '../client.ts'
import { pairs, table } from '../print.ts'
import type { Context } from '../words/context.ts'
import type { Action } from './action.ts'
import { PLACE, within } from './store-place.ts'

const clock = new SystemClock()

/** The verbs of the store. */
export const storeActions: readonly Action[] = [
  {
    noun: 'store',
    verb: 'status',
    words: '',
    summary: 'Say how the store is: its servers, its state, what went wrong last.',
    run: status
  },
  {
    noun: 'store',
    verb: 'init',
    words: 'STORE',
    summary: 'Make a new store, where there is none.',
    withoutModels: true,
    run: init
  },
  {
    noun: 'store',
    verb: 'backup',
    words: 'STORE FILE',
    summary: `Write all objects of a store to a file; STORE is ${PLACE}.`,
    withoutModels: true,
    run: backup
  },
  {
    noun: 'store',
    verb: 'restore',
    words: 'FILE STORE',
    summary: 'Make all objects of a backup in an empty store.',
    withoutModels: true,
    run: restoreFile
  },
  {
    noun: 'store',
    verb: 'migrate',
    words: 'STORE STORE',
    summary: 'Make all objects of one store in another, which is empty.',
    withoutModels: true,
    run: migrate
  },
  {
    noun: 'store',
    verb: 'check',
    words: 'STORE [--repair]',
    summary: 'Look whether a store keeps its own rules; mend references that lead nowhere.',
    withoutModels: true,
    run: check
  }
]

async function status({ client, out }: Context, words: readonly string[]): Promise<void> {
  if (words.length > 0) throw usage('expected mezzo store status')
  type Report = Readonly<Record<string, unknown>> & { readonly counters: object }
  const { counters, ...report } = await client.get<Report>('/store')
  const rows = [...Object.entries(report), ...Object.entries(counters)]
  await out({ ...report, counters }, async () =>
    pairs(rows.map(([name, value]) => [name, String(value)]))
  )
  if (report.state !== 'connected') throw new Failure(Exit.refused, 'the store is not well')
}

async function init({ out }: Context, words: readonly string[]): Promise<void> {
  const [place, ...more] = words
  if (place === undefined || more.length > 0) throw usage('expected STORE')
  const where = await within(place, async store => store.report().where, 'make')
  await out({ where }, async () => `made ${where}`)
}

async function backup({ out }: Context, words: readonly string[]): Promise<void> {
  const [place, file] = two(words, 'STORE FILE')
  const { documentOf } = await import('../../../topology/backup/document.ts')
  const document = await within(place, (store, models) => documentOf(store, models), 'find')
  // It holds secrets, of BGP say.
  await writeNew(file, `${JSON.stringify(document, null, 1)}\n`)
  const count = Object.values(document.objects).reduce((sum, { length }) => sum + length, 0)
  await out({ count }, async () => `${count} objects`)
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const reason = isThere
      ? 'is there already; expected a file that is not'
      : `cannot be written: ${reasonOf(error)}`
    throw new Failure(Exit.refused, `${file} ${reason}`)
  }
}

async function restoreFile({ out }: Context, words: readonly string[]): Promise<void> {
  const [file, place] = two(words, 'FILE STORE')
  const { parseDocument } = await import('../../../topology/backup/document.ts')
  const { restore } = await import('../../../topology/backup/restore.ts')
  const text = await readFile(file, 'utf8').catch(error => {
    throw new Failure(Exit.refused, `${file} cannot be read: ${reasonOf(error)}`)
  })
  const count = await within(place, (store, models) =>
    restore(store, models, parseDocument(text, models), clock)
  )
  await out({ count }, async () => `${count} objects`)
}

async function migrate({ out }: Context, words: readonly string[]): Promise<void> {
  const [from, to] = two(words, 'STORE STORE')
  const { documentOf } = await import('../../../topology/backup/document.ts')
  const { restore } = await import('../../../topology/backup/restore.ts')
  const document = await within(from, (store, models) => documentOf(store, models), 'find')
  const count = await within(to, (store, models) => restore(store, models, document, clock))
  await out({ count }, async () => `${count} objects`)
}

async function check({ out }: Context, words: readonly string[]): Promise<void> {
  const isRepair = words.includes('--repair')
  const [place, ...more] = words.filter(word => word !== '--repair')
  if (place === undefined || more.length > 0) throw usage('expected STORE [--repair]')
  const { audit, repair } = await import('../../../topology/backup/audit.ts')
  const look = async (store: Store, models: readonly Model[]): ReturnType<typeof audit> => {
    const found = await audit(store, models)
    if (!isRepair || found.length === 0) return found
    await repair(store, models, found)
    return audit(store, models)
  }
  const faults = await within(place, look, 'find')
  const rows = faults.map(({ kind, id, field, value, expected }) => [
    ...[kind, id, field, JSON.stringify(value) ?? '-', expected]
  ])
  const head = ['kind', 'id', 'field', 'value', 'expected']
  await out(faults, async () => (rows.length === 0 ? 'no faults' : table(head, rows)))
  if (faults.length > 0) throw new Failure(Exit.refused, `${faults.length} faults`)
}

function two(words: readonly string[], shape: string): readonly [string, string] {
  const [a, b, ...more] = words
  if (a === undefined || b === undefined || more.length > 0) throw usage(`expected ${shape}`)
  return [a, b]
}
