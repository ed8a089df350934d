// The plugin that docs/plugins.md builds, run as its text stands.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { loadPlugins, placesOf } from '../../src/agent/plugins.ts'
import { loadResources } from '../../src/agent/resources.ts'
import { assemblyOf, modelsOf } from '../../src/topology/assembly/assemble.ts'
import { arpRequest as arp } from '../../src/wire/builder.ts'
import { Topology } from '../world/objects.ts'
import { World } from '../world/world.ts'

const top = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(top, 'docs', 'plugins.md'), 'utf8')

/** The files that the page shows, by name, as `name`: followed by a block. */
const files = [...page.matchAll(/`(repeater\/\w+\.ts)`:\n\n```ts\n([\s\S]*?)```/g)]

test('the plugin of docs/plugins.md repeats packets, and has thirty lines at most', async t => {
  mkdirSync(join(top, 'var'), { recursive: true })
  const folder = mkdtempSync(join(top, 'var', 'plugins-'))
  t.after(() => rmSync(folder, { recursive: true }))
  assert.deepEqual(
    files.map(([, name]) => name),
    ['repeater/resources.ts', 'repeater/index.ts']
  )
  const doors = relative(join(folder, 'repeater'), join(top, 'src')).split('\\').join('/')
  for (const [, name, text] of files) {
    mkdirSync(dirname(join(folder, name!)), { recursive: true })
    writeFileSync(join(folder, name!), text!.replaceAll("'../../src/", `'${doors}/`))
  }
  const lines = files.flatMap(([, , text]) => text!.split('\n').filter(line => line.trim() !== ''))
  assert.ok(lines.length <= 30, `${lines.length} lines`)
  const resources = await loadResources([pathToFileURL(`${folder}/`)])
  assert.ok(modelsOf(resources).some(({ kind }) => kind === 'repeater'))
  const places = placesOf(resources).filter(({ name }) => name === 'repeater')
  const topology = new Topology()
  for (const name of ['r', 's']) topology.add('repeater', name, { name })
  const port = (id: string, number: number, device: string) =>
    ({ id, number, name: id, type: 'repeater', device, host: 'h1', interface: id }) as const
  for (const [i, id] of ['a', 'b', 'c'].entries()) topology.add('port', id, port(id, i + 1, 'r'))
  topology.add('port', 'd', port('d', 4, 's'))
  const world = new World({
    plugins: await loadPlugins(places),
    objects: topology.objects,
    assembly: assemblyOf(resources)
  })
  const bytes = arp('02:00:00:00:00:01', '10.0.0.1', '10.0.0.2').frame()
  const seen = world.exchange('a', bytes).map(({ port }) => port)
  assert.deepEqual(seen.sort(), ['b', 'c'])
  // It reads its ports again when there is one more; the flow that was made for three goes.
  world.store.put('port', port('d', 4, 'r'))
  world.settle()
  const then = world.exchange('a', bytes).map(({ port }) => port)
  assert.deepEqual(then.sort(), ['b', 'c', 'd'])
})
