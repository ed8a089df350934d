// The docs say what the code does: every setting with its default, every counter and drop reason,
// every npm script and every link. What is in the code and in no table fails here.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TObject } from 'typebox'
import { loadPlugins } from '../src/agent/plugins.ts'
import { loadResources, pluginSections } from '../src/agent/resources.ts'
import { sectionsOf } from '../src/main/settings.ts'
import { counterNames } from '../src/native/abi.ts'
import { Topology } from './world/objects.ts'
import { World } from './world/world.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const plugins = await loadPlugins()
const operations = read('docs/operations.md')
const readmeOf = (plugin: string): string => read(`plugins/${plugin}/README.md`)
const isPlugin = (room: string): boolean => plugins.some(({ name }) => name === room)

/** Rows `| name | default | …` of a table must be there, word for word. */
function missingRows(text: string, section: TObject, name: (setting: string) => string): string[] {
  return Object.entries(section.properties).flatMap(([setting, schema]) => {
    const { default: value, properties } = schema as { default?: unknown } & Partial<TObject>
    if (properties !== undefined)
      return missingRows(text, schema as TObject, below => name(`${setting}.${below}`))
    const shown = value === undefined ? '–' : JSON.stringify(value)
    const row = new RegExp(`^\\| \`${name(setting)}\` +\\| \`?${literal(shown)}\`? +\\|`, 'm')
    return row.test(text) ? [] : [`${name(setting)}, default ${shown}`]
  })
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

test('every setting is in its table, with its default', async () => {
  const resources = await loadResources()
  const missing = Object.entries(sectionsOf(resources)).flatMap(([name, section]) =>
    missingRows(operations, section, setting => `${name}.${setting}`)
  )
  for (const [name, section] of Object.entries(pluginSections(resources)))
    missing.push(...missingRows(readmeOf(name), section, setting => setting))
  assert.deepEqual(missing, [])
})

test('every counter is in a table', () => {
  const world = new World({ plugins, objects: new Topology().bridge('b').edge('e', 'b').objects })
  const { counters, gauges, histograms } = world.hosts.get('h1')!.counters.snapshot()
  const names = [...Object.keys(counters), ...Object.keys(gauges), ...Object.keys(histograms)]
  names.push(...counterNames.map(name => `datapath.${name}`))
  const missing = names.filter(name => {
    const [room, ...rest] = name.split('.')
    if (room === 'drop') return !operations.includes(`\`${rest.join('.')}\``)
    return isPlugin(room!) ? !tells(readmeOf(room!), name) : !operations.includes(`\`${name}\``)
  })
  assert.deepEqual(missing, [])
})

// A README may write a pair as `router.errors`, `-limited`.
const tells = (text: string, name: string): boolean =>
  text.includes(`\`${name}\``) ||
  [...name.matchAll(/-/g)].some(({ index }) => text.includes(`\`${name.slice(index)}\``))

test('every drop reason is in a table', () => {
  const reasons = new Set(['src', 'plugins'].flatMap(sources).flatMap(reasonsIn))
  assert.ok(reasons.size > 30, `found only ${[...reasons]}`)
  const missing = [...reasons].filter(reason => {
    const room = reason.slice(0, reason.indexOf('.'))
    const text = isPlugin(room) ? readmeOf(room) : operations
    return !text.includes(`\`${reason}\``) && !text.includes(`\`drop.${reason}\``)
  })
  assert.deepEqual(missing, [])
})

const REASON = /(?:drop|reject|dropped|error|refuse)\w*\(\s*(?:\w+, )*'([a-z-]+\.[a-z-]+)'/gi

const reasonsIn = (path: string): string[] =>
  [...read(path).matchAll(REASON)].map(match => match[1]!)

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map(path => join(folder, path))
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'plugins'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.md'))
      .map(path => join(folder, path))
  )
]

test('every link and every script that a page names is there', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const missing = pages.flatMap(page => {
    const text = read(page)
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(match => match[1]!)
    const runs = [...text.matchAll(/npm run ([\w:-]+)/g)].map(match => match[1]!)
    return [
      ...links.filter(link => !existsSync(join(root, dirname(page), link))),
      ...runs.filter(run => !Object.hasOwn(scripts, run))
    ].map(what => `${page}: ${what}`)
  })
  assert.deepEqual(missing, [])
})

test('files that a page names in code are there', () => {
  const missing = pages.flatMap(page =>
    [...read(page).matchAll(/`((?:src|test|plugins|native|config|systemd)\/[\w./-]+\.\w+)`/g)]
      .map(match => match[1]!)
      .filter(path => !existsSync(join(root, path)))
      .map(path => `${page}: ${path}`)
  )
  assert.deepEqual(missing, [])
})

test('every plugin has a README of one form: a picture, settings, counters', () => {
  for (const { name } of plugins) {
    const text = readmeOf(name)
    assert.match(text, new RegExp(`^# ${name}\n`))
    assert.match(text, /^```\n/m, `${name}: a picture`)
    for (const heading of [/^## Settings/m, /^## Counters/m, /^\| `drop\.|^Drops/m])
      assert.match(text, heading, name)
  }
})

test('every behaviour that a test names has a row, and every row a test', () => {
  const rows = [...read('docs/behaviours.md').matchAll(/^\| ([A-Z]+-?\d+) \|/gm)].map(
    row => row[1]!
  )
  const named = new Set(['test', 'plugins', 'src'].flatMap(testFiles).flatMap(behavioursIn))
  const twice = rows.filter((id, i) => rows.indexOf(id) !== i)
  const untested = rows.filter(id => !named.has(id))
  const unknown = [...named].filter(id => !rows.includes(id))
  assert.deepEqual({ twice, untested, unknown }, { twice: [], untested: [], unknown: [] })
})

const BEHAVIOUR = /\b(?:BGP|BR|CT|FRAG|GARP|HO|INV|LB|MIG|NAT|NT|RT|SB|SL|SN|SR|ST)-\d\d\b/g

/** `RT-03` wherever it is written; a finding's `B5` where a title begins with it. */
function behavioursIn(path: string): string[] {
  const text = read(path)
  const findings = [...text.matchAll(/['"`]((?:[A-F]\d{1,2}(?:, )?)+):? /g)]
  return [...(text.match(BEHAVIOUR) ?? []), ...findings.flatMap(match => match[1]!.split(', '))]
}

function testFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts') && (folder === 'test' || path.endsWith('.test.ts')))
    .map(path => join(folder, path))
}
