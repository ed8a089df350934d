// C10: what is not seen is neither a name nor printed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isVisible, visible, visibleLines } from './visible.ts'

const hidden = [
  '\u0000',
  '\u001b[2J',
  '\r\n',
  '\n',
  '\t',
  '\u007f',
  '\u009b31m',
  '\u0085',
  '\ud800',
  '\udfff',
  '\u2028',
  '\u2029',
  '\u202e',
  '\u202a',
  '\u2066',
  '\u2069',
  '\u200e',
  '\u061c',
  '\u200b',
  '\ufeff',
  '\ufffe',
  '\u{1fffe}',
  '\u{e0041}'
]

test('C10: hidden characters are found anywhere in a text', () => {
  for (const text of hidden)
    for (const around of [text, `a${text}`, `${text}b`, `grün${text}東京`])
      assert.ok(!isVisible(around), JSON.stringify(around))
})

test('C10: names in any script, and emoji, are what they are', () => {
  for (const text of [
    'br-1',
    'grün',
    '東京',
    'شبكة',
    'नेटवर्क',
    '👩‍👩‍👧',
    '🏳️‍🌈',
    'a\'b"c',
    '\\n',
    'a b\u00a0c'
  ])
    assert.equal(visible(text), text)
})

test('C10: what is printed holds no hidden character, and JSON keeps its meaning', () => {
  for (const text of hidden) {
    const shown = visible(text)
    assert.match(shown, /^[ -~]+$/)
    assert.equal(JSON.parse(visible(JSON.stringify({ text }))).text, text)
  }
  assert.equal(visibleLines('a\nb\u001bc\n'), 'a\nb\\u001bc\n')
})
