// Configuration files, good ones and spoilt ones: refused with a sentence that names the file, or
// complete, frozen, and good when it is read again.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadResources, pluginSections } from '../../src/agent/resources.ts'
import { loadConfig } from '../../src/core/config/config.ts'
import type { JsonSchema } from '../../src/core/config/schema.ts'
import { MezzoError } from '../../src/core/errors.ts'
import { sectionsOf } from '../../src/main/settings.ts'
import { campaign } from './campaign.ts'
import { type Draw, pick } from './packets.ts'
import { hostileValue, randomValue } from './values.ts'

const resources = await loadResources()
const plugins = pluginSections(resources)
const sections = sectionsOf(resources)
const folder = mkdtempSync(join(tmpdir(), 'mezzo-fuzz-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'fuzz.json')

function configText(draw: Draw): string {
  const oddness = pick(draw, [1000, 60, 15])
  const config: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(sections))
    if (draw(2) === 0) config[name] = randomValue(schema as JsonSchema, draw, oddness)
  if (draw(2) === 0)
    config.plugins = Object.fromEntries(
      Object.entries(plugins)
        .filter(() => draw(2) === 0)
        .map(([name, schema]) => [name, randomValue(schema as JsonSchema, draw, oddness)])
    )
  if (draw(10) === 0) config[pick(draw, ['x', '__proto__', 'constructor', ''])] = hostileValue(draw)
  const text = JSON.stringify(config)
  if (draw(8) !== 0) return text
  const at = draw(text.length)
  return (
    text.slice(0, at) + pick(draw, ['', '"', '{', ',', '\u0000', '0']) + text.slice(at + draw(3))
  )
}

const load = () => loadConfig({ file, sections, plugins })

await campaign({
  name: 'config',
  runs: 50_000,
  seconds: 45,
  run(draw, note) {
    const text = configText(draw)
    note(text)
    writeFileSync(file, text)
    let config: ReturnType<typeof load>
    try {
      config = load()
    } catch (error) {
      assert.ok(error instanceof MezzoError, `not a refusal: ${error}`)
      assert.ok(error.message.includes('fuzz.json'), `it does not name the file: ${error.message}`)
      return 'refused'
    }
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.plugins))
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    writeFileSync(file, JSON.stringify(config))
    assert.deepEqual(load(), config, 'what came out is good, complete, and stays as it is')
    return 'accepted'
  }
})
