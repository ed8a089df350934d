// What is run by hand refuses what it does not know before it does anything.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

for (const [file, words, complaint] of [
  ['bench/bench.ts', ['nope'], /^no benchmark nope; there are walk, /],
  ['bench/bench.ts', ['walk', '--rounds', '0'], /^--rounds is "0"; expected a number above 0\n$/],
  ['survive/survive.ts', ['--nope'], /^Unknown option '--nope'; there are --json, --full, /],
  ['matrix/matrix.ts', ['--filter', 'v7'], /^no cell has all of \["v7"\] in its name\n$/],
  ['matrix/matrix.ts', ['--filter', 'tiny', '--datapath', 'x'], /^--datapath is x; expected /],
  ['interop/interop.ts', ['--filter', 'Quagga'], /^no cell has all of \["Quagga"\] in its name\n$/],
  ['soak/soak.ts', ['--minutes', 'x'], /^--minutes is "x"; expected a number above 0\n$/],
  ['soak/liveness.ts', ['three'], /^Unexpected argument 'three'.*; there are --json, /]
] as const)
  test(`${file} ${words.join(' ')}`, () => {
    const path = join(import.meta.dirname, file)
    const { status, stderr } = spawnSync(process.execPath, [path, ...words], { encoding: 'utf8' })
    assert.match(stderr, complaint)
    assert.equal(status, 2)
  })
