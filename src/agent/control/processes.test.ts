// Programs that are kept running, as real processes.

import assert from 'node:assert/strict'
import { type ChildProcess, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../../test/store/ground.ts'
import { SystemClock, VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { isFailure } from '../../core/errors.ts'
import { openLog } from '../../core/log.ts'
import { KeptProgram } from './kept-program.ts'
import { Supervisor, supervisorCounters } from './processes.ts'

const [ORDINARY, FIFO] = ['0', '1'] // sched(7)
const FOREVER = 'setInterval(() => {}, 1000)'

function supervisor() {
  const lines: string[] = []
  const counters = new CounterTable()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const parts = { clock: new SystemClock(), log, counters: supervisorCounters(counters) }
  return { lines, counters, all: new Supervisor(parts) }
}

const node = (code: string): string[] => [process.execPath, '-e', code]

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a program that ends is started again, later each time, and said to be', async () => {
  const { all, counters, lines } = supervisor()
  const reasons: string[] = []
  const program = all.start({
    name: 'brief',
    command: node('process.exit(3)'),
    onExit: reason => reasons.push(reason)
  })
  await eventually(() => assert.ok(program.restarts >= 2))
  await all.close()
  assert.equal(reasons[0], 'status 3')
  assert.ok(counters.value('processes.ended') >= 2)
  const waits = lines.flatMap(line => (JSON.parse(line) as { inMs?: number }).inMs ?? [])
  assert.deepEqual(waits.slice(0, 2), [100, 200])
  assert.equal(program.pid, null)
})

test('what it started ends with it, and what it says is logged so far as is bearable', async () => {
  const { all, counters, lines } = supervisor()
  const run = `.spawn(process.execPath, ['-e', '${FOREVER}'])`
  const child = `const c = require('node:child_process')${run}`
  const says =
    "console.log('child', c.pid); for (let i = 0; i < 999; i++) console.log('x'.repeat(9999))"
  const program = all.start({ name: 'parent', command: node(`${child}; ${says}; ${FOREVER}`) })
  // Some are logged each second, and a busy machine takes seconds to print them.
  await eventually(() => assert.ok(counters.value('processes.unlogged') >= 99))
  const pid = Number(/child (\d+)/.exec(lines.join(''))![1])
  assert.ok(isThere(pid))
  assert.ok(lines.every(line => line.length < 1000))
  const first = program.pid
  program.restart()
  await eventually(() => assert.ok(program.pid !== null && program.pid !== first))
  await eventually(() => assert.ok(!isThere(pid)))
  assert.equal(counters.value('processes.ended'), 0, 'it was asked to')
  await program.stop()
  await all.close()
})

test('one that does not hear is killed; one that is not there is tried again', async () => {
  const { all, counters } = supervisor()
  const deaf = all.start({
    name: 'deaf',
    command: node(`process.on('SIGTERM', () => {}); ${FOREVER}`)
  })
  const missing = all.start({ name: 'missing', command: ['/nowhere/at/all'] })
  assert.throws(
    () => all.start({ name: 'deaf', command: node(FOREVER) }),
    error => isFailure(error, 'EXISTS')
  )
  await eventually(() => assert.ok(missing.restarts >= 1))
  const pid = deaf.pid!
  await all.close()
  assert.ok(!isThere(pid))
  assert.equal(counters.value('processes.started') >= 2, true)
  assert.throws(() => all.start({ name: 'late', command: node(FOREVER) }))
})

test('what stands in our environment is not for them, but for where programs are', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-environment-'))
  process.env.MEZZO_TEST_PASSWORD = 'hunter2'
  t.after(() => {
    delete process.env.MEZZO_TEST_PASSWORD
    rmSync(folder, { recursive: true, force: true })
  })
  for (const more of [{}, { outlives: folder }]) {
    const { all, lines } = supervisor()
    const command = [
      'sh',
      '-c',
      'env | grep -E "^(PATH|GIVEN|MEZZO)"; echo all of it; while :; do sleep 0.05; done'
    ]
    const env = { GIVEN: 'to it' }
    const program = all.start({ name: 'curious', command, env, ...more })
    await eventually(() => assert.ok(lines.some(line => line.includes('all of it'))))
    await program.stop()
    await all.close()
    const text = lines.join('\n')
    assert.match(text, /PATH=/)
    assert.match(text, /GIVEN=to it/)
    assert.doesNotMatch(text, /hunter2/)
  }
})

test('an urgent program runs before ordinary ones where it may, else as they do', async () => {
  const may = spawnSync('chrt', ['--fifo', '5', 'true']).status === 0
  const { all } = supervisor()
  const command = node(FOREVER)
  const [urgent, ordinary] = [true, false].map(isUrgent =>
    all.start({ name: `urgent ${isUrgent}`, command, isUrgent })
  )
  const isNode = (pid: number): boolean => commandOf(pid).startsWith(process.execPath)
  await eventually(() => assert.ok(isNode(urgent!.pid!) && isNode(ordinary!.pid!)))
  assert.equal(policyOf(urgent!.pid!), may ? FIFO : ORDINARY)
  assert.equal(policyOf(ordinary!.pid!), ORDINARY)
  await all.close()
})

const NOBODY = 2 ** 22 + 1 // more than a process can be numbered

/** What sleeps in the kernel: a signal does not end it. */
class Sleeper extends KeptProgram {
  override begin(): void {
    super.begin()
  }

  protected override spawn(): ChildProcess {
    return Object.assign(new EventEmitter(), { pid: NOBODY }) as unknown as ChildProcess
  }
}

test('one that does not end though it was killed is named, and nobody waits for it', async () => {
  const lines: string[] = []
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const clock = new VirtualClock()
  const parts = { clock, log, counters: supervisorCounters(new CounterTable()) }
  let isGone = false
  const sleeper = new Sleeper({ name: 'sleeper', command: ['sleeper'] }, parts, () => {
    isGone = true
  })
  sleeper.begin()
  void sleeper.stop()
  for (let i = 0; i < 60 && !isGone; i++) {
    await new Promise<void>(done => new SystemClock().soon(done))
    clock.advance(1000)
  }
  assert.ok(isGone)
  assert.match(lines.join('\n'), /"name":"sleeper".*does not end though it was killed/)
  assert.equal(clock.waiting, 0)
})

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8')

// proc(5): the forty-first field; the name, in brackets, may hold anything.
function policyOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]!
}
