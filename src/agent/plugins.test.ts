// Folders of plugins: what is no such folder, and what is no plugin, is refused by its name.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { findPlugins, loadPlugins } from './plugins.ts'
import { loadResources } from './resources.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-plugins-'))
after(() => rmSync(folder, { recursive: true }))
const url = (name: string): URL => pathToFileURL(`${join(folder, name)}/`)

function plugin(of: string, name: string, file: string, text: string): URL {
  mkdirSync(join(folder, of, name), { recursive: true })
  writeFileSync(join(folder, of, name, file), text)
  return url(of)
}

test('a folder that is not there is refused by its name', () => {
  assert.throws(
    () => findPlugins([url('nowhere')]),
    ({ message }: Error) =>
      message.includes(`--plugins is ${join(folder, 'nowhere')}; expected a folder of plugins`)
  )
})

test('a plugin with the name of another is refused', () => {
  assert.throws(() => findPlugins([plugin('twice', 'router', 'index.ts', '')]), /router/)
})

for (const [what, text, why] of [
  ['a number', 'export default 3', /bad-1\/index\.ts is 3; expected a plugin/],
  ['nothing', 'export const a = 1', /bad-2\/index\.ts is undefined; expected a plugin/],
  ['not TypeScript', 'export default {', /bad-3\/index\.ts cannot be loaded: /]
] as const)
  test(`a side that is ${what} is refused by its file`, async () => {
    const name = /bad-\d/.exec(why.source)![0]
    const places = findPlugins([plugin(name, name, 'index.ts', text)])
    await assert.rejects(loadPlugins(places), why)
    const same = plugin(`data-${name}`, name, 'resources.ts', text)
    await assert.rejects(loadResources([same]), new RegExp(`${name}/resources\\.ts`))
  })
