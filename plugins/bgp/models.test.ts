// Speakers, peers, networks and policies through the API and the command line: what is refused, by
// field, and that a password is taken and never shown.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { documentOf } from '../../src/topology/backup/document.ts'
import { call, openSystem, type System } from '../../test/api/fixture.ts'
import { placeOf, reportsOf, reportTable } from './table.ts'

const PASSWORD = 'only-peers-know-this'

let system: System
let router: string
let port: string

const ask = (path: string, method = 'GET', body?: object) => call(system.url + path, method, body)

async function post(path: string, body: object): Promise<string> {
  const answer = await ask(path, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

before(async () => {
  system = await openSystem()
  router = await post('/routers', { name: 'edge' })
  const addresses = ['180.0.1.2/24', '2001:db8:1::2/64']
  port = await post('/ports', { device: router, name: 'up1', addresses })
})
after(() => system.close())

/** Refused with this field at fault, and nothing made. */
async function refused(path: string, body: object, field: string, expected: RegExp): Promise<void> {
  const answer = await ask(path, 'POST', body)
  assert.equal(answer.status, answer.body.error?.code === 'EXISTS' ? 409 : 400, path)
  assert.equal(answer.body.error.faults[0]?.field, field, JSON.stringify(answer.body))
  assert.match(answer.body.error.message, expected)
}

test('a speaker: its number, and one for all ports of a router', async () => {
  const path = `/routers/${router}/bgp-speakers`
  await refused(path, { asn: 0 }, 'asn', /from 1 to 4294967295/)
  await refused(path, { asn: 65_535 }, 'asn', /reserved/)
  await refused(path, { asn: 4_294_967_296 }, 'asn', /from 1 to/)
  const id = await post(path, { asn: 65_001 })
  await refused(path, { asn: 65_002 }, 'router', new RegExp(`it has ${id}`))
  await post(path, { asn: 65_003, port })
  await refused(path, { asn: 65_004, port }, 'port', /exists already/)
  const stranger = await post('/ports', { device: await post('/routers', {}) })
  await refused(path, { asn: 65_005, port: stranger }, 'port', /a port whose device is/)
  const own = await ask(`/bgp-speakers/${id}`, 'PATCH', { asn: 65_010 })
  assert.equal(own.status, 200, 'it is not its own twin')
})

test('a peer: a neighbour at a port of its router, once', async () => {
  const path = `/routers/${router}/bgp-peers`
  const good = { address: '180.0.1.1', asn: 65_101 }
  await refused(path, { ...good, asn: 23_456 }, 'asn', /reserved/)
  await refused(path, { ...good, address: '180.0.2.1' }, 'address', /in no network.*180.0.1.0\/24/)
  await refused(path, { ...good, address: '180.0.1.2' }, 'address', /it is our port's/)
  await refused(path, { ...good, address: '224.0.0.5' }, 'address', /one node/)
  await refused(path, { ...good, address: 'fe80::1' }, 'address', /one node/)
  await refused(path, { ...good, holdS: 2 }, 'holdS', /from 3 to/)
  await refused(path, { ...good, keepaliveS: 9 }, 'keepaliveS', /less than holdS/)
  await refused(path, { ...good, multihop: 2 }, 'port', /over several hops/)
  const id = await post(path, good)
  await refused(path, { ...good, port }, 'address', new RegExp(`bgp-peer ${id} has this one`))
  await post(path, { address: '2001:db8:1::1', asn: 65_101 })
  await refused(path, { address: '2001:db8:1:0:0::1', asn: 1 }, 'address', /has this one/)
  await post(path, { address: '198.51.100.7', asn: 65_102, multihop: 3, port })
  const moved = await ask(`/bgp-peers/${id}`, 'PATCH', { address: '180.0.7.1' })
  assert.equal(moved.status, 400)
  const { body } = await ask(`/bgp-peers/${id}`)
  assert.deepEqual([body.address, body.keepaliveS, body.holdS], ['180.0.1.1', 3, 9])
  assert.deepEqual([body.state, body.sessions, body.passwordSet], ['none', [], false])
})

test('a network: its host bits are zero, and it is there once', async () => {
  const path = `/routers/${router}/bgp-networks`
  await refused(path, { prefix: '200.0.0.1/24' }, 'prefix', /host bits zero/)
  await post(path, { prefix: '200.0.0.0/24' })
  await refused(path, { prefix: '200.0.0.0/24' }, 'prefix', /exists already/)
})

test('a policy: lengths that can be, communities that are numbers', async () => {
  const entry = { prefix: '10.0.0.0/8', action: 'permit' }
  const path = '/bgp-policies'
  const named = { name: 'inbound' }
  const of = (more: object) => ({ ...named, prefixes: [entry, { ...entry, ...more }] })
  await refused(path, of({ ge: 7 }), 'prefixes[1].ge', /from 8 to 32/)
  await refused(path, of({ ge: 24, le: 16 }), 'prefixes[1].le', /from 24 to 32/)
  await refused(path, of({ action: 'maybe' }), 'prefixes[1].action', /permit/)
  await refused(path, { ...named, communities: ['1:70000'] }, 'communities[0]', /up to 65535/)
  const importPolicy = await post(path, of({ prefix: '::/0', le: 48 }))
  const peer = { address: '180.0.1.9', asn: 65_109, importPolicy }
  const id = await post(`/routers/${router}/bgp-peers`, peer)
  assert.equal((await ask(`/bgp-policies/${importPolicy}`, 'DELETE')).status, 409, 'it is used')
  await ask(`/bgp-peers/${id}`, 'DELETE')
  assert.equal((await ask(`/bgp-policies/${importPolicy}`, 'DELETE')).status, 204)
})

test('a password is taken, kept over a PUT, taken away, and shown by nobody', async () => {
  const path = `/routers/${router}/bgp-peers`
  const wrong = { address: '180.0.1.4', asn: 65_104, password: `${PASSWORD}\n` }
  await refused(path, wrong, 'password', /password is hidden/)
  const made = await ask(path, 'POST', { ...wrong, password: PASSWORD })
  const { id } = made.body
  const stored = async () => (await system.store.read('bgp-peer', id))?.value.password
  assert.equal(await stored(), PASSWORD)
  const put = await ask(`/bgp-peers/${id}`, 'PUT', { ...made.body, name: 'transit' })
  assert.equal(put.status, 200, JSON.stringify(put.body))
  assert.equal(await stored(), PASSWORD, 'who reads an object and puts it back keeps it')
  const answers = [made, put, await ask(`/bgp-peers/${id}`), await ask(path)]
  answers.push(await ask(`/bgp-peers?name=transit`), await ask(`/ports/${port}/bgp-peers`))
  for (const answer of answers) assert.ok(!JSON.stringify(answer.body).includes(PASSWORD))
  assert.equal(put.body.passwordSet, true)
  assert.ok(!system.log.join().includes(PASSWORD))
  // A backup is for its owner alone, and complete.
  const backup = JSON.stringify(await documentOf(system.store, system.models))
  assert.ok(backup.includes(PASSWORD))
  await ask(`/bgp-peers/${id}`, 'PATCH', { password: null })
  assert.equal(await stored(), undefined)
  assert.equal((await ask(`/bgp-peers/${id}`)).body.passwordSet, false)
})

test('the command line reads a password from a file, and takes none as a word', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-bgp-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'password')
  writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 })
  const run = async (...words: string[]) => {
    const said: string[] = []
    const given = { api: system.url, say: said.push.bind(said), complain: said.push.bind(said) }
    const status = await command(words, given as unknown as Parameters<typeof command>[1])
    return { status, text: said.join('\n') }
  }
  const peer = ['bgp-peer', 'create', 'router=edge', 'address=180.0.1.5', 'asn=65105', 'name=five']
  const told = await run(...peer, `password=${PASSWORD}`)
  assert.equal(told.status, 2)
  assert.match(told.text, /expected password=@FILE/)
  assert.equal((await run(...peer, `password=@${file}`)).status, 0)
  const shown = await run('bgp-peer', 'show', 'five')
  assert.match(shown.text, /passwordSet +true/)
  assert.ok(!(shown.text + (await run('bgp-peer', 'list')).text).includes(PASSWORD))
  assert.match((await run('bgp-peer', 'help')).text, /password +@FILE/)
})

