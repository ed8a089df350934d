// The golden vectors, both ways: what is said becomes these bytes, these bytes say it.  They were
// made twice, by this code and by another encoder that was written from docs/flow-state.md.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as codec from '../../src/state/exchange/codec.ts'
import * as message from '../../src/state/exchange/message.ts'
import { KEY_WORDS, RECORD_WORDS } from '../../src/state/record.ts'
import { bytesOf, headerIn, key, recordOf, vectors } from './vectors.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset)
const entryNamed = (name: string) => vectors.entries.find(each => each.name === name)!

for (const entry of vectors.entries)
  test(`entry: ${entry.name}`, () => {
    const record = recordOf(entry)
    const bytes = new Uint8Array(codec.entryBytes(record))
    const end = codec.encodeEntry(viewOf(bytes), 0, record, 0, entry.idleMs)
    assert.equal(hexOf(bytes), entry.hex)
    const read = new Int32Array(RECORD_WORDS)
    assert.equal(codec.decodeEntry(viewOf(bytesOf(entry.hex)), 0, end, read, 0), end)
    assert.deepEqual(read, record)
    assert.equal(codec.entryIdleMs(viewOf(bytesOf(entry.hex)), 0), entry.idleMs)
  })

for (const { entry, hex } of vectors.keys)
  test(`key: ${entry}`, () => {
    const record = recordOf(entryNamed(entry))
    const bytes = new Uint8Array(codec.KEY_BYTES_MAX)
    const end = codec.encodeKey(viewOf(bytes), 0, record, 0)
    assert.equal(hexOf(bytes.subarray(0, end)), hex)
    const read = new Int32Array(KEY_WORDS)
    assert.equal(codec.decodeKey(viewOf(bytesOf(hex)), 0, end, read, 0), end)
    assert.deepEqual(read, record.slice(0, KEY_WORDS))
  })

const sealed = message.sealKey(key)

for (const given of vectors.messages)
  test(`message: ${given.name}`, () => {
    const body = bytesOf(given.body)
    assert.equal(hexOf(message.seal(sealed, headerIn(given), body)), given.hex)
    const bytes = bytesOf(given.hex)
    assert.equal(message.malformation(bytes), undefined)
    assert.ok(message.isGenuine(sealed, bytes))
    assert.deepEqual(message.headerOf(bytes), headerIn(given))
    assert.equal(hexOf(new Uint8Array(bytes.buffer, message.HEADER_BYTES, body.length)), given.body)
  })

test('there is a message of each type', () => {
  const types = new Set(vectors.messages.map(({ type }) => type))
  assert.deepEqual(types, new Set(Object.values(message.MessageType)))
})

test('saved records', () => {
  const { wallMs, entries, hex } = vectors.saved
  const texts = entries.map(entryNamed)
  const records = Int32Array.from(texts.flatMap(text => [...recordOf(text)]))
  const idleMs = texts.map(text => text.idleMs)
  assert.equal(hexOf(codec.encodeRecords(records, idleMs, texts.length, wallMs)), hex)
  const found: unknown[] = []
  const take = (record: Int32Array, idle: number) => found.push([record.slice(), idle])
  assert.ok(codec.decodeRecords(bytesOf(hex), wallMs + 5000, take))
  assert.deepEqual(
    found,
    texts.map(text => [recordOf(text), text.idleMs + 5000])
  )
})

test('the message that the page takes apart is the one in the vectors', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/flow-state.md'), 'utf8')
  const example = page.slice(page.indexOf('## One message'), page.indexOf('## Saved'))
  const rows = [...example.matchAll(/^\| (\d+) \| `([0-9a-f ]+)` \|/gm)]
  const hex = rows.map(row => row[2]!.replaceAll(' ', '')).join('')
  assert.equal(hex, vectors.messages.find(each => each.name === 'state that answers a pull')!.hex)
  let at = 0
  for (const [, offset, bytes] of rows) {
    assert.equal(Number(offset), at)
    at += bytes!.replaceAll(' ', '').length / 2
  }
})
