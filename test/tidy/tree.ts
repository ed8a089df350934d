// The rules about the tree as a whole: how many files a folder holds and on how many floors, how
// many others a file needs, that a file which a comment names is there, that a class has a test.
// What is over a bound is listed with its number, and may only shrink: a list longer than what it
// excuses is refused too.

import { dirname } from 'node:path/posix'
import { circles } from './circles.ts'
import { floors } from './floors.ts'
import type { Finding } from './rules.ts'
import { imports, lineAt, scan } from './scan.ts'

export interface Source {
  readonly path: string
  readonly text: string
}

export interface Exceptions {
  readonly folders: Readonly<Record<string, number>>
  readonly floors: Readonly<Record<string, number>>
  readonly imports: Readonly<Record<string, number>>
}

interface TreeFinding extends Finding {
  readonly path: string
}

const FOLDER_FILES_MAX = 16
const IMPORTS_MAX = 18
const FLOORS_MAX = 7

/** What is over its bound today. A number may only become smaller. */
export const exceptions: Exceptions = {
  folders: {},
  floors: {},
  imports: {}
}

/** `all` are the paths of the whole tree, pages and settings included. */
export function checkTree(
  sources: readonly Source[],
  all: readonly string[],
  excused: Exceptions = exceptions
): TreeFinding[] {
  return [
    ...crowdedFolders(sources, excused.folders),
    ...tallFolders(sources, excused.floors),
    ...manyImports(sources, excused.imports),
    ...namedFiles(sources, all),
    ...untested(sources),
    ...circles(sources)
  ]
}

const isTest = (path: string): boolean => /^(?:test|native\/test)\/|\.test\.ts$/.test(path)

function crowdedFolders(
  sources: readonly Source[],
  excused: Readonly<Record<string, number>>
): TreeFinding[] {
  const sizes = new Map<string, number>()
  for (const { path } of sources)
    if (!isTest(path)) sizes.set(dirname(path), (sizes.get(dirname(path)) ?? 0) + 1)
  sizes.delete('src/wire') // its files have one shape: a protocol each
  return over(sizes, FOLDER_FILES_MAX, excused, 'files: give those that belong together a folder')
}

function tallFolders(
  sources: readonly Source[],
  excused: Readonly<Record<string, number>>
): TreeFinding[] {
  const chains = floors(sources)
  const counts = new Map([...chains].map(([folder, chain]) => [folder, chain.length]))
  const message = 'floors: give those that belong together a folder'
  return over(counts, FLOORS_MAX, excused, message).map(finding => ({
    ...finding,
    message: `${finding.message}: ${chains.get(finding.path)?.join(' > ')}`
  }))
}

function manyImports(
  sources: readonly Source[],
  excused: Readonly<Record<string, number>>
): TreeFinding[] {
  const counts = new Map<string, number>()
  for (const { path, text } of sources)
    if (path.endsWith('.ts') && !isTest(path) && !isDoor(path))
      counts.set(path, new Set(imports(scan(text)).map(({ from }) => from)).size)
  return over(counts, IMPORTS_MAX, excused, 'imports: it does more than one thing')
}

// They have nothing of their own: what plugins may use, handed on.
const isDoor = (path: string): boolean => /^src\/(?:plugin|resource|control)\.ts$/.test(path)

function over(
  counts: ReadonlyMap<string, number>,
  max: number,
  excused: Readonly<Record<string, number>>,
  message: string
): TreeFinding[] {
  const found = [...counts]
    .filter(([path, count]) => count > Math.max(max, excused[path] ?? 0))
    .map(([path, count]) => ({ path, line: 1, message: `${count} ${message} (${max} at most)` }))
  const stale = Object.entries(excused)
    .filter(([path, count]) => (counts.get(path) ?? 0) < count)
    .map(([path, count]) => {
      const now = counts.get(path) ?? 0
      return { path, line: 1, message: `excused for ${count} and has ${now}: shrink the list` }
    })
  return [...found, ...stale]
}

/** Files with a class, without a test beside them or named in their header comment. */
function untested(sources: readonly Source[]): TreeFinding[] {
  const paths = new Set(sources.map(({ path }) => path))
  return sources
    .filter(({ path }) => /^(?:src|plugins)\/.*\.ts$/.test(path) && !isTest(path))
    .filter(({ path }) => !paths.has(path.replace(/\.ts$/, '.test.ts')))
    .filter(({ text }) => /^(?:export )?(?:abstract )?class /m.test(scan(text).code))
    .filter(({ text }) => !/^(?:\/\/.*\n)*?\/\/.*\.test\.ts\b/.test(text))
    .map(({ path }) => ({
      path,
      line: 1,
      message: 'has a class and no test of its name: say in its header which test holds it'
    }))
}

const NAMED = /(?<![\w./*<-])(?:[\w-]+\/)*[\w-]+(?:\.[\w-]+)*\.(?:ts|mjs|cjs|c|h|md)\b(?!\.\w)/g
// Headers of the system, by their folder.
const SYSTEM = /^(?:linux|uapi|include\/uapi|sys|net|netinet|bpf|arpa)\//

function namedFiles(sources: readonly Source[], all: readonly string[]): TreeFinding[] {
  const endings = new Set(all.flatMap(endingsOf))
  return sources.flatMap(({ path, text }) => {
    const { comments } = scan(text)
    return [...comments.matchAll(NAMED)]
      .filter(([name]) => !SYSTEM.test(name) && !endings.has(name))
      .map(({ 0: name, index }) => ({
        path,
        line: lineAt(comments, index),
        message: `there is no ${name}: name the file that there is`
      }))
  })
}

/** The ways to name a file: by its name alone, or with some of the folders it is in. */
function endingsOf(path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, i) => parts.slice(i).join('/'))
}
