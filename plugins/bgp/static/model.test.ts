// Static uplinks through the API: what is refused, by field, and how they are shown.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { command } from '../../../src/api/cli/command.ts'
import { call, openSystem, type System } from '../../../test/api/fixture.ts'
import { placeOf, reportsOf, reportTable } from '../table.ts'

let system: System
let router: string
let port: string
let path: string

const ask = (at: string, method = 'GET', body?: object) => call(system.url + at, method, body)

async function post(at: string, body: object): Promise<string> {
  const answer = await ask(at, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

async function refused(at: string, body: object, field: string, expected: RegExp): Promise<void> {
  const answer = await ask(at, 'POST', body)
  assert.equal(answer.status, answer.body.error?.code === 'EXISTS' ? 409 : 400, at)
  assert.equal(answer.body.error.faults[0]?.field, field, JSON.stringify(answer.body))
  assert.match(answer.body.error.message, expected)
}

before(async () => {
  system = await openSystem()
  router = await post('/routers', { name: 'edge' })
  const addresses = ['180.0.1.2/24', '2001:db8:1::2/64']
  port = await post('/ports', { device: router, name: 'up1', addresses })
  path = `/routers/${router}/static-uplinks`
})
after(() => system.close())

test('a next hop is a neighbour of a port of its router', async () => {
  const stray = /in no network of a port of the router: 180.0.1.0\/24/
  await refused(path, { address: '180.0.2.1' }, 'address', stray)
  await refused(path, { address: '180.0.1.2' }, 'address', /it is our port's/)
  await refused(path, { address: '224.0.0.5' }, 'address', /one node/)
  await refused(path, { address: 'fe80::1' }, 'address', /one node/)
  await refused(path, { address: 'isp' }, 'address', /IPv4 or IPv6/)
  const other = await post('/ports', { device: router, addresses: ['180.0.9.2/24'] })
  await refused(path, { address: '180.0.1.1', port: other }, 'address', /of the port: 180.0.9/)
})

test('prefixes are networks of its family, BFD and shares in their bounds', async () => {
  const of = (more: object) => ({ address: '180.0.1.1', ...more })
  await refused(path, of({ prefixes: ['10.0.0.1/8'] }), 'prefixes[0]', /host bits zero/)
  await refused(path, of({ prefixes: [] }), 'prefixes', /at least 1|1/)
  const mixed = ['10.0.0.0/8', '2001:db8::/32']
  await refused(path, of({ prefixes: mixed }), 'prefixes[1]', /IPv4, as the next hop is/)
  await refused(path, of({ bfd: { intervalMs: 1, multiplier: 3 } }), 'bfd.intervalMs', /from 50/)
  await refused(path, of({ share: 0 }), 'share', /from 1/)
  await refused(path, of({ weight: 900_000 }), 'weight', /to 100000/)
})

test('one address is one uplink, and no peer besides', async () => {
  const id = await post(path, { address: '180.0.1.1', bfd: {} })
  const taken = new RegExp(`static-uplink ${id} has this one`)
  await refused(path, { address: '180.0.1.1', port }, 'address', taken)
  const peers = `/routers/${router}/bgp-peers`
  await refused(peers, { address: '180.0.1.1', asn: 65_101 }, 'address', taken)
  const peer = await post(peers, { address: '180.0.1.9', asn: 65_101 })
  await refused(path, { address: '180.0.1.9' }, 'address', new RegExp(`bgp-peer ${peer} has`))
  const { body } = await ask(`/static-uplinks/${id}`)
  assert.deepEqual([body.bfd, body.state], [{ intervalMs: 300, multiplier: 3 }, 'none'])
  const moved = await ask(`/static-uplinks/${id}`, 'PATCH', { address: '180.0.7.1' })
  assert.equal(moved.status, 400)
})

test('it shows how it is, as gateways say', async () => {
  const id = await post(path, { address: '2001:db8:1::1' })
  const table = system.store.table(reportTable(router))
  const say = (host: string, report: object) =>
    table.put(`${reportsOf('static', id)}${placeOf(host, port)}`, JSON.stringify(report))
  await say('gw1', { state: 'up' })
  assert.equal((await ask(`/static-uplinks/${id}`)).body.state, 'up')
  await say('gw2', { state: 'down', reason: 'control detection time expired' })
  const { body } = await ask(`/static-uplinks/${id}`)
  assert.equal(body.state, 'down')
  assert.deepEqual(body.gateways, [
    { host: 'gw1', port, state: 'up' },
    { host: 'gw2', port, state: 'down', reason: 'control detection time expired' }
  ])
})

test('the command line makes one and lists it, as the documents say', async () => {
  const run = async (...words: string[]) => {
    const said: string[] = []
    const given = { api: system.url, say: said.push.bind(said), complain: said.push.bind(said) }
    const status = await command(words, given as unknown as Parameters<typeof command>[1])
    return { status, text: said.join('\n') }
  }
  const words = ['router=edge', 'name=isp2', 'address=180.0.1.7', 'bfd={"intervalMs":200}']
  const prefixes = 'prefixes=203.0.113.0/24,198.51.100.0/24'
  const made = await run('static-uplink', 'create', ...words, prefixes, 'weight=200')
  assert.equal(made.status, 0, made.text)
  const shown = await run('static-uplink', 'show', 'isp2')
  assert.match(shown.text, /203\.0\.113\.0\/24/)
  assert.match(shown.text, /state +none/)
  assert.match((await run('static-uplink', 'list')).text, /isp2/)
  const refused = await run('static-uplink', 'set', 'isp2', 'prefixes=::/0')
  assert.notEqual(refused.status, 0)
  assert.match(refused.text, /prefixes\[0\].*IPv4/)
})