test('a peer shows its sessions, a network who announces it, as gateways say', async () => {
  const id = await post(`/routers/${router}/bgp-peers`, { address: '180.0.1.6', asn: 65_106 })
  const { body: network } = await ask(`/bgp-networks?router=${router}`)
  const { id: announced } = (network as unknown as { id: string }[])[0]!
  const table = system.store.table(reportTable(router))
  const session = { state: 'established', received: 2, sent: 1 }
  await table.put(`${reportsOf('peer', id)}${placeOf('gw1', port)}`, JSON.stringify(session))
  await table.put(`${reportsOf('peer', id)}${placeOf('gw2', port)}`, '{"state":"active"}')
  await table.put(`${reportsOf('peer', id)}${placeOf('gw3', port)}`, 'another version')
  const held = JSON.stringify({ announced: false, reasons: ['drained'] })
  await table.put(`${reportsOf('network', announced)}${placeOf('gw1', port)}`, held)
  const { body } = await ask(`/bgp-peers/${id}`)
  assert.equal(body.state, 'active')
  assert.deepEqual(body.sessions, [
    { host: 'gw1', port, ...session },
    { host: 'gw2', port, state: 'active' }
  ])
  const { body: shown } = await ask(`/bgp-networks/${announced}`)
  const gateways = [{ host: 'gw1', port, announced: false, reasons: ['drained'] }]
  assert.deepEqual([shown.announced, shown.gateways], [false, gateways])
})
