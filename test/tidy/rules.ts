// The rules a machine can check, each a function from a file to findings. A finding says what is
// wrong and what to write instead: the message is read by somebody who did not know the rule.

import { checkImport, roomOf } from './rooms.ts'
import { functions, imports, lineAt, type Scanned, scan } from './scan.ts'
import { retiredWords } from './words.ts'

export interface Finding {
  readonly line: number
  readonly message: string
}

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 60
const COLUMNS_MAX = 100
const HEADER_LINES_MAX = 10

interface Ban {
  readonly what: RegExp
  readonly instead: string
  readonly in: (path: string) => boolean
}

const isTest = (path: string): boolean => /^test\/|\.test\.ts$/.test(path)
const isProduct = (path: string): boolean => /^(src|plugins)\//.test(path) && !isTest(path)
// A lab and a demo are made of real kernels and processes, whose time is real.
const isTimeless = (path: string): boolean =>
  isProduct(path) && !['core', 'lab', 'demo'].includes(roomOf(path))
const isTypeScript = (path: string): boolean => path.endsWith('.ts')
// What measures or waits for a real kernel needs real time; other tests wait for events.
const isUnitTest = (path: string): boolean =>
  isTest(path) && !/^test\/(lab|bench|kernels|fuzz|tidy|run)/.test(path) && roomOf(path) !== 'core'

