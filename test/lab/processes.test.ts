// Programs that plugins keep running, in a network namespace of a real kernel: there they are, also
// when they are started again, and they end with the agent, also when that is killed.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Supervisor, supervisorCounters } from '../../src/agent/control/processes.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { openLog } from '../../src/core/log.ts'
import { type Host, Lab } from '../../src/lab/index.ts'
import { eventually } from '../store/ground.ts'

const room = join(import.meta.dirname, '../../src')
// It says which interfaces it sees, and goes on.
const LOOK = 'console.log(Object.keys(os.networkInterfaces()).join()); setInterval(() => {}, 1000)'
const look = [process.execPath, '-e', `const os = require('node:os'); ${LOOK}`]
const NODE = realpathSync(process.execPath)
const HERE = readlinkSync('/proc/self/ns/net')

// A zombie that waits for init has no command line any more.
const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''

function supervisor() {
  const lines: string[] = []
  const counters = new CounterTable()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const parts = { clock: new SystemClock(), log, counters: supervisorCounters(counters) }
  const said = (): string[] =>
    lines.flatMap(line => (JSON.parse(line) as { line?: string }).line ?? [])
  return { all: new Supervisor(parts), said }
}

describe('programs in a namespace', { skip: Lab.available() ?? false }, () => {
  let lab: Lab
  let host: Host
  let there: string

  before(async () => {
    lab = await Lab.open({ prefix: 'mz-lab-processes' })
    host = await lab.host('one')
    await host.ip(
      'link add only0 type veth peer name only1',
      'addr add 10.9.9.9/32 dev only0',
      'link set only0 up',
      'link set only1 up'
    )
    there = `net:[${statSync(host.path).ino}]`
    assert.notEqual(there, HERE)
  })
  after(() => lab?.close())

  test('one is in its namespace, also when it is started again, and others are not', async () => {
    const { all, said } = supervisor()
    const inside = all.start({ name: 'inside', command: look, netns: host.path })
    const outside = all.start({ name: 'outside', command: look })
    await eventually(() => assert.ok(said().some(line => line.split(',').includes('only0'))))
    assert.equal(readlinkSync(`/proc/${inside.pid}/ns/net`), there)
    assert.equal(readlinkSync(`/proc/${outside.pid}/ns/net`), HERE)
    const first = inside.pid!
    process.kill(first, 'SIGKILL')
    await eventually(() => assert.ok(inside.pid !== null && inside.pid !== first))
    await eventually(() => assert.equal(readlinkSync(`/proc/${inside.pid}/ns/net`), there))
    assert.equal(inside.restarts, 1)
    const second = inside.pid!
    await all.close()
    assert.ok(!runs(second))
  })

  test('one whose namespace is not there is tried again, until it is', async () => {
    const { all } = supervisor()
    const reasons: string[] = []
    const name = `${lab.prefix}.late`
    const program = all.start({
      ...{ name: 'late', command: look, netns: `/run/netns/${name}` },
      onExit: reason => reasons.push(reason)
    })
    await eventually(() => assert.ok(program.restarts >= 1))
    assert.equal(reasons[0], 'status 1')
    await host.must(['ip', 'netns', 'add', name])
    const isThere = () =>
      assert.equal(readlinkSync(`/proc/${program.pid}/ns/net`), `net:[${inode(name)}]`)
    await eventually(isThere)
    await all.close()
    await host.must(['ip', 'netns', 'del', name])
  })

  test('an agent that is killed leaves no program in a namespace behind', async () => {
    const agent = spawn(process.execPath, ['--input-type=module', '-e', agentCode(host.path)], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let text = ''
    agent.stdout.setEncoding('utf8').on('data', chunk => (text += chunk))
    const pidOf = (): number => Number(/^(\d+)$/m.exec(text)?.[1] ?? 0)
    await eventually(() => assert.ok(pidOf() > 0))
    await eventually(() => assert.equal(readlinkSync(`/proc/${pidOf()}/exe`), NODE))
    assert.equal(readlinkSync(`/proc/${pidOf()}/ns/net`), there)
    agent.kill('SIGKILL')
    await eventually(() => assert.ok(!runs(pidOf())))
  })
})

const inode = (name: string): number => statSync(`/run/netns/${name}`).ino

// What of an agent keeps programs running, as a process of its own: it prints the program's pid.
const agentCode = (netns: string): string => `
import { Supervisor, supervisorCounters } from '${room}/agent/control/processes.ts'
import { SystemClock } from '${room}/core/clock.ts'
import { CounterTable } from '${room}/core/counters.ts'
import { openLog } from '${room}/core/log.ts'
const log = openLog({ level: 'error' }, { write: () => {} })
const counters = supervisorCounters(new CounterTable())
const all = new Supervisor({ clock: new SystemClock(), log, counters })
const command = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
console.log(String(all.start({ name: 'kept', command, netns: '${netns}' }).pid))
`
