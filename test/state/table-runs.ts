// Random lives of a state table, held against the model; part of its contract.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { RECORD_WORDS } from '../../src/state/record.ts'
import type { StateTable } from '../../src/state/table.ts'
import { casesOf } from '../cases.ts'
import { Kind, TIMEOUTS } from './kinds.ts'
import { anyRecord, keyA, keyB } from './records.ts'
import { TableModel } from './table-model.ts'
import { expired, type Ground, listed, type Open } from './table-reading.ts'

const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

const ms = fc.constantFrom(0, 1, 999, 5000, 9999, 30_000, 59_999, 600_000, 3_600_000, 86_400_000)
const step = fc.record({
  do: fc.constantFrom('put', 'put', 'note', 'note', 'remove', 'find', 'pass', 'expire'),
  words: anyRecord,
  side: fc.boolean(),
  tcp: fc.constantFrom(0, SYN, ACK, FIN, RST, FIN | RST),
  ms
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

export function modelRuns(open: Open): void {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), steps => {
      const { table, at } = open(500)
      const model = new TableModel(TIMEOUTS)
      at(0)
      for (const each of steps) take(each, table, model, at)
      compare(table, model)
      table.close()
    }),
    { numRuns: casesOf(200) }
  )
}

function take(step: Step, table: StateTable, model: TableModel, at: Ground['at']): void {
  const key = step.side ? keyB(step.words) : keyA(step.words)
  const handle = table.find(key)
  const expected = key[0] === 0 ? undefined : model.find(key)
  assert.equal(handle !== 0, expected !== undefined)
  const id = handle >>> 1
  if (step.do === 'put') {
    assert.equal(table.put(step.words, 0, step.ms), model.put(step.words, step.ms))
  } else if (step.do === 'expire') {
    const texts = (all: Int32Array[]): string[] => all.map(words => words.join()).sort()
    assert.deepEqual(texts(expired(table)), texts(model.expire().map(each => each.words)))
  } else if (step.do === 'pass') {
    model.now += step.ms
    at(model.now)
  } else if (expected !== undefined) {
    const { entry, isReturn } = expected
    const into = new Int32Array(RECORD_WORDS)
    assert.ok(table.read(id, into))
    assert.deepEqual(into, entry.words)
    assert.equal((handle & 1) === 1, isReturn)
    if (step.do === 'note') {
      const changed = table.note(handle, table.stamp(id), step.tcp, step.ms)
      assert.equal(changed, model.note(entry, isReturn, step.tcp, step.ms))
      entry.used = Math.max(entry.used, model.now - step.ms)
    } else if (step.do === 'remove') {
      assert.ok(table.remove(id, table.stamp(id)))
      model.entries = model.entries.filter(other => other !== entry)
    }
  }
}

function compare(table: StateTable, model: TableModel): void {
  const lines = (all: Array<{ words: Int32Array; idle: number }>): string[] =>
    all.map(({ words, idle }) => `${words.join()} ${idle}`).sort()
  const entries = model.entries.map(({ words, used }) => ({ words, idle: model.now - used }))
  assert.deepEqual(lines(listed(table)), lines(entries))
  assert.equal(table.size, entries.length)
  for (const kind of [Kind.connection, Kind.snat, Kind.dnat, Kind.sticky])
    assert.equal(table.count(kind), entries.filter(({ words }) => words[0]! >>> 16 === kind).length)
}