const bans: readonly Ban[] = [
  {
    what: /\b(?:Date\.now|performance\.now|process\.hrtime|new Date\(\))/,
    instead: 'time is a service: take Clock from core/clock.ts',
    in: path => isTimeless(path) || isUnitTest(path)
  },
  {
    what: /\b(?:setTimeout|setInterval|setImmediate)\b/,
    instead: 'timers are a service: Clock.after and Clock.soon of core/clock.ts',
    in: path => isTimeless(path) || isUnitTest(path)
  },
  {
    what: /\bMath\.random\b|\brandom(?:Int|Bytes|FillSync)\(/,
    instead: 'chance is a service: take Random from core/random.ts; tests take SeededRandom',
    in: path => roomOf(path) !== 'core'
  },
  {
    what: /\.(?:read|write)(?:Big)?U?Int(?:8|16|32|64)?(?:BE|LE)?\(/,
    instead: 'DataView is nine times faster in a parser than Buffer.read*: use it',
    in: path => isTypeScript(path) && !path.startsWith('src/core/')
  },
  {
    what: /\bconsole\.\w/,
    instead: 'take Log from core/log.ts; a command writes to process.stdout',
    in: path => isProduct(path) || isTest(path)
  },
  {
    what: /(?::|\bas|<|,|=|\|)\s*any\b\s*(?:[[\]<>,;)=|&{}]|$)/m,
    instead: 'write unknown and look at it, or a type',
    in: isTypeScript
  },
  {
    what: /\b(?:process\.dlopen|createRequire)\b/,
    instead: 'src/native alone loads the addon',
    in: path => isProduct(path) && roomOf(path) !== 'native'
  },
  { what: /^\s*(?:export\s+)?(?:const\s+)?enum\s/m, instead: 'use `as const`', in: isTypeScript },
  { what: /^\s*@[A-Za-z]\w*\(/m, instead: 'no decorators: tokens and factories', in: isTypeScript }
]

// Looked for in the whole text, comments included.
const bannedText: readonly Ban[] = [
  {
    what: new RegExp('\\b(?:TO' + 'DO|FIX' + 'ME|XX' + 'X)\\b'),
    instead: 'open an issue and name its number, or do it',
    in: () => true
  },
  {
    what: new RegExp('@ts-(?:ig' + 'nore|no' + 'check)'),
    instead: 'say what the type is',
    in: isTypeScript
  },
  {
    what: new RegExp('(?:^|[\\s\'"`(=])/(?:wo' + 'rk|ro' + 'ot)/', 'm'),
    instead: 'no path of one machine: find it from import.meta.dirname or a setting',
    in: () => true
  }
]

/** Everything wrong with a source file. The path is from the top of the tree. */
export function check(path: string, text: string): Finding[] {
  const source = scan(text)
  const found = [...sizes(path, text), ...header(text), ...banned(bannedText, path, text)]
  if (isC(path)) return [...found, ...retiredWords(source, true)]
  return [
    ...found,
    ...banned(bans, path, source.code),
    ...longFunctions(source),
    ...imported(path, source),
    ...defaultExport(path, source),
    ...(path.startsWith('test/tidy') ? [] : retiredWords(source, isProduct(path)))
  ].sort((a, b) => a.line - b.line)
}

const isC = (path: string): boolean => /\.[ch]$/.test(path)

function sizes(path: string, text: string): Finding[] {
  const lines = text.replace(/\n$/, '').split('\n')
  const found: Finding[] = []
  if (lines.length > FILE_LINES_MAX)
    found.push({ line: FILE_LINES_MAX, message: `${lines.length} lines: split it at 400` })
  for (const [i, line] of lines.entries()) {
    const columns = widthOf(line, isC(path) ? 8 : 2)
    if (columns > COLUMNS_MAX)
      found.push({ line: i + 1, message: `${columns} columns: break it at ${COLUMNS_MAX}` })
  }
  return found
}

/** Columns of a line. C is written as the kernel is: a tab goes on to the next multiple of 8. */
function widthOf(line: string, tab: number): number {
  let width = 0
  for (const c of line) width += c === '\t' ? tab - (width % tab) : 1
  return width
}

function header(text: string): Finding[] {
  // What names the interpreter or the licence, and a block's empty lines, do not count.
  const lines = text.split('\n').filter(line => !/^#!|^\/\/ SPDX|^\/\* SPDX.*\*\/$/.test(line))
  let end = 0
  if (lines[0]?.startsWith('/*')) end = lines.findIndex(line => line.includes('*/')) + 1
  else while (lines[end]?.startsWith('//')) end++
  const length = lines.slice(0, end).filter(line => !/SPDX|^[\s/*]*$/.test(line)).length
  if (length >= 1 && length <= HEADER_LINES_MAX) return []
  const message = 'open the file with 1 to 10 lines of comment: what it is and why it exists'
  return [{ line: 1, message: `${message} (it has ${length})` }]
}

function banned(list: readonly Ban[], path: string, text: string): Finding[] {
  return list
    .filter(ban => ban.in(path))
    .flatMap(({ what, instead }) =>
      [...text.matchAll(new RegExp(what, `${what.flags.replace('g', '')}g`))].map(match => ({
        line: lineAt(text, match.index + match[0].length - 1),
        message: `${match[0].trim()}: ${instead}`
      }))
    )
}

// A suite is a list of tests, not a paragraph.
const SUITE = /\b(?:describe|suite)\($/

function longFunctions(source: Scanned): Finding[] {
  return functions(source)
    .filter(({ lines, line }) => lines > FUNCTION_LINES_MAX && !opensSuite(source, line))
    .map(({ line, lines }) => ({
      line,
      message: `a function of ${lines} lines: say it in paragraphs of ${FUNCTION_LINES_MAX} at most`
    }))
}

const opensSuite = ({ code }: Scanned, line: number): boolean =>
  SUITE.test(/^\s*\w+\(/.exec(code.split('\n')[line - 1]!)?.[0] ?? '')

function imported(path: string, source: Scanned): Finding[] {
  return imports(source).flatMap(each => {
    const message = checkImport(path, each)
    return message === undefined ? [] : [{ line: each.line, message }]
  })
}

function defaultExport(path: string, { code }: Scanned): Finding[] {
  const at = code.search(/\bexport\s+default\b|\bas\s+default\b/)
  // node:test asks a reporter for one; a declaration says what another's package has.
  const isFree =
    /^(?:test\/)?plugins\/[\w-]+\/(?:index|resources|control)\.ts$|\/reporter\.mjs$|\.d\.ts$/.test(
      path
    )
  if (at < 0 || isFree) return []
  const message = "export by name: a plugin's index.ts and resources.ts have default exports"
  return [{ line: lineAt(code, at), message }]
}
