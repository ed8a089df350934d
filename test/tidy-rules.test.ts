// A rule that has not been seen to fail is not believed: each gets bad samples, and good ones that
// look like them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namedPlugins } from './tidy/door.ts'
import { check } from './tidy/rules.ts'
import { functions, imports, scan } from './tidy/scan.ts'
import { checkTree, type Exceptions, type Source } from './tidy/tree.ts'

const header = '// A sample.\n\n'
const found = (path: string, code: string): string[] =>
  check(path, header + code).map(({ line, message }) => `${line - 2}: ${message}`)
const body = (lines: number): string => '  work()\n'.repeat(lines)

const bad: readonly (readonly [path: string, code: string, expected: RegExp])[] = [
  ['src/flow/a.ts', 'const t = Date.now()', /1: Date.now: time is a service/],
  ['src/agent/a.ts', '\nsetTimeout(f, 1)', /2: setTimeout: timers are a service/],
  ['plugins/bridge/a.ts', 'performance.now()', /time is a service/],
  ['src/agent/a.ts', 'Math.random() < 0.5', /chance is a service/],
  ['src/agent/a.test.ts', 'Math.random()', /chance is a service/],
  ['src/agent/a.test.ts', 'setTimeout(done, 50)', /timers are a service/],
  ['src/wire/a.ts', 'buffer.readUInt16BE(0)', /use it/],
  ['src/wire/a.ts', 'f(x: any)', /unknown/],
  ['src/wire/a.ts', 'const x = y as any', /unknown/],
  ['src/wire/a.ts', 'let x: Map<string, any>', /unknown/],
  ['src/wire/a.ts', 'let x: any[]', /unknown/],
  ['src/agent/a.ts', `const s = \`\${console.log(1)}\``, /console.l: take Log/],
  ['src/agent/a.ts', 'process.dlopen(m, p)', /src\/native alone/],
  ['src/wire/a.ts', 'export default 1', /export by name/],
  ['plugins/bridge/bridge.ts', 'export { a as default }', /export by name/],
  ['src/wire/a.ts', 'enum Colour { red }', /as const/],
  ['src/wire/a.ts', "import { a } from '../flow/key.ts'", /src\/wire may import nothing, not src/],
  ['src/wire/a.ts', "import fs from 'node:fs'", /may import nothing from outside, not node:fs/],
  ['src/core/a.ts', "import type { A } from '../wire/address.ts'", /src\/core may import nothing/],
  ['src/flow/a.ts', "export * from '../simulation/context.ts'", /src\/flow may import wire/],
  ['src/simulation/a.ts', "await import('../agent/worker.ts')", /src\/simulation may import/],
  ['src/simulation/a.ts', "import 'pino'", /may import nothing from outside, not pino/],
  ['src/topology/a.ts', "import { x } from '../datapath/memory.ts'", /src\/topology may import/],
  ['src/topology/a.ts', "import 'typebox-else'", /not typebox-else/],
  ['src/agent/a.ts', "import { x } from '../api/server.ts'", /src\/agent may import/],
  ['src/api/a.ts', "import { x } from '../datapath/memory.ts'", /src\/api may import/],
  ['src/attic/a.ts', "import { x } from '../wire/a.ts'", /src\/attic is no room/],
  ['src/agent/a.ts', "import { x } from '../../test/lab/lab.ts'", /is for tests/],
  ['src/main/a.ts', "await import('../../test/lab/lab.ts')", /is for tests/],
  ['src/demo/a.ts', "import { x } from '../core/clock.test.ts'", /is for tests/],
  ['src/host/a.ts', "import { x } from '../agent/messages.ts'", /src\/host may import/],
  ['src/host/a.ts', "import { x } from '../native/addon.ts'", /src\/host may import/],
  ['src/host/a.ts', "import { Worker } from 'node:worker_threads'", /not node:worker_threads/],
  ['src/lab/a.ts', "import { x } from '../agent/agent.ts'", /src\/lab may import/],
  ['src/datapath/ebpf/a.ts', "import { createRequire } from 'node:module'", /src\/native alone/],
  ['src/agent/a.ts', "import { x } from './a'", /end it in .ts/],
  ['plugins/a/a.ts', "import { x } from '../../src/core/clock.ts'", /a plugin may import/],
  ['plugins/a/a.ts', "import { x } from '../b/b.ts'", /a plugin may import/],
  ['plugins/a/a.ts', "import { x } from 'node:fs'", /a plugin may import typebox from/],
  ['plugins/a/engine.ts', "import { x } from 'node:fs'", /a plugin may import typebox from/],
  ['plugins/a/routing/a.ts', "import '../../../src/control.ts'", /control.ts is for control.ts/],
  ['plugins/a/a.ts', "import { Type } from 'typebox'", /typebox is for resources/],
  ['plugins/a/a.ts', "import '../../src/resource.ts'", /resource.ts is for resources/],
  ['src/host/a.ts', 'class Places {}', /1: Places: the word was given up; say PortBindings/],
  ['src/host/a.ts', 'const waits = parkedPackets', /parkedPackets: .* say waiting packet/],
  ['src/host/a.ts', "counters.claim('state.holding')", /state.holding: .* say state.held-now/],
  ['native/bpf/a.c', 'int house_of;', /house_of: the word was given up/],
  ['src/wire/a.ts', `// TO${'DO'} later`, /open an issue/],
  ['src/wire/a.ts', `const p = '/wo${'rk'}/main'`, /no path of one machine/],
  ['src/wire/a.ts', `const a = ${'1 + '.repeat(30)}1`, /columns: break it at 100/],
  ['src/wire/a.ts', '\n'.repeat(400), /lines: split it at 400/],
  ['src/wire/a.ts', `function f() {\n${body(60)}}`, /1: a function of 62 lines/],
  [
    'src/wire/a.ts',
    `class A {\n  f(x: { a: B }): { a: B } | C {\n${body(60)}}\n}`,
    /2: a function/
  ],
  ['src/wire/a.ts', `const f = async (a = '{'): Promise<A> => {\n${body(60)}}`, /1: a function/],
  ['src/wire/a.ts', `list.map(x => {\n${body(60)}})`, /1: a function of 62/],
  ['src/wire/a.ts', `test('a', () => {\n${body(60)}})`, /1: a function of 62/],
  ['native/bpf/a.c', `int x;${'\t'.repeat(12)}int y;`, /102 columns/],
  ['native/bpf/a.c', '\n'.repeat(400), /lines: split it/]
]

