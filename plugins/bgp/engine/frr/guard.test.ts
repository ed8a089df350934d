// The guard as a program: it ends by itself when there is nothing any more that it could take back.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../../../test/store/ground.ts'
import { PlaceFiles } from '../place/files.ts'
import { GuardFile, guardCommand } from './guard.ts'

const skip = process.getuid?.() === 0 ? false : "what daemons read is root's"
const SOON_S = 1

function ground(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-guard-'))
  const files = new PlaceFiles(folder, 'place')
  const make = (): void => files.make(process.getgid!())
  make()
  const started: ChildProcess[] = []
  const begin = (command: readonly string[]) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore' })
    started.push(child)
    const ended = new Promise<number | null>(done => child.on('exit', done))
    return { child, ended }
  }
  t.after(() => {
    for (const child of started) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  return { folder, files, make, begin, guard: () => begin(guardCommand(files)) }
}

test('it ends when its folder is gone, or another', { skip }, async t => {
  const { files, guard, make } = ground(t)
  const first = guard()
  files.removeAll()
  assert.equal(await first.ended, 0)
  make()
  const second = guard()
  await eventually(() => assert.equal(readlinkSync(`/proc/${second.child.pid}/cwd`), files.folder))
  renameSync(files.folder, `${files.folder}-before`)
  make()
  assert.equal(await second.ended, 0)
})

test('it withdraws when no agent is there, and ends when no daemon is', { skip }, async t => {
  const { files, guard, begin } = ground(t)
  const daemon = begin(['sleep', 'infinity'])
  await eventually(() => assert.ok(daemon.child.pid !== undefined))
  writeFileSync(join(files.folder, 'daemon.pid'), `${daemon.child.pid} (sleep) S\n`)
  files.write(GuardFile.limit, `${SOON_S}\n`)
  files.write(GuardFile.heartbeat, '0\n')
  const { ended } = guard()
  await eventually(() => assert.ok(existsSync(join(files.folder, GuardFile.withdrawn))))
  daemon.child.kill('SIGKILL')
  assert.equal(await ended, 0)
})
