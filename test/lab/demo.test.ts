// `npm start` as its users meet it: a process with arguments, output and an exit status. On the
// kernel where there is root, in memory everywhere; and once killed in the middle, for the next
// run must find the machine as if nothing had been.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pairs } from '../../src/demo/plan/plan.ts'
import { classes, speakers } from '../../src/demo/plan/talks.ts'
import type { Report } from '../../src/demo/report/report.ts'
import { until } from '../../src/lab/index.ts'
import {
  assertNothingLeft,
  complaintsOf,
  LIMIT_MS,
  mezzo,
  mounts,
  namespaces,
  reportOf,
  skip,
  start,
  startIn
} from './fixtures/demo.ts'

const timeout = LIMIT_MS + 10_000
const notRoot = process.geteuid?.() === 0 ? false : 'not root'

function assertSound(report: Report, datapath: string): void {
  assert.deepEqual(report.faults, [])
  assert.equal(report.datapath, datapath)
  assert.equal(report.pairs.length, pairs.length)
  for (const pair of report.pairs) {
    assert.equal(pair.reached, pair.expected, JSON.stringify(pair))
    assert.equal(pair.first_ms !== null && pair.later_ms !== null, pair.reached)
    if (pair.reached) assert.equal(pair.answered_by, pair.to)
  }
  // The same address, seen from the other tenant, is somebody else: the asker's own neighbour.
  const twin = report.pairs.find(
    ({ from, to, family }) => from === 'red-web1' && to === 'blue-web2' && family === 4
  )
  assert.deepEqual([twin?.reached, twin?.answered_by], [false, 'red-web2'])
  assert.deepEqual(
    report.hosts.map(({ name, ports }) => [name, ports]),
    [
      ['compute1', 3], // red-db1 has moved here
      ['compute2', 3],
      ['gateway1', 2],
      ['gateway2', 2]
    ]
  )
  for (const host of report.hosts)
    assert.ok(host.flows > 0 && host.hits > host.misses && host.hit_rate! > 0.5, host.name)
  assert.deepEqual(
    report.hosts.map(({ alive }) => alive),
    [true, true, false, true]
  )
  assert.ok(report.hosts[3]!.drops_by_reason['firewall.rule']! > 0)
  assertSurvived(report)
}

// Out by one gateway and back by the other, until the first is killed; nothing is ever lost.
function assertSurvived({ connections, survival }: Report): void {
  const wanted = classes.flatMap(of => speakers.map(speaks => [of, speaks, 4, 4, 0]))
  assert.deepEqual(
    connections.map(each => [each.class, each.speaks, each.total, each.alive, each.resets]),
    wanted
  )
  for (const { bytes } of connections) assert.ok(bytes > 0)
  assert.deepEqual(
    survival.map(({ fault, total, survived, resets }) => [fault, total, survived, resets]),
    [
      ['kill gateway1', 32, 32, 0],
      ['move red-db1 compute1', 32, 32, 0]
    ]
  )
  for (const { out_by, back_by } of survival[0]!.ways)
    assert.deepEqual([out_by, back_by], ['gateway1', 'gateway2'])
  for (const { out_by, back_by } of survival[1]!.ways)
    assert.deepEqual([out_by, back_by], ['gateway2', 'gateway2'])
}

test('--once on the kernel: every pair is as it should be, and nothing stays', {
  skip,
  timeout
}, async () => {
  assertSound(await reportOf(), 'ebpf')
  assertNothingLeft()
})

test('--once in memory: the same, without a kernel', { timeout }, async () => {
  assertSound(await reportOf('--memory'), 'memory')
})

// As on a machine on which somebody forgot to install util-linux.
function withoutNsenter(t: TestContext): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-programs-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const at of ['/usr/sbin', '/usr/bin', '/sbin', '/bin'])
    if (existsSync(join(at, 'ip')) && !existsSync(join(folder, 'ip')))
      symlinkSync(join(at, 'ip'), join(folder, 'ip'))
  return { ...process.env, PATH: folder }
}

test('A1: where the kernel was to be expected, memory is a fault, told in the first line', {
  skip: notRoot,
  timeout
}, async t => {
  const once = await startIn(withoutNsenter(t), '--once', '--json').ended
  assert.equal(once.status, 1)
  assert.match(once.stderr, /^mezzo: no kernel datapath \(nsenter is not installed\)[^\n]*\n$/)
  const { ok, datapath, reason, faults } = JSON.parse(once.stdout) as Report
  assert.deepEqual([ok, datapath, reason], [false, 'memory', 'nsenter is not installed'])
  assert.deepEqual(faults, ['no kernel datapath: nsenter is not installed'])
})

test('a live demo shows its table and goes when it is told to', { skip, timeout }, async () => {
  const demo = start('--set', 'api.port=0')
  await until('the table', () => /Ctrl-C/.test(demo.printed()), LIMIT_MS)
  const url = /API {2}(\S+)/.exec(demo.printed())![1]!
  const flows = await (await fetch(`${url}/metrics`)).text()
  assert.match(flows, /mezzo_flows_live\{host="compute1"\} [1-9]/)
  demo.child.kill('SIGINT')
  const { status, stderr } = await demo.ended
  assert.deepEqual([status, complaintsOf(stderr)], [0, []])
  assertNothingLeft()
})