for (const [path, code, expected] of bad)
  test(`refused in ${path}: ${code.slice(0, 50).replaceAll('\n', '⏎')}`, () => {
    assert.match(found(path, code).join('\n'), expected)
  })

const good: readonly (readonly [path: string, code: string])[] = [
  ['src/core/clock.ts', 'setTimeout(f, Date.now())'],
  ['src/wire/a.ts', "const s = 'Date.now() any console.log' // Math.random() as any"],
  ['src/wire/a.ts', 'const re = /[/"]console.log/.test(x) ? a / b / c : `Date.now()`'],
  ['src/wire/a.ts', 'const anything = company.any'],
  ['src/wire/a.ts', "import { a } from './b.ts'"],
  ['src/flow/a.ts', "import { a } from '../wire/b.ts'\nimport { c } from '../core/token.ts'"],
  ['src/topology/a.ts', "import { DatabaseSync } from 'node:sqlite'\nimport 'typebox/value'"],
  ['src/main/a.ts', "import { a } from '../api/server.ts'\nimport 'fastify'"],
  ['src/flow/a.test.ts', "import fc from 'fast-check'\nimport '../agent/worker.ts'"],
  ['plugins/a/index.ts', "import { x } from '../../src/plugin.ts'\nexport default x"],
  ['plugins/a/a.ts', "import { B } from '../b/token.ts'"],
  ['plugins/a/control.ts', "import { spawn } from 'node:child_process'"],
  ['plugins/a/engine/b/c.ts', "import 'node:fs'\nimport '../../../../src/control.ts'"],
  ['plugins/a/model.ts', "import '../../src/resource.ts'\nimport { Type } from 'typebox'"],
  ['src/wire/a.ts', `const table = {\n${'  a: 1,\n'.repeat(70)}}`],
  ['src/wire/a.ts', `interface A {\n${'  a: 1\n'.repeat(70)}}`],
  ['src/wire/a.ts', `class A {\n${'  f() {}\n'.repeat(70)}}`],
  ['src/wire/a.ts', `if (a) {\n${body(70)}}`],
  ['src/wire/a.ts', `const x = a ? f(b) : {\n${'  a: 1,\n'.repeat(70)}}`],
  ['test/a.test.ts', `describe('a', () => {\n${body(70)}})`],
  ['src/wire/a.ts', `function f() {\n${body(58)}}`],
  ['src/host/a.ts', "const places = 'a house' // its hub"],
  ['native/bpf/a.c', '/* x */ int setTimeout;']
]

