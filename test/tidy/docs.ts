// What is exported says in a documentation comment what it is, with units, null and undefined,
// errors and RFC sections: editors show it where the name is used. What needs none is decided by
// rule (`isPlain`, `isInherited`), never by a list of names; `unfinished` lists what may
// still be without, and may only shrink.

import type { Finding } from './rules.ts'
import { lineAt, type Scanned, scan } from './scan.ts'
import type { Source } from './tree.ts'

/** Something that readers of other files meet by its name. */
export interface Exported {
  readonly line: number
  readonly kind: 'class' | 'interface' | 'function' | 'const' | 'type' | 'member'
  readonly name: string
  /** The class or interface a member belongs to; '' for a declaration itself. */
  readonly of: string
  /** The first line of the declaration. */
  readonly head: string
  readonly isDocumented: boolean
  /** Of a class or interface: what it implements and extends, by name. */
  readonly heritage: readonly string[]
}

/** Files and folders that may still have exports without documentation. */
export const unfinished: readonly string[] = []

const DECLARATION =
  /^export\s+(?:(?:async|abstract)\s+)?(class|interface|function|const|let|type)\b\*?\s+([\w$]+)/gm
const MODIFIERS = /^(?:(?:readonly|static|async|abstract|override|get|set)\s+)*\*?/
const MEMBER = /^(?!constructor\b)([A-Za-z_$][\w$]*)(?=[?!]?\s*[:(<=]|\s*$)/

/** All that a file exports, and the members of exported classes and interfaces. */
export function exportsOf(source: Scanned): Exported[] {
  const { code } = source
  return [...code.matchAll(DECLARATION)].flatMap(match => {
    const kind = match[1]!.replace('let', 'const') as Exported['kind']
    const isType = kind === 'class' || kind === 'interface'
    const heritage = isType ? heritageOf(code, match.index) : []
    const at = { kind, name: match[2]!, of: '', heritage }
    const declared = exported(source, match.index, at)
    return isType ? [declared, ...membersOf(source, match.index, at.name)] : [declared]
  })
}

type At = Pick<Exported, 'kind' | 'name' | 'of' | 'heritage'>

const exported = ({ text, code }: Scanned, at: number, what: At): Exported => ({
  ...what,
  line: lineAt(code, at),
  head: text.slice(at, text.indexOf('\n', at)),
  isDocumented: text.slice(code.slice(0, at).trimEnd().length, at).includes('/**')
})

/** What stands at depth one of the body, where a line begins. */
function membersOf(source: Scanned, from: number, of: string): Exported[] {
  const { code } = source
  const found: Exported[] = []
  let depth = 0
  let isFresh = false
  for (let at = bodyOf(code, from); at >= 0 && at < code.length; at++) {
    const c = code[at]!
    if (isFresh && /\S/.test(c)) {
      isFresh = false
      const line = code.slice(at, code.indexOf('\n', at))
      const name = MEMBER.exec(line.replace(MODIFIERS, ''))?.[1]
      if (name !== undefined && !continues(code, at))
        found.push(exported(source, at, { kind: 'member', name, of, heritage: [] }))
    }
    if ('{(['.includes(c)) depth++
    else if ('})]'.includes(c)) depth--
    if (depth === 0) break
    if (c === '\n') isFresh = depth === 1
  }
  return found
}

/** Whether what stands at a position goes on with the line above it. */
const continues = (code: string, at: number): boolean =>
  /(?:[=|&?:,]|=>)$/.test(code.slice(Math.max(0, at - 4000), at).trimEnd())

/** The brace that opens the members, behind parameters of types; -1 without. */
function bodyOf(code: string, from: number): number {
  let depth = 0
  for (let i = from; i < code.length; i++) {
    const c = code[i]!
    if (c === '<' || c === '(') depth++
    else if (c === ')' || (c === '>' && code[i - 1] !== '=')) depth--
    else if (c === '{' && depth === 0) return i
  }
  return -1
}

function heritageOf(code: string, from: number): string[] {
  const before = code.slice(from, Math.max(from, bodyOf(code, from)))
  return /\b(?:implements|extends)\b([\s\S]*)$/.exec(before)?.[1]?.match(/[A-Z][\w$]*/g) ?? []
}

// A protocol's file in src/wire has these, and accessors named by the fields its header draws.
const SHAPE = /^(?:LENGTH(?:_MIN)?|Type|Flag|Option|fits|payload|emit|Fields)$/
const ACCESSOR = /^export (?:const \w+ = |function \w+)\(_?view: DataView, at: number[,)]/
// A type that is what a table or a schema says.
const DERIVED =
  /^export type \w+ = (?:Readonly<)?(?:\(typeof |(?:Static|ModelValue|ReturnType)<typeof )/
const TYPED =
  /^(\w+)[?!]?: (?:readonly )?([A-Z]\w*)(?:<.*>)?(\[\])?(?: \| (?:null|undefined))?(?: =.*)?$/

/**
 * Whether the name says all: a field called as its type is, `id` and `name`, a setter (its getter
 * is documented), an override, a derived type, and the shape of a protocol's file.
 */
export function isPlain(path: string, { kind, name, of, head }: Exported): boolean {
  if (kind === 'type' && DERIVED.test(head)) return true
  const isWire = path.startsWith('src/wire/')
  if (isWire && (SHAPE.test(of === '' ? name : of) || ACCESSOR.test(head))) return true
  if (kind !== 'member') return false
  if (/^(?:set|override) |^readonly (?:id|name): string$/.test(head)) return true
  const typed = TYPED.exec(head.replace(MODIFIERS, ''))
  if (typed === null) return false
  const type = `${typed[2]!}${typed[3] === undefined ? '' : 's'}`
  return type.toLowerCase().endsWith(name.toLowerCase())
}

/** A member that what its class implements or extends has, too; a token named as its interface. */
function inheritance(all: readonly Exported[]): (each: Exported) => boolean {
  const members = new Map<string, Set<string>>()
  const heritage = new Map<string, readonly string[]>()
  const documented = new Set<string>()
  for (const { of, name, heritage: above, isDocumented } of all) {
    if (of !== '') members.set(of, (members.get(of) ?? new Set()).add(name))
    else heritage.set(name, [...(heritage.get(name) ?? []), ...above])
    if (of === '' && isDocumented) documented.add(name)
  }
  const has = (of: string, name: string, depth: number): boolean =>
    depth > 0 &&
    (heritage.get(of) ?? []).some(
      above => members.get(above)?.has(name) === true || has(above, name, depth - 1)
    )
  return ({ of, name, kind }) =>
    of === '' ? kind === 'const' && documented.has(name) : has(of, name, 8)
}

const isProduct = (path: string): boolean =>
  /^(?:src|plugins)\/.*\.ts$/.test(path) && !path.endsWith('.test.ts')

/** Exports without documentation, and folders that are listed as unfinished and are done. */
export function undocumented(
  sources: readonly Source[],
  excused: readonly string[] = unfinished
): (Finding & { readonly path: string })[] {
  const files = sources
    .filter(({ path }) => isProduct(path))
    .map(({ path, text }) => ({ path, all: exportsOf(scan(text)) }))
  const isInherited = inheritance(files.flatMap(({ all }) => all))
  const found = files.flatMap(({ path, all }) =>
    all
      .filter(each => !each.isDocumented && !isPlain(path, each) && !isInherited(each))
      .map(({ line, of, name }) => ({
        path,
        line,
        message: `${of === '' ? '' : `${of}.`}${name}: say what it is in /** … */ above it`
      }))
  )
  const done = excused
    .filter(folder => !found.some(({ path }) => path.startsWith(folder)))
    .map(path => ({ path, line: 1, message: 'is documented: take it off the list `unfinished`' }))
  return [...found.filter(({ path }) => !excused.some(folder => path.startsWith(folder))), ...done]
}

/** Lines of comment among all lines of the product that are not empty, in per cent. */
export function commentShare(sources: readonly Source[]): number {
  let comments = 0
  let lines = 0
  for (const { text } of sources.filter(({ path }) => isProduct(path))) {
    lines += text.split('\n').filter(line => line.trim() !== '').length
    comments += scan(text)
      .comments.split('\n')
      .filter(line => line.trim() !== '').length
  }
  return (100 * comments) / lines
}
