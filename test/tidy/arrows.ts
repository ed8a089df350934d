// Who imports whom, by path: what circles and floors are counted of.

import { dirname, join, normalize } from 'node:path/posix'
import { lineAt, type Scanned } from './scan.ts'

export interface Arrow {
  readonly to: string
  readonly line: number
  /** `start`: when the file is loaded; `late`: by import() later; `type`: never. */
  readonly when: 'start' | 'late' | 'type'
}

const IMPORT = /^(?:import|export)\b(\s+type\b)?([^'"();=]*?)(?:\bfrom\s*)?(['"])/gm

const LATE = /\bimport\((['"])/g

/** What a file of the tree imports or hands on from the tree. */
export function arrows(path: string, { text, code }: Scanned): Arrow[] {
  const arrow = (match: RegExpExecArray, quote: string, when: Arrow['when']): Arrow[] => {
    const start = match.index + match[0].length
    const from = text.slice(start, text.indexOf(quote, start))
    if (!from.startsWith('.')) return []
    return [{ to: normalize(join(dirname(path), from)), line: lineAt(code, match.index), when }]
  }
  return [
    ...[...code.matchAll(IMPORT)].flatMap(match => arrow(match, match[3]!, whenOf(match))),
    ...[...code.matchAll(LATE)].flatMap(match => arrow(match, match[1]!, 'late'))
  ]
}

function whenOf([, type, what]: RegExpExecArray): Arrow['when'] {
  const names = /^\s*\{([^}]*)\}\s*$/.exec(what!)?.[1]?.split(',') ?? []
  const isOnlyTypes = names.length > 0 && names.every(name => /^\s*(?:type\s|$)/.test(name))
  return type !== undefined || isOnlyTypes ? 'type' : 'start'
}
