// The tree is tidy: rooms import downwards, files and functions stay short, banned calls stay
// out, every file says what it is. The rules are in tidy/, and are themselves shown to fail on
// bad samples in tidy-rules.test.ts.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { test } from 'node:test'
import { commentShare, undocumented } from './tidy/docs.ts'
import { namedPlugins, pluginNames } from './tidy/door.ts'
import { check } from './tidy/rules.ts'
import { checkTree, type Source } from './tidy/tree.ts'

const root = join(import.meta.dirname, '..')
const folders = ['src', 'plugins', 'test', 'native', 'setup', '.']

test('every source file keeps the rules of the tree', () => {
  const files = folders.flatMap(sources)
  assert.ok(files.length > 20, `found only ${files.length} source files`)
  const findings = files.flatMap(path =>
    check(path, readFileSync(join(root, path), 'utf8')).map(
      ({ line, message }) => `${path}:${line}  ${message}`
    )
  )
  assert.equal(findings.length, 0, `\n${findings.join('\n')}\n`)
})

test('the core names no plugin', async () => {
  const names = await pluginNames()
  assert.ok(names.size > 10, [...names].join())
  const findings = sources('src').flatMap(path =>
    namedPlugins(path, readFileSync(join(root, path), 'utf8'), names).map(
      ({ line, message }) => `${path}:${line}  ${message}`
    )
  )
  assert.equal(findings.length, 0, `\n${findings.join('\n')}\n`)
})

test('the tree keeps the rules of the tree', () => {
  const read = sourcesRead()
  const pages = [...folders, 'docs', 'config', 'systemd', '.'].flatMap(folder => listed(folder))
  const findings = checkTree(read, pages).map(
    ({ path, line, message }) => `${path}:${line}  ${message}`
  )
  assert.equal(findings.length, 0, `\n${findings.join('\n')}\n`)
})

test('what is exported is documented', t => {
  const read = sourcesRead()
  const findings = undocumented(read).map(
    ({ path, line, message }) => `${path}:${line}  ${message}`
  )
  assert.equal(findings.length, 0, `\n${findings.join('\n')}\n`)
  t.diagnostic(`comments are ${commentShare(read).toFixed(1)} % of the product's lines`)
})

test('every plugin has an index.ts and a README.md', () => {
  const folder = join(root, 'plugins')
  const plugins = existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory())
    : []
  const missing = plugins.flatMap(({ name }) =>
    ['index.ts', 'README.md']
      .filter(file => !existsSync(join(folder, name, file)))
      .map(file => `plugins/${name}/${file}`)
  )
  assert.deepEqual(missing, [])
})

const sourcesRead = (): Source[] =>
  folders.flatMap(sources).map(path => ({ path, text: readFileSync(join(root, path), 'utf8') }))

/** Source files below a folder; of the top folder its own only. */
const sources = (folder: string): string[] =>
  listed(folder).filter(path => /\.(ts|mjs|cjs|js|c|h)$/.test(path))

function listed(folder: string): string[] {
  const from = join(root, folder)
  if (!existsSync(from)) return []
  const top = folder === '.'
  return readdirSync(from, { recursive: !top, withFileTypes: true })
    .filter(entry => entry.isFile() || entry.isSymbolicLink())
    .map(entry => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter(path => !/^native\/build\/|node_modules\//.test(path))
    .sort()
}