for (const [path, code] of good)
  test(`accepted in ${path}: ${code.slice(0, 50).replaceAll('\n', '⏎')}`, () => {
    assert.deepEqual(found(path, code), [])
  })

test('a file without a header, or with a wall of one, is refused', () => {
  assert.match(check('src/wire/a.ts', 'const a = 1\n')[0]!.message, /it has 0/)
  assert.match(check('src/wire/a.ts', '// a\n'.repeat(11))[0]!.message, /it has 11/)
  assert.deepEqual(check('src/api/cli/a.ts', '#!/usr/bin/env node\n// What it is.\n'), [])
  assert.deepEqual(check('native/a.c', '// SPDX-License-Identifier: GPL-2.0\n/* What. */\n'), [])
  assert.deepEqual(check('native/a.h', '/* SPDX-License-Identifier: MIT\n *\n * What.\n */\n'), [])
  assert.match(check('native/a.h', '/* SPDX-License-Identifier: MIT */\n')[0]!.message, /it has 0/)
})

const files = (folder: string, count: number, text = '// A sample.\n'): Source[] =>
  Array.from({ length: count }, (_, i) => ({ path: `${folder}/f${i}.ts`, text }))
const needs = (count: number): string =>
  Array.from({ length: count }, (_, i) => `import './f${i}.ts'\n`).join('')
const none: Exceptions = { folders: {}, floors: {}, imports: {} }
const treeFindings = (sources: readonly Source[], excused: Partial<Exceptions> = {}): string =>
  checkTree(sources, [...sources.map(({ path }) => path), 'docs/a.md'], { ...none, ...excused })
    .map(({ path, line, message }) => `${path}:${line} ${message}`)
    .join('\n')

test('a folder of more than sixteen files is refused, tests and protocols aside', () => {
  assert.match(treeFindings(files('src/host/a', 17)), /^src\/host\/a:1 17 files/)
  assert.match(treeFindings(files('native/addon/a', 17)), /17 files/)
  assert.equal(treeFindings(files('src/host/a', 16)), '')
  assert.equal(treeFindings([...files('src/wire', 17), ...files('test/lab', 17)]), '')
  const tests = files('src/host/a', 16).map(({ path, text }) => ({
    path: path.replace('.ts', '.test.ts'),
    text
  }))
  assert.equal(treeFindings([...files('src/host/a', 16), ...tests]), '')
})

// f0 imports f1, f1 imports f2, and so on; `at` says in which file each is.
const chain = (count: number, how: (i: number) => string, at = (i: number) => `f${i}`): Source[] =>
  Array.from({ length: count }, (_, i) => {
    const up = at(i).includes('/') ? '../' : './'
    const needed = i < count - 1 ? `${how(i)} '${up}${at(i + 1)}.ts'` : ''
    return { path: `src/host/a/${at(i)}.ts`, text: `// A.\n${needed}\n` }
  })

test('a folder of more than seven floors is refused, with the chain that makes them', () => {
  const runs = (i: number): string => `import { f${i + 1} } from`
  const types = (i: number): string => `import type { F${i + 1} } from`
  const handed = (i: number): string => `export { f${i + 1} } from`
  for (const how of [runs, types, handed]) {
    assert.match(
      treeFindings(chain(8, how)),
      /^src\/host\/a:1 8 floors: give .*\(7 at most\): f0.ts > f1.ts > .* > f7.ts$/
    )
    assert.equal(treeFindings(chain(7, how)), '')
  }
  const late = chain(8, runs).map(({ path, text }) => ({
    path,
    text: text.replace(/import .* from ('.*')/, 'await import($1)')
  }))
  assert.match(treeFindings(late), /^src\/host\/a:1 8 floors/)
  const inFolders = (i: number): string => `d${i}/f`
  assert.match(treeFindings(chain(8, runs, inFolders)), /^src\/host\/a:1 8 floors: .*d0 > d1 > /)
  // A subfolder is one floor, however many it has; what knows each other by its types shares one.
  const low = chain(7, runs).map(({ path, text }) => ({ path: path.replace('/a/', '/a/d/'), text }))
  const high = { path: 'src/host/a/g.ts', text: "// A.\nimport { f0 } from './d/f0.ts'\n" }
  assert.equal(treeFindings([...low, high]), '')
  const back = { path: 'src/host/a/f7.ts', text: "// A.\nimport type { F6 } from './f6.ts'\n" }
  assert.equal(treeFindings([...chain(8, types).slice(0, 7), back]), '')
  assert.equal(treeFindings(chain(8, runs), { floors: { 'src/host/a': 8 } }), '')
  assert.match(treeFindings(chain(7, runs), { floors: { 'src/host/a': 8 } }), /8 and has 7: shrink/)
})

