// The judge of the soak: it finds what grows, and only that.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Allowance, judge, type Sample } from './judge.ts'

const MINUTES = 30
const allowances: readonly Allowance[] = [
  { of: /^rss$/, part: 0.05, plus: 8e6, isProcess: true },
  { of: /^records$/, part: 0.1, plus: 50 }
]

interface Course {
  readonly figure: string
  readonly at: (minute: number) => number
  readonly pid?: (minute: number) => number
}

const soak = ({ figure, at, pid = () => 7 }: Course): Sample[] =>
  Array.from({ length: MINUTES * 6 }, (_, i) => {
    const minute = i / 6
    return { atS: i * 10, subject: 'g1', pid: pid(minute), values: { [figure]: at(minute) } }
  })

const faultsOf = (course: Course): readonly string[] => judge(soak(course), allowances, []).faults

describe('a soak is judged', () => {
  test('flat is flat, also with the teeth of a saw', () => {
    assert.deepEqual(faultsOf({ figure: 'records', at: () => 5000 }), [])
    const teeth = (minute: number): number => 100e6 + ((minute * 7) % 1) * 20e6
    assert.deepEqual(faultsOf({ figure: 'rss', at: teeth }), [])
  })

  test('what fills up in the first third is no growth', () => {
    assert.deepEqual(faultsOf({ figure: 'records', at: m => Math.min(m, 9.9) * 500 }), [])
  })

  test('one record in a hundred that stays is found', () => {
    // 300 connections a second, a lifetime of 10 s
    const [fault = ''] = faultsOf({ figure: 'records', at: minute => 3000 + minute * 180 })
    assert.match(fault, /^g1 records grew from \d+ to \d+; [\d.]+ is allowed$/)
  })

  test('memory of 100 bytes a connection that stays is found, beside the teeth', () => {
    const at = (m: number): number => 100e6 + m * 60 * 300 * 100 + ((m * 7) % 1) * 20e6
    assert.equal(faultsOf({ figure: 'rss', at }).length, 1)
  })

  test('a process is not compared with its successor, a table is', () => {
    const pid = (minute: number): number => (minute < 25 ? 7 : 8)
    const rss = judge(soak({ figure: 'rss', at: m => m * 20e6, pid }), allowances, [])
    assert.deepEqual(rss, { findings: [], unjudged: ['g1 rss: restarted'], faults: [] })
    assert.equal(faultsOf({ figure: 'records', at: m => m * 500, pid }).length, 1)
  })

  test('a soak through which nothing went shows nothing', () => {
    const idle = soak({ figure: 'records', at: () => 0 })
    assert.deepEqual(judge(idle, allowances, ['g1 records']).faults, [
      'g1 records was 0 or not seen: nothing was shown'
    ])
    assert.equal(judge([], allowances, ['g1 records']).faults.length, 1)
    const busy = soak({ figure: 'records', at: () => 10 })
    assert.deepEqual(judge(busy, allowances, ['g1 records']).faults, [])
  })

  test('too few samples are not judged', () => {
    const few = soak({ figure: 'records', at: m => m * 500 }).filter((_, i) => i % 70 === 0)
    const { findings, unjudged } = judge(few, allowances, [])
    assert.deepEqual([findings, unjudged], [[], ['g1 records: too few samples']])
  })
})
