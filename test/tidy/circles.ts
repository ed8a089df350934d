// No circle of files at run time: which of them runs first would decide what the others find.
// Imports of types alone do not count, they are gone when the program runs.

import { dirname, join, normalize } from 'node:path/posix'
import type { Finding } from './rules.ts'
import { lineAt, type Scanned, scan } from './scan.ts'
import type { Source } from './tree.ts'

interface Arrow {
  readonly to: string
  readonly line: number
}

const IMPORT = /^(?:import|export)\b(?!\s+type\b)([^'"();=]*?)(?:\bfrom\s*)?(['"])/gm

/** What a file imports at its start that is there at run time, by path. */
function arrows(path: string, { text, code }: Scanned): Arrow[] {
  return [...code.matchAll(IMPORT)].flatMap(match => {
    const start = match.index + match[0].length
    const from = text.slice(start, text.indexOf(match[2]!, start))
    const names = /^\s*\{([^}]*)\}\s*$/.exec(match[1]!)?.[1]?.split(',') ?? []
    const isOnlyTypes = names.length > 0 && names.every(name => /^\s*(?:type\s|$)/.test(name))
    if (isOnlyTypes || !from.startsWith('.')) return []
    return [{ to: normalize(join(dirname(path), from)), line: lineAt(code, match.index) }]
  })
}

/** A finding for each import that closes a circle. */
export function circles(sources: readonly Source[]): (Finding & { readonly path: string })[] {
  const all = new Map(
    sources
      .filter(({ path }) => /^(?:src|plugins)\/.*\.ts$/.test(path))
      .map(({ path, text }) => [path, arrows(path, scan(text))])
  )
  const found: (Finding & { readonly path: string })[] = []
  const done = new Set<string>()
  const way: string[] = []
  const visit = (path: string): void => {
    way.push(path)
    for (const { to, line } of all.get(path) ?? []) {
      const at = way.indexOf(to)
      const circle = [...way.slice(at), to].join(' → ')
      if (at >= 0) found.push({ path, line, message: `a circle of files: ${circle}` })
      else if (!done.has(to)) visit(to)
    }
    way.pop()
    done.add(path)
  }
  for (const path of all.keys()) if (!done.has(path)) visit(path)
  return found
}
