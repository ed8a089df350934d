// C10: whatever a server says, and whatever a command is given, the command line prints characters
// that are seen.  The server here is one that lies: names as no model takes them, in every answer.

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { openSystem } from './fixture.ts'

const BAD = 'x\u001b[31m\r\ny\u0000\u009b\u202e\ud800\u007fz'
const ID = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'

let liar: Server
let url: string
before(async () => {
  const system = await openSystem()
  const models = await (await fetch(`${system.url}/models`)).text()
  await system.close()
  const item = { id: ID, name: BAD, host: ID, port: ID, interface: BAD, type: BAD, tenant: BAD }
  const record = {
    text: BAD,
    key: BAD,
    actions: [BAD],
    tags: [BAD],
    mask: [],
    packets: 1,
    bytes: 1
  }
  const line = { ...item, ...record, addresses: [BAD], mac: BAD, ageMs: 1, idleMs: 1, alive: true }
  const walk = { ...line, lines: [BAD], verdict: BAD, dropReason: BAD, assumed: [BAD], packet: BAD }
  const faults = [{ field: BAD, value: BAD, expected: BAD }]
  liar = createServer((request, response) => {
    const path = request.url ?? ''
    if (path === '/models') return response.end(models)
    if (path === '/metrics') return response.end(`drops${BAD} 7`)
    if (path === '/trace') return response.end(JSON.stringify(walk))
    if (path === '/health') return response.end(JSON.stringify({ status: BAD }))
    if (request.method === 'DELETE') {
      const refusals = [{ faults }, { message: BAD }]
      response.statusCode = 400
      const error = refusals[path.startsWith('/bridges') ? 0 : 1]
      return response.end(JSON.stringify({ error }))
    }
    return response.end(
      JSON.stringify(path.split('/').length > 3 || !path.includes(ID) ? [line] : line)
    )
  })
  await new Promise<void>(done => liar.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`
})
after(() => {
  liar.close()
  liar.closeAllConnections()
})

for (const words of [
  ['bridge', 'list'],
  ['bridge', 'list', '--json'],
  ['bridge', 'show', ID],
  ['port', 'show', ID],
  ['port', 'list'],
  ['binding', 'list'],
  ['host', 'interfaces', ID],
  ['host', 'peers', ID],
  ['flow', 'list', ID],
  ['state', 'list', ID],
  ['agent', 'list'],
  ['trace', ID, 'icmp 10.0.0.1 > 10.0.0.2'],
  ['metrics'],
  ['health'],
  ['bridge', 'delete', ID],
  ['router', 'delete', ID],
  ['bridge', 'show', BAD],
  [BAD, 'list'],
  ['bridge', BAD],
  ['bridge', 'create', BAD],
  [`--${BAD}`],
  ['bridge', 'list', '--api', BAD]
])
  test(`C10: mezzo ${JSON.stringify(words.join(' '))} prints what is seen`, async () => {
    let printed = ''
    const say = (text: string): void => {
      printed += `${text}\n`
    }
    await command(words, { api: url, say, complain: say })
    assert.match(printed, /\\u001b/)
    assert.doesNotMatch(printed, /[^\n -~\ufffd]/)
    if (words.includes('--json')) assert.equal(JSON.parse(printed)[0].name, BAD)
  })