test('a file of more than eighteen imports is refused', () => {
  const path = 'src/host/a.ts'
  assert.match(treeFindings([{ path, text: needs(19) }]), /^src\/host\/a.ts:1 19 imports/)
  assert.equal(treeFindings([{ path, text: needs(18) + needs(18) }]), '')
  assert.equal(treeFindings([{ path: 'src/plugin.ts', text: needs(19) }]), '')
})

test('what is excused may only shrink', () => {
  const excused = { folders: { 'src/host/a': 18 }, imports: { 'src/host/a/a.ts': 20 } }
  const at = (count: number, imports: number): Source[] => [
    ...files('src/host/a', count - 1),
    { path: 'src/host/a/a.ts', text: needs(imports) }
  ]
  assert.equal(treeFindings(at(18, 20), excused), '')
  assert.match(treeFindings(at(19, 20), excused), /19 files/)
  assert.match(treeFindings(at(18, 21), excused), /21 imports/)
  assert.match(treeFindings(at(17, 20), excused), /excused for 18 and has 17/)
  assert.match(treeFindings(at(18, 0), excused), /excused for 20 and has 0/)
})

test('files that import each other in a circle at run time are refused', () => {
  const at = (a: string, b: string, c: string): Source[] => [
    { path: 'src/host/a.ts', text: `// A.\n${a}` },
    { path: 'src/host/b.ts', text: `// B.\n${b}` },
    { path: 'src/host/c/c.ts', text: `// C.\n${c}` }
  ]
  const back = "export { a } from '../a.ts'"
  assert.match(
    treeFindings(at("import { b } from './b.ts'", "import './c/c.ts'", back)),
    /c\/c.ts:2 a circle of files: src\/host\/a.ts → src\/host\/b.ts → .* → src\/host\/a.ts/
  )
  for (const type of ["import type { C } from './c/c.ts'", "import { type C } from './c/c.ts'"])
    assert.equal(treeFindings(at("import { b } from './b.ts'", type, back)), '')
  const two = "import { b } from './b.ts'\nimport { c } from './c/c.ts'"
  assert.equal(treeFindings(at(two, "import { type X, c } from './c/c.ts'", '')), '')
})

test('C files that include or call each other in a circle are refused', () => {
  const at = (lower: string, header = '', more: Source[] = []): string =>
    treeFindings([
      { path: 'native/addon/a/low.c', text: `/* Low. */\n#include "all.h"\n${lower}` },
      { path: 'native/addon/a/all.h', text: `/* All. */\n${header}int low(void);\n` },
      {
        path: 'native/addon/b/high.c',
        text: '/* High. */\n#include "a/all.h"\nint high(void)\n{\n\treturn low();\n}\n'
      },
      ...more
    ])
  const calls = (name: string, before = ''): string =>
    `${before}int low(void)\n{\n\treturn ${name};\n}\n`
  const circle = /a circle of files: native\/addon\/a\/low.c → native\/addon\/b\/high.c → /
  assert.match(at(calls('high()')), circle)
  assert.match(at(calls('later(high)')), circle)
  const own = 'static int high(void)\n{\n\treturn 1;\n}\n\n'
  for (const good of ['1', 'x->high', 'sizeof(struct high)', '1 /* high() */', '"high"[0]'])
    assert.equal(at(calls(good)), '', good)
  assert.equal(at(calls('high()', own)), '')
  const back = { path: 'native/addon/b/b.h', text: '/* B. */\n#include "a/all.h"\n' }
  assert.equal(at(calls('1'), '', [back]), '')
  assert.match(
    at(calls('1'), '#include "b/b.h"\n', [back]),
    /b.h:2 a circle of files: native\/addon\/a\/all.h → native\/addon\/b\/b.h → /
  )
})

