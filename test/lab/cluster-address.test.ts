// Where a host is asked by others when nothing is set: at its address in a tunnel zone, as soon as
// it has one, and elsewhere when that changes.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { openLog } from '../../src/core/log.ts'
import { Lab, run } from '../../src/lab/index.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { type Answer, call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'

const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
// Of nobody (RFC 5737), on our loopback.
const [FIRST, SECOND, LATE] = ['198.51.100.1', '198.51.100.2', '198.51.100.3']

const ip = async (verb: 'add' | 'del', address: string): Promise<void> => {
  const { status, stderr } = await run(['ip', 'address', verb, `${address}/32`, 'dev', 'lo'])
  if (verb === 'add') assert.equal(status, 0, stderr)
}

describe('where a host is asked', { skip: Lab.available() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-cluster-address-'))
  const lines: string[] = []
  let host: Appliance
  let other: Appliance
  let url: string
  let zone: string
  let member: string

  before(async () => {
    await ip('add', FIRST)
    await ip('add', SECOND)
    const plugins = await loadResources()
    const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
    const options = { storePath: join(folder, 'mezzo.db'), plugins, log }
    host = await Appliance.open(options)
    other = await Appliance.open(options)
    await host.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'one' } }])
    await Promise.all([host.join(), other.join()])
    const datapath = { kind: 'memory', address: FIRST, interfaces: [] } as const
    await host.startAgent({
      ...{ id: HOST, name: 'one', settings: defaultSettings(plugins) },
      datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 }
    })
    await host.serveHosts({ host: HOST, port: 0 })
    url = await other.listen({ host: '127.0.0.1', port: 0 })
    zone = (await call(`${url}/tunnel-zones`, 'POST', { name: 'z' })).body.id
  })
  after(async () => {
    await other?.close()
    await host?.close()
    for (const address of [FIRST, SECOND, LATE]) await ip('del', address)
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = (): Promise<Answer> => call(`${url}/hosts/${HOST}/flows`)
  const place = async (): Promise<string | undefined> =>
    (await call(`${url}/hosts/${HOST}`)).body.cluster as string | undefined

  async function isAskedAt(address: string): Promise<string> {
    await eventually(async () => {
      assert.match(String(await place()), new RegExp(`^${address}:`))
      assert.equal((await ask()).status, 200)
    })
    return String(await place())
  }

  const moveTo = (address: string): Promise<Answer> =>
    call(`${url}/tunnel-zone-hosts/${member}`, 'PATCH', { address })

  test('a host without an address says that it cannot be asked', async () => {
    await eventually(async () =>
      assert.equal((await call(`${url}/hosts/${HOST}`)).body.alive, true)
    )
    const { status, body } = await ask()
    assert.equal(status, 503)
    assert.match(body.error.message, /host one .* has not said where it may be asked/)
    const { notes } = await host.health.report()
    assert.match(notes.join(), /other hosts cannot ask this one: it has no address in a tunnel z/)
  })

  test('it is asked at its address in a tunnel zone, and follows it', async () => {
    const entry = { zone, host: HOST, address: FIRST }
    member = (await call(`${url}/tunnel-zone-hosts`, 'POST', entry)).body.id
    const [address, port] = (await isAskedAt(FIRST)).split(':')
    await moveTo(SECOND)
    await isAskedAt(SECOND)
    const refused = await new Promise(done => {
      const socket = connect(Number(port), address, () => done('somebody listens'))
      socket.on('error', () => done('refused'))
    })
    assert.equal(refused, 'refused')
  })

  test('an address that the machine has not is an error in the log, until it has it', async () => {
    await moveTo(LATE)
    await eventually(() => assert.match(lines.join(''), /"level":"error".*198\.51\.100\.3.*EADDR/))
    await eventually(async () => assert.equal((await ask()).status, 503))
    await eventually(async () => {
      const { notes } = await host.health.report()
      assert.match(notes.join(), /other hosts cannot ask this one: .*198\.51\.100\.3.*EADDR/)
    })
    await ip('add', LATE)
    await isAskedAt(LATE)
    await eventually(async () =>
      assert.doesNotMatch((await host.health.report()).notes.join(), /other hosts/)
    )
  })
})
