// A3: our programs begin on the Node that the lock file pins, whichever Node runs them, and without
// it they say in a line what to do.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'

const top = join(import.meta.dirname, '..')
const programs = ['src/main.ts', 'src/api/cli/mezzo.cjs']
const TIMEOUT_MS = 110_000 // of a busy machine

const run = (node: readonly string[], path: string, ...words: string[]) =>
  spawnSync(node[0]!, [...node.slice(1), path, ...words], { encoding: 'utf8', timeout: TIMEOUT_MS })

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-launch-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** An older Node of this machine; where there is none, ours that says it is one. */
function olderNode(t: TestContext): readonly string[] {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(folder, 'node')
    const version = existsSync(node)
      ? spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout
      : ''
    if (Number(/^v(\d+)/.exec(version)?.[1] ?? 99) < 24) return [node]
  }
  const pretence = join(folderOf(t), 'older.cjs')
  writeFileSync(pretence, "Object.defineProperty(process.versions, 'node', { value: '20.1.0' })\n")
  return [process.execPath, '--require', pretence]
}

for (const program of programs) {
  test(`${program} on an older Node: arguments, output and status pass through`, t => {
    const { status, stderr } = run(olderNode(t), join(top, program), '--bogus')
    assert.equal(status, 2)
    assert.match(stderr, /--bogus/)
    assert.doesNotMatch(stderr, /\n {4}at /)
  })

  test(`${program} without Node packages says what to do`, t => {
    const folder = folderOf(t)
    mkdirSync(join(folder, 'src'))
    for (const path of ['core', 'main', 'api', 'main.ts'])
      cpSync(join(top, 'src', path), join(folder, 'src', path), {
        recursive: true,
        verbatimSymlinks: true
      })
    cpSync(join(top, 'package.json'), join(folder, 'package.json'))
    for (const node of [[process.execPath], olderNode(t)]) {
      const { status, stdout, stderr } = run(node, join(folder, program))
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, /^mezzo: [^\n]*node setup\.mjs --node[^\n]*\n$/)
    }
  })
}

test('every npm script has first installed what it needs', () => {
  const { scripts } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const [name, command] of Object.entries(scripts)) {
    const isFirst = command.startsWith('node setup.mjs')
    if (!isFirst) assert.match(scripts[`pre${name}`] ?? '', /^node setup\.mjs( --[a-z]+)*$/, name)
  }
})

test('typebox, which all of our processes load, is read in a few files, not in 683', t => {
  const seen = join(folderOf(t), 'seen.mjs')
  const lines = [
    "import { registerHooks } from 'node:module'",
    'const load = (url, context, next) => (console.log(url), next(url, context))',
    'registerHooks({ load })'
  ]
  writeFileSync(seen, lines.join('\n'))
  const { stdout } = run([process.execPath, '--import', seen], join(top, programs[1]!), '--help')
  const ofTypebox = stdout.split('\n').filter(url => url.includes('/typebox/'))
  assert.ok(ofTypebox.length > 0 && ofTypebox.length < 20, `${ofTypebox.length} files`)
})

test('a linked mezzo, from any folder', t => {
  const folder = folderOf(t)
  symlinkSync(join(top, 'src/api/cli/mezzo.cjs'), join(folder, 'mezzo'))
  const { status, stdout } = spawnSync(join(folder, 'mezzo'), ['--help'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: TIMEOUT_MS
  })
  assert.equal(status, 0)
  assert.match(stdout, /^mezzo NOUN VERB/)
})

test('a signal ends what was begun', t => {
  const older = olderNode(t)
  const folder = folderOf(t)
  const entry = join(folder, 'entry.cjs')
  const launch = JSON.stringify(join(top, 'src/core/start/launch.cjs'))
  writeFileSync(
    join(folder, 'waits.mjs'),
    'process.kill(process.ppid, "SIGTERM"); setInterval(() => {}, 1e6)'
  )
  writeFileSync(entry, `require(${launch}).launch(${JSON.stringify(join(folder, 'waits.mjs'))})`)
  assert.equal(run(older, entry).status, 128 + 15)
})

test('a signal that comes while it begins ends what was begun', t => {
  const older = olderNode(t)
  const folder = folderOf(t)
  const entry = join(folder, 'entry.cjs')
  const launch = JSON.stringify(join(top, 'src/core/start/launch.cjs'))
  writeFileSync(join(folder, 'waits.mjs'), 'setInterval(() => process.exit(), 20_000)')
  // It is there when spawn() has returned, before anything else is done.
  const signalled = `const all = require('child_process')
const { spawn } = all
all.spawn = (...given) => {
  const child = spawn(...given)
  process.kill(process.pid, 'SIGTERM')
  return child
}`
  const begin = `require(${launch}).launch(${JSON.stringify(join(folder, 'waits.mjs'))})`
  writeFileSync(entry, `${signalled}\n${begin}\n`)
  assert.equal(run(older, entry).status, 128 + 15)
})