test('a class has a test of its name, or says which holds it', () => {
  const path = 'src/host/a.ts'
  const held = { path: 'test/b.test.ts', text: '// A test.\n' }
  for (const text of ['// What.\n\nclass A {}', '// What.\n\n// b.test.ts\nexport class A {}'])
    assert.match(treeFindings([{ path, text }, held]), /^src\/host\/a.ts:1 has a class and no test/)
  const good = [
    "// What.\n\nconst a = 'class A {}' // class B {}",
    '// What it is.\n// b.test.ts holds it.\n\nexport class A {}'
  ]
  for (const text of good) assert.equal(treeFindings([{ path, text }, held]), '')
  const sibling = { path: 'src/host/a.test.ts', text: '// A test.\n' }
  assert.equal(treeFindings([{ path, text: '// What.\n\nclass A {}' }, sibling]), '')
})

test('a file that a comment names must be there', () => {
  const names = (text: string): string =>
    treeFindings([
      { path: 'src/host/flows/a.ts', text },
      { path: 'native/addon/state/b.c', text: '/* What. */' }
    ])
  for (const text of ['// see gone.ts', '/* see\n flows/b.ts */', '// docs/b.md.', '// state/c.c'])
    assert.match(names(text), /there is no /, text)
  for (const text of [
    '// see a.ts, flows/a.ts, src/host/flows/a.ts and docs/a.md.',
    '// native/addon/state/b.c; state/*.c, linux/if_ether.h, <unistd.h>',
    "const path = 'gone.ts' // https://a.example/gone.md"
  ])
    assert.equal(names(text), '', text)
})

test('what is not code is blank, and positions stay', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the template is what is scanned
  const text = 'a = `x${b + `y${c}z`}w` // }\nd = "\\"{" /* { */ + /[}/]\\/{/g.e'
  const { code } = scan(text)
  assert.equal(code.length, text.length)
  assert.equal(code.replace(/\s+/g, ' '), 'a = b + c d = " " + / /g.e')
})

test('functions of every form are found with their length', () => {
  const code = [
    'function a<T>(x: T): asserts x is T {',
    '}',
    'const b = (x: number): { y: number } => {',
    '}',
    'const c = async x => {',
    '}',
    'class D {',
    '  get e(): readonly string[] {',
    '  }',
    '  #f(x = () => 1): x is string | { g: () => void } {',
    '  }',
    '}'
  ].join('\n')
  const lines = functions(scan(code)).map(({ line, lines }) => [line, lines])
  assert.deepEqual(lines, [
    [1, 2],
    [3, 2],
    [5, 2],
    [8, 2],
    [10, 2]
  ])
})

test('imports of every form are found', () => {
  const code = [
    "import a, { b } from './a.ts'",
    "import type {\n  C\n} from './b.ts'",
    "export * from './c.ts'",
    "import './d.ts'",
    "const e = await import('./e.ts')",
    "const text = \"import x from './no.ts'\" // from './no.ts'"
  ].join('\n')
  assert.deepEqual(
    imports(scan(code)).map(({ from, line }) => [from, line]),
    [
      ['./a.ts', 1],
      ['./b.ts', 4],
      ['./c.ts', 5],
      ['./d.ts', 6],
      ['./e.ts', 7]
    ]
  )
})

test('a core that names a plugin is found, in code and nowhere else', () => {
  const names = new Set(['router', 'snat'])
  const lines = (path: string, code: string): number[] =>
    namedPlugins(path, code, names).map(({ line }) => line)
  assert.deepEqual(lines('src/host/a.ts', "a()\nif (kind === 'router') b()"), [2])
  assert.deepEqual(lines('src/state/a.ts', "const KINDS = ['snat']"), [1])
  assert.deepEqual(lines('src/host/a.ts', "ctx.drop('router.no-route')"), [1])
  assert.deepEqual(
    lines('src/host/a.ts', "// as 'router' does\nsay('the last router cuts it')"),
    []
  )
  assert.deepEqual(lines('src/host/a.ts', "const kind = 'routers'"), [])
  assert.deepEqual(lines('src/api/a.ts', 'say(`\nTry:\n  mezzo router list`)'), [3])
  assert.deepEqual(lines('src/api/a.ts', 'say(`mezzo port list`) // mezzo router list'), [])
  for (const path of ['plugins/router/a.ts', 'src/demo/a.ts', 'src/host/a.test.ts'])
    assert.deepEqual(lines(path, "kind === 'router'"), [])
})
