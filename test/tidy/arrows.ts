// Who imports whom, by path: what circles and floors are counted of. Dynamic imports do not count.

import { dirname, join, normalize } from 'node:path/posix'
import { lineAt, type Scanned } from './scan.ts'

export interface Arrow {
  readonly to: string
  readonly line: number
  /** It is gone when the program runs. */
  readonly isType: boolean
}

const IMPORT = /^(?:import|export)\b(\s+type\b)?([^'"();=]*?)(?:\bfrom\s*)?(['"])/gm

/** What a file of the tree imports or hands on from the tree. */
export function arrows(path: string, { text, code }: Scanned): Arrow[] {
  return [...code.matchAll(IMPORT)].flatMap(match => {
    const start = match.index + match[0].length
    const from = text.slice(start, text.indexOf(match[3]!, start))
    if (!from.startsWith('.')) return []
    const names = /^\s*\{([^}]*)\}\s*$/.exec(match[2]!)?.[1]?.split(',') ?? []
    const isOnlyTypes = names.length > 0 && names.every(name => /^\s*(?:type\s|$)/.test(name))
    const isType = match[1] !== undefined || isOnlyTypes
    return [{ to: normalize(join(dirname(path), from)), line: lineAt(code, match.index), isType }]
  })
}
