// Flow state through the API, of a real agent: a stateful policy lets one side open connections, a
// trace tells what it reads and would write, and what packets leave behind is listed.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import type { Appliance } from '../../src/main/appliance.ts'
import { eth } from '../../src/wire/builder.ts'
import { eventually } from '../store/ground.ts'
import { call } from './fixture.ts'
import { post as create, HOST, openSystem } from './system.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
let system: Appliance
let url: string

before(async () => {
  ;({ system, url } = await openSystem(['tap0', 'tap1']))
  await build()
  // A frame that comes by an interface that is no port's yet is dropped.
  await eventually(async () => {
    const { bound, dryRuns } = await system.agent(HOST)!.status()
    assert.deepEqual([bound, dryRuns], [2, 0])
  })
})
after(() => system.close())

const post = (path: string, body: unknown): Promise<string> => create(url + path, body)

// Behind tap0 a client, behind tap1 a server on port 80; nobody else opens anything.
async function build(): Promise<void> {
  const chain = await post('/chains', { name: 'guard' })
  const rule = (position: number, fields: object) => post('/rules', { chain, position, ...fields })
  await rule(1, { action: 'accept', connectionStates: ['established', 'related'] })
  const web = { protocol: 'tcp', destinationPorts: { start: 80, end: 80 } }
  await rule(2, { action: 'accept', connectionStates: ['new'], ...web })
  await rule(3, { action: 'drop' })
  const bridge = await post('/bridges', { name: 'br' })
  for (const name of ['tap0', 'tap1']) {
    const port = await post(`/bridges/${bridge}/ports`, { name, inFilter: chain })
    const binding = { host: HOST, interface: name }
    assert.equal((await call(`${url}/ports/${port}/binding`, 'PUT', binding)).status, 200)
  }
}

interface Walk {
  readonly lines: readonly string[]
  readonly verdict: string
  readonly dropReason: string | null
}

async function walk(name: string, packet: string): Promise<Walk> {
  const { status, body } = await call(`${url}/trace`, 'POST', {
    host: HOST,
    interface: name,
    packet: `${packet} src=${name === 'tap0' ? A : B} dst=${name === 'tap0' ? B : A}`
  })
  assert.equal(status, 200, JSON.stringify(body))
  const ids = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8}\b/g
  const walked = body as unknown as Walk
  return { ...walked, lines: walked.lines.map(line => line.replace(ids, 'ID')) }
}

const OPEN = 'tcp 10.0.1.5:1234 > 10.0.1.6:80'
const ANSWER = 'tcp 10.0.1.6:80 > 10.0.1.5:1234'
const CONNECTION = 'connection tcp 10.0.1.5:1234 > 10.0.1.6:80 | 10.0.1.6:80 > 10.0.1.5:1234'

async function state(query = ''): Promise<{ text: string; isOwn: boolean; idleMs: number }[]> {
  const { status, body } = await call(`${url}/hosts/${HOST}/state${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body as unknown as { text: string; isOwn: boolean; idleMs: number }[]
}

test('a trace tells the state a packet reads and would write, and leaves none', async () => {
  assert.deepEqual((await walk('tap0', OPEN)).lines, [
    'in   tap0 of bridge ID',
    '     state none',
    '     chain guard rule 2: accept',
    '     flood',
    'out  tap1 of bridge ID',
    `     state + ${CONNECTION}`,
    'send tap1 of bridge ID, host ID'
  ])
  const stray = await walk('tap1', `${ANSWER} flags=syn,ack`)
  assert.deepEqual([stray.verdict, stray.dropReason], ['drop', 'firewall.rule'])
  assert.ok(stray.lines.includes('     state none'))
  assert.deepEqual(await state(), [])
})

test('what a packet leaves behind is read by the traces that follow, and listed', async () => {
  const syn = eth(A, B).ipv4('10.0.1.5', '10.0.1.6').tcp(1234, 80, { flags: 2 }).frame()
  system.agent(HOST)!.input('tap0', syn)
  await eventually(async () => assert.equal((await state()).length, 1))
  const [record] = await state()
  assert.equal(record?.text, CONNECTION)
  assert.equal(record?.isOwn, true)
  assert.deepEqual((await walk('tap1', `${ANSWER} flags=syn,ack`)).lines, [
    'in   tap1 of bridge ID',
    `     state ${CONNECTION} (return)`,
    '     chain guard rule 1: accept',
    `     ${A} is at tap0`,
    'out  tap0 of bridge ID',
    'send tap0 of bridge ID, host ID'
  ])
  const error = await walk('tap1', `icmp 10.0.1.1 > 10.0.1.5 type=unreachable about ${OPEN}`)
  assert.equal(error.verdict, 'forward', error.lines.join())
  const other = await walk('tap1', 'icmp 10.0.1.1 > 10.0.1.5 about tcp 10.0.1.5:1 > 10.0.1.6:80')
  assert.equal(other.dropReason, 'firewall.rule', other.lines.join())
  assert.equal((await walk('tap1', 'icmp 10.0.1.6 > 10.0.1.5 type=reply')).verdict, 'drop')
})

test('a list of state is of what is asked for, and no longer', async () => {
  for (const port of [2000, 2001]) {
    const frame = eth(A, B).ipv4('10.0.1.7', '10.0.1.6').tcp(port, 80, { flags: 2 }).frame()
    system.agent(HOST)!.input('tap0', frame)
  }
  await eventually(async () => assert.equal((await state()).length, 3))
  assert.equal((await state('?limit=2')).length, 2)
  assert.equal((await state('?protocol=tcp&kind=connection')).length, 3)
  assert.equal((await state('?protocol=udp')).length, 0)
  assert.equal((await state('?protocol=47')).length, 0)
  assert.equal((await state('?kind=snat')).length, 0)
  assert.equal((await state('?address=10.0.1.7')).length, 2)
  assert.equal((await state('?address=10.0.1.7:2001')).length, 1)
  assert.equal((await state('?address=10.0.1')).length, 0)
  for (const [query, field] of [
    ['kind=flow', 'kind'],
    ['protocol=tpc', 'protocol'],
    [`address=${'1'.repeat(65)}`, 'address'],
    ['colour=red', 'colour'],
    ['limit=0', 'limit']
  ]) {
    const { status, body } = await call(`${url}/hosts/${HOST}/state?${query}`)
    assert.deepEqual([status, body.error.faults[0]?.field], [400, field])
  }
})

test('the command line prints a line a record, and the hosts around', async () => {
  const lines: string[] = []
  const given = { api: url, say: (text: string) => lines.push(text), complain: assert.fail }
  assert.equal(await command(['state', 'list', 'compute1', 'address=10.0.1.5'], given), 0)
  assert.match(
    lines.at(-1)!,
    /^age +idle +made +state\n.* here +connection tcp 10\.0\.1\.5:1234 > /
  )
  assert.equal(await command(['state', 'list', 'compute1', 'protocol=udp'], given), 0)
  assert.equal(lines.at(-1), 'no state')
  assert.equal(await command(['host', 'peers', 'compute1'], given), 0)
  assert.equal(lines.at(-1), 'no other hosts')
})
