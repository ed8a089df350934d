// No circle of files. In TypeScript at run time: which of them runs first would decide what the
// others find; imports of types alone do not count, they are gone when the program runs. In C of
// includes, and of files that call each other's functions: whom a header declares them for hides
// there who needs whom.

import { dirname, join, normalize } from 'node:path/posix'
import { type Arrow, arrows } from './arrows.ts'
import type { Finding } from './rules.ts'
import { lineAt, type Scanned, scan } from './scan.ts'
import type { Source } from './tree.ts'

type Needs = Pick<Arrow, 'to' | 'line'>

/** A finding for each import, include or call that closes a circle. */
export function circles(sources: readonly Source[]): (Finding & { readonly path: string })[] {
  return [...circlesOf(importsOf(sources)), ...circlesOf(needsInC(sources))]
}

function importsOf(sources: readonly Source[]): Map<string, Needs[]> {
  const atRunTime = (path: string, text: string): Arrow[] =>
    arrows(path, scan(text)).filter(({ when }) => when === 'start')
  return new Map(
    sources
      .filter(({ path }) => /^(?:src|plugins)\/.*\.ts$/.test(path))
      .map(({ path, text }) => [path, atRunTime(path, text)])
  )
}

function circlesOf(all: ReadonlyMap<string, readonly Needs[]>): (Finding & { path: string })[] {
  const found: (Finding & { path: string })[] = []
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

const INCLUDE = /^#include "/gm
// As the kernel writes it: the name in the line of its type, the brace on a line of its own.
const FUNCTION = /^(static )?(?!static)[a-z_][\w *]*?\b(\w+)\([^;{}]*\)\n\{/gm
const NAME = /(?<!\.|->|\b(?:enum|struct|union) )\b[a-z_]\w*\b/g
const FOLDERS = ['native/addon', 'native/include']

/** What each C file includes of the tree, and the other files whose functions it names. */
function needsInC(sources: readonly Source[]): Map<string, Needs[]> {
  const files = sources
    .filter(({ path }) => /^native\/.*\.[ch]$/.test(path))
    .map(({ path, text }) => ({ path, scanned: scan(text) }))
  const paths = new Set(files.map(({ path }) => path))
  const functions = files.map(({ path, scanned }) => ({ path, ...functionsOf(scanned) }))
  return new Map(
    files.map(({ path, scanned }, i) => {
      const { own, shared } = functions[i]!
      const others = functions.filter(
        other => other.path !== path && program(other.path) === program(path)
      )
      const owners = new Map(
        others.flatMap(other => [...other.shared].map(name => [name, other.path] as const))
      )
      for (const name of [...own, ...shared]) owners.delete(name)
      return [path, [...includes(path, scanned, paths), ...uses(path, scanned, owners)]]
    })
  )
}

// Files of other programs may have functions of the same names.
const program = (path: string): string => path.split('/').slice(0, 2).join('/')

function functionsOf({ code }: Scanned): { own: Set<string>; shared: Set<string> } {
  const own = new Set<string>()
  const shared = new Set<string>()
  for (const [, isStatic, name] of code.matchAll(FUNCTION)) (isStatic ? own : shared).add(name!)
  return { own, shared }
}

function includes(path: string, { text, code }: Scanned, paths: ReadonlySet<string>): Needs[] {
  return [...code.matchAll(INCLUDE)].flatMap(({ 0: start, index }) => {
    const at = index + start.length
    const name = text.slice(at, text.indexOf('"', at))
    const to = [dirname(path), ...FOLDERS]
      .map(in_ => normalize(join(in_, name)))
      .find(p => paths.has(p))
    return to === undefined ? [] : [{ to, line: lineAt(code, index) }]
  })
}

// A header only declares: whoever includes it needs what it calls, or not.
function uses(path: string, { code }: Scanned, owners: ReadonlyMap<string, string>): Needs[] {
  if (path.endsWith('.h')) return []
  const first = new Map<string, Needs>()
  for (const { 0: name, index } of code.matchAll(NAME)) {
    const to = owners.get(name)
    if (to !== undefined && !first.has(to)) first.set(to, { to, line: lineAt(code, index) })
  }
  return [...first.values()]
}
