// What a person reads: aligned columns, one object a block, numbers with their units.

import { visible } from '../../core/config/visible.ts'
import type { Item } from './client.ts'
import { type Names, short } from './words/names.ts'
import type { Noun } from './words/nouns.ts'

/** Cells by row; the first row is the head. */
export type Rows = readonly (readonly string[])[]

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: Rows): string {
  const all = [head, ...rows].map(row => row.map(visible))
  const widths = head.map((_, i) => Math.max(...all.map(row => (row[i] ?? '').length)))
  return all.map(row => aligned(row, widths)).join('\n')
}

const aligned = (row: readonly string[], widths: readonly number[]): string =>
  row
    .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
    .join('  ')
    .trimEnd()

/** Only columns that say something; short ids as long as they are told apart. */
export async function listText(noun: Noun, items: readonly Item[], names: Names): Promise<string> {
  if (items.length === 0) return `no ${noun.plural}`
  const fields = columnsOf(noun).filter(field => items.some(item => !isDefault(noun, item, field)))
  const length = idLength(items.map(item => item.id))
  const rows: string[][] = []
  for (const item of items) {
    const cells = await Promise.all(fields.map(field => cellText(noun, field, item[field], names)))
    rows.push([item.id.slice(0, length), ...cells])
  }
  const by = [noun.owner, noun.ordered, 'name'].map(field => fields.indexOf(field ?? '') + 1)
  return table(
    ['id', ...fields],
    sorted(
      rows,
      by.filter(column => column > 0)
    )
  )
}

/** By these columns, numbers as numbers. */
const sorted = (rows: readonly string[][], columns: readonly number[]): string[][] =>
  [...rows].sort((a, b) => {
    for (const column of columns) {
      const order = collator.compare(a[column]!, b[column]!)
      if (order !== 0) return order
    }
    return 0
  })

const collator = new Intl.Collator('en', { numeric: true })

// The name is what one looks for; then the place in the order, then the rest as declared.
function columnsOf(noun: Noun): string[] {
  const first = ['name', noun.owner, noun.ordered].filter(f => f !== undefined && f in noun.fields)
  const rest = Object.keys(noun.fields).filter(f => f !== 'id' && !first.includes(f))
  return [...first, ...rest] as string[]
}

const isDefault = (noun: Noun, item: Item, field: string): boolean =>
  item[field] === undefined ||
  (noun.fields[field]?.default !== undefined && item[field] === noun.fields[field].default)

function idLength(ids: readonly string[]): number {
  let length = 8
  while (length < 36 && new Set(ids.map(id => id.slice(0, length))).size < ids.length) length++
  return length
}

/** An object, a line for each field that is set. */
export async function itemText(noun: Noun, item: Item, names: Names): Promise<string> {
  const rows: string[][] = []
  for (const field of ['id', ...columnsOf(noun)])
    if (item[field] !== undefined)
      rows.push([field, await cellText(noun, field, item[field], names, true)])
  return pairs(rows)
}

/** Names on the left, values on the right. */
export function pairs(rows: Rows): string {
  const all = rows.map(row => row.map(visible))
  const width = Math.max(...all.map(([name]) => name!.length))
  return all.map(([name, value]) => `${name!.padEnd(width)}  ${value}`.trimEnd()).join('\n')
}

async function cellText(
  noun: Noun,
  field: string,
  value: unknown,
  names: Names,
  whole = false
): Promise<string> {
  if (value === undefined) return '-'
  const kinds = noun.references[field]
  if (kinds === undefined) return plainText(whole ? value : brief(value))
  const ids = Array.isArray(value) ? value.map(String) : [String(value)]
  const labels = await Promise.all(
    ids.map(async id => {
      const label = await names.label(kinds, id)
      if (!whole) return label
      return label === short(id) ? id : `${id} (${label})`
    })
  )
  return labels.join(', ')
}

const ITEMS_MAX = 3

// In a column the beginning of a long list will do.
const brief = (value: unknown): unknown =>
  Array.isArray(value) && value.length > ITEMS_MAX + 1
    ? [...value.slice(0, ITEMS_MAX), `${value.length - ITEMS_MAX} more`]
    : value

function plainText(value: unknown): string {
  if (Array.isArray(value)) return value.map(plainText).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return rangeText(value) ?? JSON.stringify(value)
}

// 80, 80-90, 1024-, -1023: as it is typed.
function rangeText(value: object): string | undefined {
  const { start, end, ...rest } = value as { start?: unknown; end?: unknown }
  if (Object.keys(rest).length > 0 || (start === undefined && end === undefined)) return undefined
  return start === end ? String(start) : `${start ?? ''}-${end ?? ''}`
}

/** 950 ms, 12.5 s, 3 min: as exact as one reads. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}
