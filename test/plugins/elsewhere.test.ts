// Routes of a plugin, asked at the API of a process that does not run the host: those that read are
// answered by the host; those that change are refused, with where they may be asked.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { silentLog } from '../../src/core/log.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'

const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
const folder = mkdtempSync(join(tmpdir(), 'mezzo-elsewhere-'))
const plugins = await loadResources([new URL('./', import.meta.url)])
let host: Appliance
let other: Appliance
let url: string

before(async () => {
  const options = { storePath: join(folder, 'mezzo.db'), plugins, log: silentLog() }
  host = await Appliance.open(options)
  other = await Appliance.open(options)
  await host.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'compute1' } }])
  await Promise.all([host.join(), other.join()])
  const datapath = { kind: 'memory', address: '192.0.2.1', interfaces: ['tap0'] } as const
  await host.startAgent({
    ...{ id: HOST, name: 'compute1', settings: defaultSettings(plugins) },
    datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 }
  })
  await host.serveHosts({ host: HOST, address: '127.0.0.1', port: 0 })
  url = `${await other.listen({ host: '127.0.0.1', port: 0 })}/hosts/${HOST}/repeater`
})
after(async () => {
  await other.close()
  await host.close()
  rmSync(folder, { recursive: true, force: true })
})

test('what is read there is answered by its host', async () => {
  await eventually(async () => {
    const { status, body } = await call(`${url}/heard`)
    assert.deepEqual([status, body.host, body.ports], [200, 'compute1', []])
  })
})

test('what the host refuses is refused, in its words', async () => {
  const { status, body } = await call(`${url}/heard?port=${HOST}`)
  assert.deepEqual([status, body.error.code], [404, 'NOT_FOUND'])
  assert.match(body.error.message, /^host compute1: port 3c7d2c52.* does not exist$/)
})

test('what changes something there is refused, with whom to ask', async () => {
  const { status, body } = await call(`${url}/reset`, 'POST')
  assert.deepEqual([status, body.error.code], [400, 'UNSUPPORTED'])
  assert.match(body.error.message, /another host.*expected the API of the host itself/)
})
