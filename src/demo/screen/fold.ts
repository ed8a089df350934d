// A line on a terminal that is too narrow for it: a sentence goes on below, between words; a row
// of a table ends with its last whole word. Colours take no room.

import { stripVTControlCharacters } from 'node:util'

const ESC = '\x1b['
const MORE = ' …'
const INDENT = '  '
const code = new RegExp(`${ESC.replace('[', '\\[')}[\\d;]*m`, 'g')

const widthOf = (text: string): number => stripVTControlCharacters(text).length

/** Cells stand apart by two blanks or more. */
const isRow = (line: string): boolean => /\S {2,}\S/.test(stripVTControlCharacters(line))

/** The line as lines of so many columns; no word is broken that could be a line of its own. */
export function fold(line: string, columns: number): string[] {
  if (widthOf(line) <= columns) return [line]
  if (isRow(line)) return [shorten(line, columns)]
  const lines: string[] = []
  let rest = line
  while (widthOf(rest) > columns) {
    const at = breakOf(rest, columns)
    const piece = rest.slice(0, at).trimEnd()
    const colour = lastColour(piece)
    lines.push(colour === '' ? piece : `${piece}${ESC}0m`)
    rest = INDENT + colour + rest.slice(at).trimStart()
  }
  return [...lines, rest]
}

function shorten(line: string, columns: number): string {
  const piece = line.slice(0, breakOf(line, columns - MORE.length)).trimEnd()
  return `${piece}${MORE}${lastColour(piece) === '' ? '' : `${ESC}0m`}`
}

// Behind the last word that fits; in the middle of one that is longer than a line.
function breakOf(line: string, columns: number): number {
  let room = columns
  let at = 0
  let end = 0
  let isText = false // the indent is no place to break
  while (at < line.length) {
    const length = line.startsWith(ESC, at) ? line.indexOf('m', at) + 1 - at : 0
    if (length === 0 && line[at] === ' ' && isText) end = at
    if (length === 0 && room-- === 0) return end > 0 ? end : at
    if (length === 0 && line[at] !== ' ') isText = true
    at += length || 1
  }
  return at
}

/** The colour that a text leaves on. */
function lastColour(text: string): string {
  const last = text.match(code)?.at(-1) ?? ''
  return last === `${ESC}0m` ? '' : last
}
