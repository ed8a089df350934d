// The commands of `mezzo store` that ask no server: from a file into ZooKeeper and back, backup,
// restoration, check; and what they say when it cannot be.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadResources } from '../../src/agent/resources.ts'
import { command } from '../../src/api/cli/command.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { makeCertificate } from '../../src/lab/services/service.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'

const clock = new SystemClock()
const folder = mkdtempSync(join(tmpdir(), 'mezzo-backup-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string): string => join(folder, name)

async function mezzo(...words: string[]) {
  const run = { out: '', err: '' }
  const exit = await command(words, {
    api: 'http://127.0.0.1:1',
    say: text => (run.out += `${text}\n`),
    complain: text => (run.err += `${text}\n`)
  })
  return { exit, ...run }
}

describe('mezzo store', { skip: missingForServer() ?? false }, () => {
  let server: ZooKeeperServer
  before(async () => {
    server = await ZooKeeperServer.make({ tls: true })
    await server.start()
  })
  after(() => server.close())

  test('goes from a file into ZooKeeper and back, and checks both', async () => {
    const { address: host, port } = server
    const real = { id: '00000000-0000-4000-8000-0000000000aa', name: 'net' }
    const all = modelsOf(await loadResources())
    const first = await openSqliteStore({ path: file('real.db'), models: all, clock })
    await first.write([{ op: 'create', kind: 'bridge', value: real }])
    await first.close()
    const cluster = `zookeeper:${host}:${port}/backup`
    assert.match((await mezzo('store', 'migrate', file('real.db'), cluster)).out, /^1 objects/)
    const store = await openZooKeeperStore({
      ...{ servers: [{ host, port }], chroot: '/backup', models: all, clock }
    })
    assert.equal((await store.read('bridge', real.id))?.value.name, 'net')
    await store.close()
    assert.deepEqual(await mezzo('store', 'check', cluster), {
      exit: 0,
      out: 'no faults\n',
      err: ''
    })
    assert.equal((await mezzo('store', 'backup', cluster, file('b.json'))).exit, 0)
    assert.equal(statSync(file('b.json')).mode & 0o777, 0o600)
    assert.equal(JSON.parse(readFileSync(file('b.json'), 'utf8')).objects.bridge[0].name, 'net')
    assert.equal((await mezzo('store', 'restore', file('b.json'), file('new.db'))).exit, 0)
    assert.equal((await mezzo('store', 'check', file('new.db'))).exit, 0)
  })

  test('init makes a store where there is none; no other command does by a slip', async () => {
    const { address: host, port } = server
    for (const place of [file('init.db'), `zookeeper:${host}:${port}/init`]) {
      for (const words of [
        ['check', place],
        ['backup', place, file('no.json')],
        ['migrate', place, file('no.db')]
      ]) {
        const none = await mezzo('store', ...words)
        assert.deepEqual([none.exit, /does not exist/.test(none.err)], [1, true], none.err)
      }
      const made = await mezzo('store', 'init', place)
      assert.deepEqual([made.exit, made.out.startsWith('made ')], [0, true], made.err)
      assert.equal((await mezzo('store', 'check', place)).exit, 0)
      const again = await mezzo('store', 'init', place)
      assert.deepEqual([again.exit, /exists already/.test(again.err)], [1, true])
    }
    assert.ok(!existsSync(file('no.json')) && !existsSync(file('no.db')))
  })

  test('takes the settings of a process: TLS, a name and its password', async () => {
    const zookeeper = {
      servers: [`${server.address}:${server.securePort}`],
      chroot: '/secured',
      ...{ tls: true, caFile: server.caFile },
      ...{ username: 'mezzo', passwordFile: file('password') }
    }
    const config = (name: string, more: object = {}): string => {
      const store = { kind: 'zookeeper', zookeeper: { ...zookeeper, ...more } }
      writeFileSync(file(name), JSON.stringify({ log: { level: 'info' }, store }))
      return `config:${file(name)}`
    }
    writeFileSync(file('password'), 'right\n')
    writeFileSync(file('wrong'), 'wrong\n')
    const place = config('c.json')
    assert.equal((await mezzo('store', 'init', place)).exit, 0)
    assert.equal((await mezzo('store', 'restore', file('b.json'), place)).exit, 0)
    assert.equal((await mezzo('store', 'check', place)).exit, 0)
    for (const [more, complaint] of [
      [{ passwordFile: file('wrong') }, /name and password/],
      [{ caFile: file('none') }, /store\.zookeeper\.caFile is .*ENOENT/],
      [{ server: [] }, /store\.zookeeper\.server/]
    ] as const) {
      const { exit, err } = await mezzo('store', 'check', config('w.json', more))
      assert.deepEqual([exit, complaint.test(err)], [1, true], err)
    }
    assert.match((await mezzo('store', 'check', `config:${file('gone')}`)).err, /gone/)
  })

  test('shows its own certificate to servers that demand one', async () => {
    const strict = await ZooKeeperServer.make({ tls: 'mutual' })
    try {
      await strict.start()
      const { certFile, keyFile } = strict.client
      const servers = [`${strict.address}:${strict.securePort}`]
      const known = { servers, chroot: '/known', tls: true, caFile: strict.caFile }
      const config = (name: string, more: object): string => {
        const store = { kind: 'zookeeper', zookeeper: { ...known, ...more } }
        writeFileSync(file(name), JSON.stringify({ store }))
        return `config:${file(name)}`
      }
      const place = config('strict.json', { certFile, keyFile })
      const made = await mezzo('store', 'init', place)
      assert.deepEqual([made.exit, made.err], [0, ''])
      assert.equal((await mezzo('store', 'restore', file('b.json'), place)).exit, 0)
      assert.match((await mezzo('store', 'check', place)).out, /^no faults/)
      makeCertificate({ folder, name: 'stranger', address: strict.address })
      const stranger = { certFile: file('stranger.pem'), keyFile: file('stranger-key.pem') }
      const refused = async (name: string, more: object, complaint: RegExp): Promise<void> => {
        const { exit, err } = await mezzo('store', 'check', config(name, more))
        assert.deepEqual([exit, complaint.test(err)], [1, true], err)
      }
      // Who shows none is told so, or that there is no agreement.
      const certificate = /no connection to ZooKeeper: .*(certificate|handshake)/i
      await Promise.all([
        refused('unknown.json', { certFile, keyFile, caFile: undefined }, certificate),
        refused('none.json', {}, certificate),
        refused('stranger.json', stranger, certificate)
      ])
      const other = { certFile, keyFile: stranger.keyFile }
      await refused('other.json', other, /store\.zookeeper\.keyFile is .*key of the certificate/)
      const text = { certFile: file('b.json'), keyFile }
      await refused('text.json', text, /store\.zookeeper\.certFile is .*a certificate, PEM/)
    } finally {
      await strict.close()
    }
  })

  test('says what is wrong: a full store, a file that is there, no file, no place', async () => {
    const full = await mezzo('store', 'restore', file('b.json'), file('real.db'))
    assert.deepEqual(
      [full.exit, /the store is not empty: .* exists already/.test(full.err)],
      [1, true]
    )
    const again = await mezzo('store', 'backup', file('real.db'), file('b.json'))
    assert.match(again.err, /b\.json is there already; expected a file that is not/)
    const none = await mezzo('store', 'restore', file('none'), file('x.db'))
    assert.match(none.err, /none cannot be read: ENOENT/)
    const backup = await mezzo('store', 'init', `config:${file('b.json')}`)
    assert.match(backup.err, /b\.json: store is missing; expected a section of settings/)
    const nowhere = await mezzo('store', 'check', 'zookeeper:host')
    assert.deepEqual([nowhere.exit, /expected a path, or/.test(nowhere.err)], [2, true])
    writeFileSync(file('text'), 'not a database at all, but long enough to be taken for one')
    assert.match((await mezzo('store', 'check', file('text'))).err, /not a database/)
  })
})
