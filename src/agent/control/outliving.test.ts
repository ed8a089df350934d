// Programs that outlive the agent, as real processes: they go on when they are let go, are taken
// over by the next supervisor without being touched, and are kept running by it.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../../../test/store/ground.ts'
import { SystemClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { openLog } from '../../core/log.ts'
import { outlivingIn, startOf } from './process-files.ts'
import { Supervisor, supervisorCounters } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-outliving-'))
after(() => rmSync(folder, { recursive: true }))

function supervisor() {
  const lines: string[] = []
  const counters = new CounterTable()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const parts = { clock: new SystemClock(), log, counters: supervisorCounters(counters) }
  return { lines, counters, all: new Supervisor(parts) }
}

const runs = (pid: number): boolean => startOf(pid) !== null
const sleeper = ['sh', '-c', 'while :; do sleep 0.05; done']

test('it goes on when it is let go, and the next one takes it over as it is', async () => {
  const first = supervisor()
  const { pid } = first.all.start({ name: 'on', command: sleeper, outlives: folder })
  await eventually(() => assert.ok(existsSync(join(folder, 'on.pid'))))
  await first.all.close()
  assert.ok(runs(pid!))
  assert.deepEqual([...outlivingIn(folder)], [['on', pid]])
  const second = supervisor()
  let starts = 0
  const options = { name: 'on', command: sleeper, outlives: folder, onStart: () => starts++ }
  const adopted = second.all.start(options)
  assert.equal(adopted.pid, pid)
  assert.equal(second.counters.value('processes.started'), 0)
  process.kill(pid!, 'SIGKILL')
  await eventually(() => assert.ok(adopted.pid !== null && adopted.pid !== pid))
  assert.equal(starts, 1)
  assert.equal(second.counters.value('processes.ended'), 1)
  const last = adopted.pid!
  await adopted.stop()
  assert.ok(!runs(last))
  assert.deepEqual([...outlivingIn(folder)], [])
  assert.ok(!existsSync(join(folder, 'on.pid')))
  await second.all.close()
})

test('a process that only has the number of the one before is not taken for it', async () => {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const older = [...fields.slice(0, 19), `${Number(fields[19]) - 1}`, ...fields.slice(20)]
  for (const [i, text] of [`${process.pid} (node) ${older.join(' ')}`, '', 'rubbish'].entries()) {
    writeFileSync(join(folder, `number${i}.pid`), text)
    const { all } = supervisor()
    const program = all.start({ name: `number${i}`, command: sleeper, outlives: folder })
    assert.notEqual(program.pid, process.pid)
    await program.stop()
  }
})

test('what it prints is logged, also by the next one, and its file stays short', async t => {
  const fill = 'head -c 9000 /dev/zero | tr "\\0" x'
  const says = `i=0; while :; do i=$((i+1)); echo "line $i"; ${fill}; echo; sleep 0.02; done`
  const command = ['sh', '-c', says]
  const first = supervisor()
  first.all.start({ name: 'prints', command, outlives: folder })
  await eventually(() => assert.ok(first.lines.some(line => line.includes('line 1'))))
  await first.all.close()
  const second = supervisor()
  const program = second.all.start({ name: 'prints', command, outlives: folder })
  t.after(() => program.stop())
  await eventually(() => assert.ok(second.lines.some(line => /line \d+/.test(line))))
  const size = (): number => statSync(join(folder, 'prints.out')).size
  let largest = 0
  await eventually(() => {
    const now = size()
    largest = Math.max(largest, now)
    assert.ok(now < largest)
  })
})

test('one that ends at once or is not there is started again; a deaf one is killed', async () => {
  const { all, counters } = supervisor()
  const brief = all.start({ name: 'brief', command: ['false'], outlives: folder })
  const missing = all.start({ name: 'missing', command: ['/nowhere/at/all'], outlives: folder })
  const deafness = "trap '' TERM; while :; do sleep 0.05; done"
  const deaf = all.start({ name: 'deaf', command: ['sh', '-c', deafness], outlives: folder })
  const pid = deaf.pid!
  await eventually(() => assert.ok(brief.restarts >= 1 && missing.restarts >= 1))
  assert.ok(counters.value('processes.ended') >= 2)
  await Promise.all([brief.stop(), missing.stop(), deaf.stop()])
  assert.ok(!runs(pid))
  await all.close()
})

test('one that is asked to start again does, adopted or not', async () => {
  const { all, counters } = supervisor()
  const program = all.start({ name: 'again', command: sleeper, outlives: folder })
  const first = program.pid!
  program.restart()
  await eventually(() => assert.ok(program.pid !== null && program.pid !== first))
  assert.ok(!runs(first))
  assert.equal(counters.value('processes.ended'), 0)
  await program.stop()
  await all.close()
})

test('where nothing can be written it is tried again, and the agent goes on', async () => {
  const away = mkdtempSync(join(tmpdir(), 'mezzo-outliving-away-'))
  const { all, lines } = supervisor()
  const program = all.start({ name: 'homeless', command: sleeper, outlives: away })
  const { pid } = program
  await eventually(() => assert.ok(existsSync(join(away, 'homeless.pid'))))
  rmSync(away, { recursive: true })
  process.kill(pid!, 'SIGKILL')
  await eventually(() => assert.ok(program.restarts >= 2))
  assert.ok(lines.some(line => line.includes('ENOENT')))
  mkdirSync(away)
  await eventually(() => assert.ok(existsSync(join(away, 'homeless.pid'))))
  assert.notEqual(program.pid, pid)
  await program.stop()
  await all.close()
  rmSync(away, { recursive: true })
})
