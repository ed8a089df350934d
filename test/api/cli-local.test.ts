// F7: what the command line can say without a server: help with fields and verbs, what was meant by
// a typo, its version, and what a shell needs to complete words.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { generalHelp } from '../../src/api/cli/help.ts'
import type { Noun } from '../../src/api/cli/words/nouns.ts'
import { call, openSystem, type System } from './fixture.ts'

const NOWHERE = 'http://127.0.0.1:1'
const CLI = join(import.meta.dirname, '../../src/api/cli/mezzo.ts')

let system: System
const folder = mkdtempSync(join(tmpdir(), 'mezzo-shell-'))
before(async () => {
  system = await openSystem()
  for (const name of ['web', 'wide']) await call(`${system.url}/bridges`, 'POST', { name })
})
after(async () => {
  await system.close()
  rmSync(folder, { recursive: true })
})

async function mezzo(words: readonly string[], api = NOWHERE) {
  const run = { out: '', err: '' }
  const exit = await command(words, {
    api,
    say: text => (run.out += `${text}\n`),
    complain: text => (run.err += `${text}\n`)
  })
  return { exit, ...run }
}

test('F7: help without a server is the help there is with one', async () => {
  for (const words of [['help'], ['rule', 'help'], ['port', '--help'], ['help', 'bridges']]) {
    const local = await mezzo(words)
    assert.deepEqual(local, await mezzo(words, system.url), words.join(' '))
    assert.equal(local.exit, 0)
  }
  const { out } = await mezzo(['rule', 'help'])
  assert.match(out, /mezzo rule create .*--first/)
  assert.match(out, /natTargets/)
})

test('F7: the examples of the help are of a declared kind, and do what they say', async () => {
  const { out } = await mezzo(['help'], system.url)
  const shown = [...out.matchAll(/mezzo (\w[\w-]*) (create|set|show|delete) (.*?)(?: {2}|$)/gm)]
  const words = shown
    .filter(([, kind]) => kind === shown[0]![1])
    .map(([, kind, verb, rest]) => [kind!, verb!, ...rest!.split(' ')])
  const order = ['create', 'show', 'set', 'delete']
  words.sort((a, b) => order.indexOf(a[1]!) - order.indexOf(b[1]!))
  assert.deepEqual(
    words.map(([, verb]) => verb),
    order
  )
  for (const each of words) {
    const { exit, err } = await mezzo(each, system.url)
    assert.equal(exit, 0, `${each.join(' ')}: ${err}`)
  }
  const tee = { kind: 'tee', plural: 'tees', settable: ['name'], fields: {}, references: {} }
  assert.match(generalHelp([tee as object as Noun]), /mezzo tee set tee1 name=tee2$/m)
})

test('F7: a typo is told as one, with a server and without', async () => {
  for (const api of [NOWHERE, system.url])
    for (const [words, message] of [
      [['brigde', 'list'], /brigde is no noun: did you mean bridge\?/],
      [['metrcs'], /metrcs is no noun: did you mean metrics\?/],
      [
        ['bridge', 'crate'],
        /crate is no verb of bridge: did you mean create\? expected one of list/
      ],
      [['port', 'bnd'], /did you mean bind\?/],
      [['state', 'lst'], /lst is no verb of state: did you mean list\?/],
      [['help', 'ruel'], /did you mean rule\?/],
      [['xyzzy'], /xyzzy is no noun; try mezzo help/]
    ] as const) {
      const { exit, err } = await mezzo(words, api)
      assert.equal(exit, 2, words.join(' '))
      assert.match(err, message)
    }
  const right = await mezzo(['bridge', 'list'])
  assert.equal(right.exit, 3)
  assert.match(right.err, /does not answer/)
})

test('F7: --version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(CLI, '../../../../package.json'), 'utf8'))
  for (const words of [['--version'], ['-V'], ['bridge', 'list', '--version']])
    assert.equal((await mezzo(words)).out, `mezzo ${version}\n`)
})

test('F7: words are completed, names of objects when there is a server', async () => {
  const complete = async (line: string, api = system.url): Promise<string[]> =>
    (await mezzo(['completion', 'complete', line], api)).out.split('\n').filter(text => text !== '')
  assert.deepEqual(await complete('mezzo brid', NOWHERE), ['bridge'])
  assert.deepEqual(await complete('mezzo bridge c', NOWHERE), ['create'])
  assert.deepEqual(await complete('mezzo rule create fragm', NOWHERE), ['fragmentPolicy='])
  assert.deepEqual(await complete('mezzo bridge set web adminStateUp=f'), ['adminStateUp=false'])
  assert.deepEqual(await complete('mezzo rule create action=re', NOWHERE), [
    'action=reject',
    'action=return',
    'action=reverse-dnat',
    'action=reverse-snat'
  ])
  assert.deepEqual(await complete('mezzo bridge show w'), ['web', 'wide'])
  assert.deepEqual(await complete('mezzo port create device=we'), ['device=web'])
  assert.deepEqual(await complete('mezzo bridge show w', NOWHERE), [])
  assert.deepEqual(await complete('mezzo completion b'), ['bash'])
  const wrong = await mezzo(['completion', 'fish'])
  assert.equal(wrong.exit, 2)
  assert.match((await mezzo(['completion', 'zsh'])).out, /^#compdef mezzo/)
})

test('F7: bash takes what it is given', async () => {
  const script = (await mezzo(['completion', 'bash'])).out
  const program = join(folder, 'mezzo')
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`)
  chmodSync(program, 0o755)
  const reply = (line: string): string => {
    const ask = `COMP_LINE=$1 COMP_POINT=\${#1}; _mezzo; echo "\${COMPREPLY[@]}"`
    const env = { PATH: `${folder}:/usr/bin:/bin`, MEZZO_API: NOWHERE }
    return execFileSync('bash', ['--norc', '-c', `${script}\n${ask}`, 'bash', line], { env })
      .toString()
      .trim()
  }
  assert.equal(reply('mezzo bri'), 'bridge')
  assert.equal(reply('mezzo rule create action=mas'), 'masquerade', 'behind the =')
})

test('F4: counters are found by the names of the documents and of Prometheus', async () => {
  const found = async (filter: string): Promise<string> =>
    (await mezzo(['metrics', filter], system.url)).out
  for (const filter of ['flow.hits', 'flow_hits', 'mezzo_flow_hits_total', 'FLOW.HITS'])
    assert.equal(await found(filter), 'mezzo_flow_hits_total{host="compute1"} 7\n', filter)
  for (const filter of ['drop.router.no-route', 'router.no-route', 'no_route', 'drop.router'])
    assert.equal(
      await found(filter),
      'mezzo_drops_total{host="compute1",reason="router.no-route"} 3\n',
      filter
    )
  assert.equal(await found('nosuch.counter'), 'no such counter\n')
})
