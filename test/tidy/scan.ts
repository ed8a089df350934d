// A scanner for TypeScript, as small as the rules need: it blanks out comments, strings and
// regular expressions (positions stay), finds the bodies of functions by their braces, and lists
// imports. TypeScript 7 offers no parser to JavaScript, and a dependency for this would be more
// than it is worth. Where it cannot know, it errs towards finding nothing.

export interface Scanned {
  readonly text: string
  /** The text with everything that is not code turned to blanks of the same length. */
  readonly code: string
  /** The text with everything that is not a comment turned to blanks of the same length. */
  readonly comments: string
}

export interface FunctionBody {
  readonly line: number
  readonly lines: number
  /** What stands before the parameters, for messages: `name`, `describe('x', `. */
  readonly before: string
}

const KEYWORDS_BEFORE_REGEX = /\b(return|typeof|case|in|of|do|else|void|delete|throw|await|yield)$/

// Nearly every rule looks at every file.
const scanned = new Map<string, Scanned>()

export function scan(text: string): Scanned {
  const known = scanned.get(text) ?? scanAnew(text)
  scanned.set(text, known)
  return known
}

function scanAnew(text: string): Scanned {
  const out = text.split('')
  const comments = text.replace(/[^\n]/g, ' ').split('')
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' '
  }
  const comment = (from: number, to: number): void => {
    for (let i = from; i < to; i++) comments[i] = text[i]!
    blank(from, to)
  }
  // Depths of braces at which a template's `${` was opened: its `}` goes on with the template.
  const templates: number[] = []
  let depth = 0
  let at = text.startsWith('#!') ? endOfLine(text, 0) : 0
  blank(0, at)
  while (at < text.length) {
    const c = text[at]!
    const next = text[at + 1]
    let end = at + 1
    if (c === '/' && next === '/') comment(at, (end = endOfLine(text, at)))
    else if (c === '/' && next === '*') comment(at, (end = after(text, '*/', at + 2)))
    else if (c === "'" || c === '"') blank(at + 1, (end = endOfString(text, at)) - 1)
    else if (c === '/' && startsRegex(out, at)) blank(at + 1, (end = endOfRegex(text, at)))
    else if (c === '`' || (c === '}' && templates.at(-1) === depth)) {
      if (c === '}') templates.pop()
      end = endOfTemplate(text, at + 1)
      blank(at, end)
      if (text[end - 1] === '{') templates.push(depth)
    } else if (c === '{') depth++
    else if (c === '}') depth--
    at = end
  }
  return { text, code: out.join(''), comments: comments.join('') }
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function after(text: string, what: string, at: number): number {
  const found = text.indexOf(what, at)
  return found < 0 ? text.length : found + what.length
}

function endOfString(text: string, at: number): number {
  const quote = text[at]
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === quote || text[i] === '\n') return i + 1
  }
  return text.length
}

/** Behind the closing quote, or behind the `{` of the next `${`. */
function endOfTemplate(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '`') return i + 1
    else if (text[i] === '$' && text[i + 1] === '{') return i + 2
  }
  return text.length
}

function endOfRegex(text: string, at: number): number {
  let inClass = false
  for (let i = at + 1; i < text.length && text[i] !== '\n'; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '[') inClass = true
    else if (text[i] === ']') inClass = false
    else if (text[i] === '/' && !inClass) return i
  }
  return at + 1 // a division after all
}

function startsRegex(code: readonly string[], at: number): boolean {
  let i = at - 1
  while (i >= 0 && /\s/.test(code[i]!)) i--
  if (i < 0 || '(,=:[!&|?{};+-*%<>~^'.includes(code[i]!)) return true
  return KEYWORDS_BEFORE_REGEX.test(code.slice(Math.max(0, i - 10), i + 1).join(''))
}

const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}', '<': '>' }
const CONTROL = /\b(if|for|while|switch|catch|with|await)$/
const TYPE_OPERATOR = /^(is|asserts|keyof|readonly|typeof|infer|unique|extends)$/

export function functions({ code }: Scanned): FunctionBody[] {
  const found: FunctionBody[] = []
  const add = (start: number, brace: number, before: string): void => {
    const line = lineAt(code, start)
    found.push({ line, lines: lineAt(code, closing(code, brace)) - line + 1, before })
  }
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '(') {
      const before = code.slice(Math.max(0, at - 60), at).trimEnd()
      if (CONTROL.test(before)) continue
      const brace = bodyAfter(code, closing(code, at) + 1)
      if (brace >= 0) add(at, brace, before)
    } else if (code[at] === '>' && code[at - 1] === '=') {
      const brace = skipBlank(code, at + 1)
      // `(a) => {` is found by its parenthesis; this is `a => {`.
      const before = code.slice(code.lastIndexOf('\n', at) + 1, at - 1).trimEnd()
      if (code[brace] === '{' && /[\w$]$/.test(before) && !/\)\s*:[^(]*$/.test(before))
        add(at, brace, before)
    }
  }
  return found
}

/** Where the body begins of a function whose parameters end before `at`; -1 if it is none. */
function bodyAfter(code: string, at: number): number {
  let i = skipBlank(code, at)
  if (code[i] === '{') return i
  if (code[i] === ':') i = endOfType(code, i + 1)
  if (code[i] === '{') return i
  if (code.startsWith('=>', i)) {
    const brace = skipBlank(code, i + 2)
    return code[brace] === '{' ? brace : -1
  }
  return -1
}

/** Where a type annotation ends: an operand may be braces, what follows an operand may not. */
function endOfType(code: string, from: number): number {
  let wantsOperand = true
  for (let i = skipBlank(code, from); i < code.length; i = skipBlank(code, i)) {
    const c = code[i]!
    const word = /^[\w$.]+/.exec(code.slice(i, i + 80))?.[0]
    if (word !== undefined) {
      if (TYPE_OPERATOR.test(word)) wantsOperand = true
      else if (wantsOperand) wantsOperand = false
      else return i
      i += word.length
    } else if (c === '|' || c === '&') {
      wantsOperand = true
      i++
    } else if (c === '[' || c === '<' || ((c === '{' || c === '(') && wantsOperand)) {
      i = closing(code, i) + 1
      wantsOperand = false
    } else if (c === "'" || c === '"') {
      i = code.indexOf(c, i + 1) + 1
      wantsOperand = false
    } else return i
  }
  return code.length
}

/** The position of the bracket that closes the one at `open`. */
function closing(code: string, open: number): number {
  const opens = code[open]!
  const closes = PAIRS[opens]!
  let depth = 0
  for (let i = open; i < code.length; i++) {
    if (code[i] === opens) depth++
    else if (code[i] === closes && !(closes === '>' && code[i - 1] === '=') && --depth === 0)
      return i
  }
  return code.length
}

function skipBlank(code: string, at: number): number {
  let i = at
  while (i < code.length && /\s/.test(code[i]!)) i++
  return i
}

/** The line, from 1, on which a position lies. */
export function lineAt(text: string, at: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++
  return line
}

export interface Import {
  readonly from: string
  readonly line: number
}

// The keyword is looked for in the code, the name in the text: in the code it is blank.
const IMPORT = /(?:\bfrom|\bimport\s*\(|\bimport)\s*(['"])/g

export function imports({ text, code }: Scanned): Import[] {
  return [...code.matchAll(IMPORT)].map(match => {
    const from = match.index + match[0].length
    return { from: text.slice(from, text.indexOf(match[1]!, from)), line: lineAt(code, from) }
  })
}
