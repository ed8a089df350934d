// `npm start -- --cluster`: ZooKeeper, Cassandra, a controller and four agents as processes of
// their own, by --once.  Whatever of them dies, no connection is lost and no new one refused.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { missingForUplinks } from '../../src/demo/cluster/upstream-beyond.ts'
import { missingForNode } from '../../src/lab/services/cassandra.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { assertNothingLeft, LIMIT_MS, reportOf, skip, start, startIn } from './fixtures/demo.ts'

const missing = missingForServer() ?? missingForNode() ?? missingForUplinks()
const reason = skip || (missing ?? false)
const timeout = LIMIT_MS + 10_000

const FAULTS = [
  'drain gateway1',
  'undrain gateway1',
  'kill r1',
  'restore r1',
  'kill leader',
  'restore leader',
  'stop zookeeper',
  'kill gateway1',
  'restore zookeeper',
  'move red-db1 compute1'
]

test('--once: the leader dies, then all of the ensemble, then a gateway; nothing is lost', {
  skip: reason,
  timeout
}, async () => {
  const report = await reportOf('--cluster')
  assert.deepEqual([report.ok, report.datapath, report.faults], [true, 'ebpf', []])
  assert.deepEqual(
    report.survival.map(({ fault, total, survived, resets }) => [fault, total, survived, resets]),
    FAULTS.map(fault => [fault, 32, 32, 0])
  )
  assert.equal(report.opened_meanwhile, 32 * 12)
  const [leading, ...more] = report.services.filter(({ role }) => role === 'leader')
  assert.ok(leading !== undefined && more.length === 0, 'one leads')
  assert.ok(report.services.every(({ alive }) => alive))
  assert.deepEqual(
    report.services.filter(({ name }) => /^r\d$/.test(name)).map(({ name, role }) => [name, role]),
    ['r1', 'r2'].map(name => [name, '2 of 4 sessions']) // those with gateway1 are over
  )
  assert.deepEqual(
    report.hosts.map(({ name, alive, ports }) => [name, alive, ports]),
    [
      ['compute1', true, 3], // red-db1 has moved here
      ['compute2', true, 3],
      ['gateway1', false, 2],
      ['gateway2', true, 2]
    ]
  )
  assertNothingLeft()
})

test('a VM that cannot be made while servers start: all of them end, and their folders go', {
  skip: reason,
  timeout
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-no-vm-'))
  try {
    const ip = `case "$*" in "netns add "*.red-db1) echo no room >&2; exit 1;; esac`
    const path = process.env.PATH ?? ''
    const real = `PATH='${path}' exec ip "$@"`
    writeFileSync(join(folder, 'ip'), `#!/bin/sh\n${ip}\n${real}\n`, { mode: 0o755 })
    mkdirSync(join(folder, 'tmp'))
    const env = { ...process.env, PATH: `${folder}:${path}`, TMPDIR: join(folder, 'tmp') }
    const { status, stderr } = await startIn(env, '--once', '--json', '--cluster').ended
    assert.deepEqual([status, /no room/.test(stderr)], [1, true], stderr)
    const left = readdirSync(join(folder, 'tmp')).filter(name => name.startsWith('mezzo-'))
    assert.deepEqual(left, [])
    assertNothingLeft()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('without a kernel there is none', async () => {
  const { status, stderr } = await start('--cluster', '--memory').ended
  assert.deepEqual([status, /--cluster .* --memory/.test(stderr)], [2, true], stderr)
})
