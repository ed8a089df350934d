// What flow state costs in native memory and time, in a process of its own: a million live
// connections through SNAT, each a record of the connection and one of the translation.  Run by
// itself, it prints its figures as JSON.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NativeStateTable } from '../../src/native/state-table.ts'
import { KeyWord, mirror, RECORD_WORDS, RecordWord, StateFlag } from '../../src/state/record.ts'
import { Put } from '../../src/state/table.ts'
import { Kind, TIMEOUTS } from '../state/kinds.ts'

const CONNECTIONS = 1_000_000
const FINDS = 1_000_000
const TCP_4 = (4 << 8) | 6
const OUTSIDE = 0x0a000001

/** mb_per_1m_conn, and nanoseconds of a put and of a find in a table of two million records. */
export function stateMemory(): Record<string, number> {
  const out = execFileSync(process.execPath, [fileURLToPath(import.meta.url)], { encoding: 'utf8' })
  return JSON.parse(out) as Record<string, number>
}

const record = (kind: number): Int32Array => {
  const words = new Int32Array(RECORD_WORDS)
  words[KeyWord.type] = (kind << 16) | TCP_4
  words[KeyWord.dst + 3] = 0x08080808
  words[RecordWord.flags] = StateFlag.replied | StateFlag.assured
  return words
}

/** A connection from an address of its own, and its translation to one that all share. */
function connect(connection: Int32Array, snat: Int32Array, i: number): void {
  const ports = ((1024 + (i % 60_000)) << 16) | 443
  for (const words of [connection, snat]) {
    words[KeyWord.src + 3] = OUTSIDE + i
    words[KeyWord.ports] = ports
    mirror(words, 0, words, RecordWord.b)
  }
  snat[RecordWord.b + KeyWord.src + 3] = 0x08080000 + Math.trunc(i / 60_000)
  snat[RecordWord.b + KeyWord.dst + 3] = 0x01010101
}

function measure(): Record<string, number> {
  const table = new NativeStateTable({
    capacity: CONNECTIONS * 2,
    timeouts: TIMEOUTS
  })
  const [connection, snat] = [record(Kind.connection), record(Kind.snat)]
  const before = process.memoryUsage.rss()
  const putting = performance.now()
  for (let i = 0; i < CONNECTIONS; i++) {
    connect(connection, snat, i)
    if (table.put(connection) !== Put.added || table.put(snat) !== Put.added)
      throw new Error(`connection ${i} is not new`)
  }
  const put = performance.now() - putting
  const grown = process.memoryUsage.rss() - before
  const finding = performance.now()
  for (let i = 0; i < FINDS; i++) {
    connect(connection, snat, (i * 7919) % CONNECTIONS)
    if (table.find(snat, RecordWord.b) === 0) throw new Error('a translation is not found')
  }
  const find = performance.now() - finding
  if (table.size !== CONNECTIONS * 2 || table.evicted !== 0) throw new Error('records are gone')
  table.close()
  return {
    mb_per_1m_conn: grown / 1e6,
    state_put_ns: (put * 1e6) / (CONNECTIONS * 2),
    state_find_ns: (find * 1e6) / FINDS
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(measure())}\n`)
