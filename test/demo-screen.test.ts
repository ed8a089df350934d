// The demo on a small terminal: what is too wide goes on below or ends with a whole word.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { parsePacket } from '../src/api/trace/packet.ts'
import { hosts } from '../src/demo/plan/plan.ts'
import { classes, speakers } from '../src/demo/plan/talks.ts'
import type { HostReport, Report } from '../src/demo/report/report.ts'
import { fold } from '../src/demo/screen/fold.ts'
import { Screen } from '../src/demo/screen/screen.ts'
import { plain, tableOf } from '../src/demo/screen/table.ts'

const red = (text: string): string => `\x1b[31;1m${text}\x1b[0m`
const wordsOf = (lines: readonly string[]): string[] =>
  stripVTControlCharacters(lines.join(' ')).match(/\S+/g) ?? []

const words = fc.array(fc.stringMatching(/^[a-z…→]{1,12}$/), { minLength: 1, maxLength: 30 })
const paints = fc.constantFrom(red, (text: string) => text)

describe('F13: lines of the demo on a narrow terminal', () => {
  test('a sentence goes on below, between words, in its colour', () => {
    fc.assert(
      fc.property(words, paints, fc.integer({ min: 14, max: 90 }), (all, paint, columns) => {
        const lines = fold(paint(all.join(' ')), columns)
        for (const line of lines) assert.ok(stripVTControlCharacters(line).length <= columns, line)
        for (const line of lines) assert.equal(line.includes('\x1b'), paint === red)
        assert.deepEqual(wordsOf(lines), all)
      }),
      { seed: 3 }
    )
  })

  test('a row of a table ends with a whole word', () => {
    fc.assert(
      fc.property(words, paints, fc.integer({ min: 14, max: 90 }), (all, paint, columns) => {
        const [line, ...more] = fold(`${paint(all.join('  '))}  end`, columns)
        assert.ok(stripVTControlCharacters(line!).length <= columns, line)
        assert.equal(more.length, 0)
        const kept = wordsOf([line!]).filter(word => word !== '…')
        assert.deepEqual(kept, [...all, 'end'].filter(word => word !== '…').slice(0, kept.length))
      }),
      { seed: 4 }
    )
  })

  test('a word that is longer than a line is broken, and it ends', () => {
    assert.deepEqual(fold('abcdefghijkl', 5), ['abcde', '  fgh', '  ijk', '  l'])
  })

  test('the packet that the demo proposes to trace is one', () => {
    const lines = tableOf(report, { paint: plain, live: true }).join('\n')
    const packet = /trace \S+ '(.*)'/.exec(lines)?.[1]
    assert.equal(parsePacket(packet).protocol, 'tcp')
  })

  test('of a cluster, sessions are told of gateways and of routers outside', () => {
    const [compute, , gateway, other] = report.hosts
    const cluster: Report = {
      ...report,
      services: [
        { name: 'r1', alive: true, role: '4 of 4 sessions' },
        { name: 'r2', alive: false, role: '' }
      ],
      hosts: [
        compute!,
        { ...gateway!, bgp_sessions: 2 },
        { ...other!, bgp_sessions: 2, drained: true }
      ],
      ways: [{ tenant: null, out_by: 'gateway1', back_by: 'gateway2' }]
    }
    const lines = tableOf(cluster, { paint: plain, live: true })
    const line = (begin: string): string | undefined => lines.find(each => each.startsWith(begin))
    assert.equal(line('r1'), 'r1 (4 of 4 sessions), r2 dead')
    assert.equal(line('all:'), 'all: most out by gateway1, most back by gateway2')
    assert.match(line('host ')!, / store {2}backup {5}bgp {2}drops$/)
    assert.match(line('compute1')!, / ok {6}ok {7}- {2}/)
    assert.match(line('gateway1')!, / ok {6}ok {4}2 up {2}/)
    assert.match(line('gateway2')!, / ok {6}ok drained {2}/)
    for (const words of ['kill r1', 'cut gateway1 r1', 'drain gateway1'])
      assert.ok(
        lines.some(each => each.includes(`demo ${words} `)),
        words
      )
  })

  for (const [columns, rows] of [
    [70, 22],
    [60, 24],
    [79, 50],
    [80, 24],
    [100, 60]
  ] as const)
    test(`${columns} columns, ${rows} rows`, t => {
      withTerminal(t)
      const out = Object.assign(new PassThrough(), { isTTY: true, columns, rows })
      const screen = new Screen(out as unknown as NodeJS.WriteStream)
      screen.draw(report, true)
      const lines = stripVTControlCharacters(String(out.read())).trimEnd().split('\n')
      assert.ok(lines.length < rows, `${lines.length} lines`)
      const known = new Set(wordsOf(tableOf(report, { paint: plain, live: true })))
      for (const word of wordsOf(tableOf(report, { paint: plain, live: true, families: [] })))
        known.add(word)
      for (const line of lines) {
        assert.ok(line.length <= columns, line)
        for (const word of wordsOf([line])) assert.ok(known.has(word) || word === '…', line)
      }
    })
})

// Where the tests run there may be none.
function withTerminal(t: TestContext): void {
  const before = process.env.TERM
  process.env.TERM = 'xterm'
  t.after(() => {
    if (before === undefined) delete process.env.TERM
    else process.env.TERM = before
  })
}

const host = (name: string): HostReport => ({
  name,
  alive: true,
  ports: 3,
  flows: 88,
  masks: 4,
  hits: 981,
  misses: 19,
  hit_rate: 0.981,
  upcalls: 19,
  drops: 9,
  drops_by_reason: { 'agent.unreachable-port': 8, 'router.no-neighbour': 1 },
  records: { connection: 51 },
  held: 12,
  acknowledged_us_p50: 100,
  store_away_ms: 0,
  backup_waiting_bytes: 0,
  bgp_sessions: 0,
  drained: false
})

const report: Report = {
  ok: false,
  services: [],
  datapath: 'memory',
  reason: 'no network namespaces here: mount --make-shared /run/netns failed: not permitted',
  api: 'http://127.0.0.1:43817',
  seconds: 12,
  hosts: hosts.map(host),
  pairs: [],
  connections: classes.flatMap(of =>
    speakers.map(speaks => {
      const counted = { total: 4, alive: 4, resets: 0, gap_ms: 123, bytes: 1 }
      return { class: of, speaks, ...counted }
    })
  ),
  ways: [
    { tenant: 'red', out_by: 'gateway2', back_by: 'gateway2' },
    { tenant: 'blue', out_by: 'gateway2', back_by: 'gateway2' }
  ],
  survival: [],
  opened_meanwhile: 0,
  faults: ['red-web1 to outside (203.0.113.10): 1 questions without an answer']
}
