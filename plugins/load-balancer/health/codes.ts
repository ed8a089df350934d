// The HTTP status codes a health monitor takes for an answer of a member that is well.

/** HTTP statuses that mean health, unless the monitor says otherwise. */
export const CODES_DEFAULT = '200-299'

const ITEM = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/

/** `200,204,300-399` as ranges; undefined when it does not read so. */
export function parseCodes(text: string): readonly (readonly [number, number])[] | undefined {
  const ranges: [number, number][] = []
  for (const item of text.split(',')) {
    const found = ITEM.exec(item.trim())
    if (found === null) return undefined
    const first = Number(found[1])
    const last = Number(found[2] ?? found[1])
    if (last < first) return undefined
    ranges.push([first, last])
  }
  return ranges
}
