// The runner keeps files of the lab apart that run side by side, and nothing of them stays.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { until } from '../../src/lab/index.ts'

interface Given {
  readonly limitMs: number
  print(text: string): void
}

type Run = (program: string, args: string[], given: Given) => Promise<{ fault?: string }>
type Apart = (program: string, args: string[]) => [string, string[]]

const runner = `${import.meta.dirname}/../runner`
const { run }: { run: Run } = await import(`${runner}/process.mjs`)
const { apart, whyNotApart }: { apart: Apart; whyNotApart(): string | undefined } = await import(
  `${runner}/apart.mjs`
)
const HANGS_MS = 10_000 // by then it has begun all that it begins, on a busy machine too
const skip = process.geteuid?.() === 0 ? (whyNotApart() ?? false) : 'not root'

describe('files apart', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-apart-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  async function ran(program: string, args: string[], limitMs = 30_000) {
    let printed = ''
    const print = (text: string) => (printed += text)
    const { fault } = await run(...apart(program, args), { limitMs, print })
    return { fault, printed }
  }

  test('the same names, sockets and ports at the same time', async () => {
    // Each waits for the other, having taken everything.
    const program = (me: string, other: string) => `
      const { createServer } = require('node:net'), fs = require('node:fs')
      const taken = at => new Promise((done, fail) =>
        createServer().on('error', fail).listen(at, done).unref())
      const add = require('node:child_process').spawnSync('ip', ['netns', 'add', 'mz-apart.a'])
      if (add.status !== 0) throw new Error(String(add.stderr))
      fs.writeFileSync('/run/mezzo-apart', '${me}')
      Promise.all([taken('\\0mezzo-apart'), taken({ host: '127.0.0.1', port: 8181 })]).then(() => {
        fs.writeFileSync('${folder}/${me}', '')
        const timer = setInterval(() => {
          if (!fs.existsSync('${folder}/${other}')) return
          clearInterval(timer)
          process.exitCode = fs.readFileSync('/run/mezzo-apart', 'utf8') === '${me}' ? 0 : 1
        }, 20)
      })`
    const both = await Promise.all([
      ran(process.execPath, ['-e', program('one', 'two')]),
      ran(process.execPath, ['-e', program('two', 'one')])
    ])
    for (const { fault, printed } of both) {
      assert.equal(fault, undefined, printed)
      assert.match(printed, /left behind: namespace mz-apart\.a, deleted/)
    }
    assert.deepEqual(
      ['/run/mezzo-apart', '/run/netns/mz-apart.a'].map(path => existsSync(path)),
      [false, false]
    )
  })

  // A process of its own session, which the signal to the group does not reach.
  const strays = (then: string) => [
    '-c',
    `ip netns add mz-apart.b; setsid sleep 1000 & echo $! > ${folder}/pid; ${then}`
  ]

  async function strayEnded(printed: string): Promise<void> {
    const pid = readFileSync(join(folder, 'pid'), 'utf8').trim()
    assert.match(printed, new RegExp(`left behind: process ${pid}, killed`))
    await until('its end', () => !isAlive(pid))
  }

  test('what a file leaves is ended, and said; its status is its own', async () => {
    const { fault, printed } = await ran('sh', strays('exit 3'))
    assert.equal(fault, 'status 3')
    await strayEnded(printed)
    assert.match(printed, /left behind: namespace mz-apart\.b/)
  })

  test('what hangs is killed with all it has begun', async () => {
    const { fault, printed } = await ran('sh', strays('sleep 1000'), HANGS_MS)
    assert.match(fault ?? '', /^killed: it did not end within 10 s/)
    await strayEnded(printed)
    assert.equal(existsSync('/run/netns/mz-apart.b'), false)
  })
})

/** One that has ended, but that nobody has asked after yet, is not. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