const faults: [string[], number, RegExp][] = [
  [['kill', 'compute1'], 1, /host is "compute1"; expected one of gateway1, gateway2/],
  [['restore', 'gateway1'], 1, /expected a gateway that is dead/],
  [['drain', 'gateway1'], 1, /expected a cluster: .* has routers outside/],
  [['cut', 'gateway1', 'r1'], 1, /expected a cluster: .* has routers outside/],
  [['move', 'vm2', 'gateway1'], 1, /expected one of compute1, compute2/],
  [['move', 'nobody', 'compute1'], 1, /expected one of red-web1, red-web2/],
  [['kill', 'gateway1'], 0, /gateway1 is dead: its agent, and 3 cables/],
  [['kill', 'gateway2'], 1, /leaves a way out; gone: dead gateway1/],
  [['restore', 'gateway1'], 0, /gateway1 is back/],
  [['move', 'vm2', 'compute1'], 0, /red-web2 has moved from compute2 to compute1/],
  [['restart', 'compute2'], 0, /crashed and runs again/],
  [['explode', 'compute2'], 2, /no noun|no verb/]
]
for (const datapath of ['ebpf', 'memory'])
  test(`faults by command, connections live on, ${datapath}`, {
    skip: datapath === 'ebpf' && skip,
    timeout
  }, async t => {
    // Where there is root, memory is what is left without nsenter; elsewhere it is asked for.
    const isFallback = datapath === 'memory' && notRoot === false
    const env = isFallback ? withoutNsenter(t) : process.env
    const asked = datapath === 'memory' && !isFallback ? ['--memory'] : []
    const demo = startIn(env, '--set', 'api.port=0', ...asked)
    t.after(() => demo.child.kill('SIGINT'))
    await until('the table', () => /Ctrl-C/.test(demo.printed()), LIMIT_MS)
    if (isFallback) {
      assert.match(demo.printed(), /^No kernel datapath: nsenter is not installed\n/)
      assert.match(demo.complained(), /^mezzo: no kernel datapath \(nsenter is not installed\)/)
    }
    const url = /API {2}(\S+)/.exec(demo.printed())![1]!
    for (const [words, status, text] of faults) {
      const done = await mezzo(url, 'demo', ...words)
      assert.deepEqual([words, done.status], [words, status], done.output)
      assert.match(done.output, text)
    }
    const whole = async () => {
      const { connections } = (await (await fetch(`${url}/demo`)).json()) as Report
      return connections.every(({ alive, total, resets }) => alive === total && resets === 0)
    }
    await until('every connection lives', whole, LIMIT_MS)
    // Alive is who was heard within the last second, which a busy machine may sleep through.
    const told = async () => /firewall +server +4\/4/.test((await mezzo(url, 'demo')).output)
    await until('the command line tells so', told, LIMIT_MS)
    demo.child.kill('SIGINT')
    assert.equal((await demo.ended).status, 0)
  })

test('what a killed demo leaves, the next removes', { skip, timeout }, async () => {
  const demo = start('--set', 'api.port=0')
  await until('the table', () => /Ctrl-C/.test(demo.printed()), LIMIT_MS)
  demo.child.kill('SIGKILL')
  await demo.ended
  assert.ok(namespaces().length > 10 && mounts().length > 0)
  assertSound(await reportOf(), 'ebpf')
  assertNothingLeft()
})

const refusals: [string, string[], number, RegExp][] = [
  ['an unknown option', ['--bogus'], 2, /--bogus/],
  ['an unknown setting', ['--set', 'api.prot=1'], 1, /api\.prot.*expected one of.*port/],
  ['a wrong type', ['--set', 'api.port="x"'], 1, /api\.port is "x"; expected a whole number/],
  ['a missing plugin', ['--set', 'plugins.qos={}'], 1, /plugins\.qos.*expected one of .*bridge/],
  [
    'a setting that the demo does not read',
    ['--set', 'datapath.debug.lostPerMille=50'],
    1,
    /datapath\.debug\.lostPerMille is 50; expected nothing in the demo.*--no-demo/
  ],
  ['a death too soon', ['--set', 'state.exchange.deadMs=15'], 1, /deadMs is 15; expected at least/],
  ['no such file', ['--config', 'nowhere.json'], 1, /nowhere\.json cannot be read/],
  ['an open door', ['--no-demo', '--set', 'api.address=0.0.0.0'], 1, /api\.address.*loopback/]
]
for (const [name, args, expected, sentence] of refusals)
  test(`refused in a sentence: ${name}`, async () => {
    const quiet = ['--set', 'log.level="error"', '--set', 'state.store.kind="none"']
    const { status, stdout, stderr } = await start(...args, ...quiet).ended
    assert.deepEqual([status, stdout], [expected, ''])
    assert.match(stderr, /^mezzo: /)
    assert.match(stderr, sentence)
    assert.doesNotMatch(stderr, /\n {4}at /) // no stack
  })
