// No circle of files at run time: which of them runs first would decide what the others find.
// Imports of types alone do not count, they are gone when the program runs.

import { type Arrow, arrows } from './arrows.ts'
import type { Finding } from './rules.ts'
import { scan } from './scan.ts'
import type { Source } from './tree.ts'

/** A finding for each import that closes a circle. */
export function circles(sources: readonly Source[]): (Finding & { readonly path: string })[] {
  const atRunTime = (path: string, text: string): Arrow[] =>
    arrows(path, scan(text)).filter(({ when }) => when === 'start')
  const all = new Map(
    sources
      .filter(({ path }) => /^(?:src|plugins)\/.*\.ts$/.test(path))
      .map(({ path, text }) => [path, atRunTime(path, text)])
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
