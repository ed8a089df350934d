// The command line: what is printed, what is complained of, and the exit status. Commands run in
// this process; that the program passes all of it on is asked of a child.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client, Exit } from '../../src/api/cli/client.ts'
import { command } from '../../src/api/cli/command.ts'
import { openSystem, type System } from './fixture.ts'

const TOKEN = 'correct-horse-battery-staple'

let system: System
before(async () => {
  system = await openSystem({ token: TOKEN })
})
after(() => system.close())

interface Run {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

async function mezzo(words: readonly string[], token = TOKEN): Promise<Run> {
  const run = { out: '', err: '' }
  const exit = await command(words, {
    api: system.url,
    token,
    say: text => (run.out += `${text}\n`),
    complain: text => (run.err += `${text}\n`)
  })
  return { exit, ...run }
}

function program(words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Run> {
  const path = fileURLToPath(new URL('../../src/api/cli/mezzo.ts', import.meta.url))
  const env = { ...process.env, MEZZO_API: system.url, MEZZO_TOKEN: TOKEN, ...more }
  const child = spawn(process.execPath, [path, ...words], { env })
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => (out += chunk))
  child.stderr.on('data', chunk => (err += chunk))
  return new Promise(done => child.on('close', exit => done({ exit, out, err })))
}

/** A command that must be done; its output without the last line end. */
async function done(...words: string[]): Promise<string> {
  const { exit, out, err } = await mezzo(words)
  assert.equal(exit, 0, `mezzo ${words.join(' ')}: ${err}`)
  assert.equal(err, '')
  return out.trimEnd()
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

test('a network is built, looked at and taken down by names', async () => {
  assert.match(await done('bridge', 'create', 'name=br1'), UUID)
  await done('router', 'create', 'name=r1')
  await done('port', 'create', 'device=br1', 'name=up')
  await done('port', 'create', 'device=br1', 'name=vm')
  await done('port', 'create', 'device=r1', 'name=down', 'addresses=10.0.1.1/24,fd00:1::1/64')
  assert.equal(await done('port', 'link', 'br1:up', 'r1:down'), '')
  const route = ['router=r1', 'destination=0.0.0.0/0', 'port=r1:down', 'gateway=10.0.1.254']
  await done('route', 'create', ...route)
  await done('host', 'create', 'name=compute1')
  system.agents.report(JSON.parse(await done('hosts', '--json'))[0].id, 'compute1', ['tap0'])
  await done('port', 'bind', 'vm', 'compute1', 'tap0')

  const ports = await done('port', 'list')
  assert.match(ports, /^id +name +device +type +number/)
  assert.match(ports, /vm +br1 +bridge .*compute1 +tap0/)
  assert.match(ports, /down +r1 +router .*br1:up .*10\.0\.1\.1\/24, fd00:1::1\/64/)
  assert.match(await done('port', 'show', 'r1:down'), /^peer +[0-9a-f-]{36} \(br1:up\)$/m)
  assert.match(await done('route', 'list'), /r1 +0\.0\.0\.0\/0 +r1:down +10\.0\.1\.254/)
  assert.match(await done('binding', 'list'), /br1:vm +compute1 +tap0/)
  assert.match(await done('host', 'interfaces', 'compute1'), /tap0 .*up +br1:vm/)
  assert.match(await done('agent', 'list'), /compute1 +yes/)
  assert.equal(await done('port', 'list', 'device=r1', '--json').then(t => JSON.parse(t).length), 1)

  await done('port', 'unlink', 'up')
  await done('host', 'create', 'name=compute2')
  await done('port', 'move', 'vm', 'compute2', 'tap0', 'previousHost=compute1')
  assert.match(await done('binding', 'list'), /br1:vm +compute2 +tap0/)
  const late = await mezzo(['port', 'unbind', 'vm', 'compute1'])
  assert.equal(late.exit, 1)
  assert.match(late.err, /the port is bound there now/)
  await done('port', 'bind', 'vm', 'compute1', 'tap0', 'previousHost=compute2')
  assert.match(await done('port', 'show', 'vm'), /^previousHost .*\(compute2\)$/m)
  await done('port', 'unbind', 'vm')
  await done('bridge', 'set', 'br1', 'tenant=blue', 'macsMax=9')
  assert.match(await done('bridge', 'list', 'tenant=blue'), /br1 +blue +9/)
  await done('bridge', 'set', 'br1', 'tenant=')
  assert.doesNotMatch(await done('bridge', 'show', 'br1'), /tenant/)
  await done('bridge', 'delete', 'br1')
  assert.equal(await done('bridge', 'list'), 'no bridges')
})

test('ids may be shortened, as long as one object is meant', async () => {
  const id = await done('chain', 'create', 'name=web')
  assert.match(await done('chain', 'show', id.slice(0, 6)), /web/)
  await done('chain', 'create', 'name=twin')
  await done('chain', 'create', 'name=twin')
  const both = await mezzo(['chain', 'delete', 'twin'])
  assert.equal(both.exit, 2)
  assert.match(both.err, /several/)
})

test('rules take ranges, numbers, lists and their order', async () => {
  const chain = await done('chain', 'create', 'name=ordered')
  const rule = ['rule', 'create', `chain=${chain}`]
  await done(...rule, 'action=drop')
  await done(...rule, 'action=accept', 'protocol=tcp', 'destinationPorts=80-90', 'position=1')
  const rules = JSON.parse(await done('rule', 'list', 'chain=ordered', '--json'))
  assert.deepEqual(
    rules.map((each: { position: number; action: string }) => [each.position, each.action]),
    [
      [1, 'accept'],
      [2, 'drop']
    ]
  )
  assert.deepEqual(rules[0].destinationPorts, { start: 80, end: 90 })
  assert.match(await done('rule', 'list', 'chain=ordered'), /1 +accept +tcp +80-90/)
})

test('F9: rules are entered as they are read; --first and --position go between', async () => {
  const chain = await done('chain', 'create', 'name=entered')
  const rule = (...words: string[]) => done('rule', 'create', `chain=${chain}`, ...words)
  await rule('action=accept')
  await rule('action=drop')
  await rule('action=return', '--first')
  await rule('--position', '2', 'action=reject')
  await rule('action=jump', `jumpChain=${chain}`, '--position=3')
  const rules = JSON.parse(await done('rule', 'list', 'chain=entered', '--json'))
  assert.deepEqual(
    rules.map((each: { action: string }) => each.action),
    ['return', 'reject', 'jump', 'accept', 'drop']
  )
})

test('F8: values are taken as people write them', async () => {
  const chain = await done('chain', 'create', 'name=spoken')
  const rule = async (...words: string[]) =>
    JSON.parse(await done('rule', 'create', `chain=${chain}`, ...words, '--json'))
  for (const words of [['ethType=0x0806'], ['ethType=0X806'], ['ethType=arp'], ['protocol=arp']])
    assert.equal((await rule('action=accept', ...words)).ethType, 0x0806, words.join())
  assert.equal((await rule('action=accept', 'ethType=ipv6')).ethType, 0x86dd)
  const nat = ['action=snat', 'source=10.0.0.0/24']
  const one = { from: '198.51.100.1', portFrom: 1024, portTo: 2047 }
  const two = { from: '198.51.100.2', portFrom: 1024, portTo: 2047 }
  const [a, b] = [JSON.stringify(one), JSON.stringify(two)]
  assert.deepEqual((await rule(...nat, `natTargets=${a}`)).natTargets, [one])
  for (const text of [`${a},${b}`, `[${a},${b}]`])
    assert.deepEqual((await rule(...nat, `natTargets=${text}`)).natTargets, [one, two])
  await done('router', 'create', 'name=spoken')
  const port = ['device=spoken', 'name=up', 'addresses=198.51.100.7/24,2001:db8::7/64']
  await done('port', 'create', ...port)
  const route = ['router=spoken', 'port=spoken:up', 'destination=default']
  for (const [gateway, to] of [
    ['198.51.100.254', '0.0.0.0/0'],
    ['2001:db8::1', '::/0']
  ]) {
    const made = await done('route', 'create', ...route, `gateway=${gateway}`, '--json')
    assert.equal(JSON.parse(made).destination, to)
  }
})

test('F10: binding says what a port waits for, the list whether it is up, and where', async () => {
  await done('bridge', 'create', 'name=far')
  const port = await done('port', 'create', 'device=far', 'name=vm')
  const host = await done('host', 'create', 'name=farhost')
  const silent = await done('port', 'bind', 'far:vm', 'farhost', 'tap0')
  assert.match(silent, /^far:vm is not up: the agent of its host has not spoken of it$/)
  const why = 'waiting for interface tap1 on host farhost'
  await system.store.table(`binding-faults/${host}`).put(port, why)
  assert.equal(await done('port', 'move', 'far:vm', 'farhost', 'tap1'), `far:vm is not up: ${why}`)
  assert.match(await done('port', 'list', 'device=far'), /vm .*farhost +tap1 .*down +waiting for/)
  await system.store.table(`binding-faults/${host}`).remove(port)
  await system.store.table(`active/${host}`).put(port, host)
  assert.equal(await done('port', 'move', 'far:vm', 'farhost', 'tap2'), '')
  assert.match(await done('port', 'list', 'device=far'), /vm .*farhost +tap2 .*up/)
  assert.match(await done('port', 'show', 'far:vm'), /^state +up$/m)
})

test('F8: what is refused is told with names, not ids', async () => {
  const id = /[0-9a-f]{8}-[0-9a-f]{4}-/
  await done('bridge', 'create', 'name=named')
  await done('router', 'create', 'name=namer')
  for (const words of [
    ['device=named', 'name=p1'],
    ['device=named', 'name=p2'],
    ['device=namer', 'name=down', 'addresses=10.9.9.1/24']
  ])
    await done('port', 'create', ...words)
  await done('host', 'create', 'name=named1')
  await done('host', 'create', 'name=named2')
  await done('port', 'bind', 'named:p1', 'named1', 'tap1')
  await done('port', 'link', 'named:p2', 'namer:down')
  await done('tunnel-zone', 'create', 'name=zoned')
  const member = ['tunnel-zone-host', 'create', 'zone=zoned', 'host=named1']
  await done(...member, 'address=192.0.2.1')
  for (const [words, message] of [
    [['port', 'bind', 'named:p2', 'named1', 'tap1'], /linked to namer:down/],
    [['port', 'bind', 'named:p1', 'named2', 'tap1'], /"named:p1".*bound to .* of host named1/],
    [
      ['port', 'link', 'named:p1', 'namer:down'],
      /named:p1.*bound to interface tap1 of host named1/
    ],
    [['host', 'delete', 'named1'], /id is "named1"; expected a host nobody uses/],
    [
      [...member, 'address=192.0.2.2'],
      /^mezzo: host is "named1"; expected one that no other .* has with zone "zoned"/
    ]
  ] as const) {
    const run = await mezzo(words)
    assert.equal(run.exit, 1, `${words.join(' ')}: ${run.err}`)
    assert.match(run.err, message)
    const told = run.err.replace(/(tunnel-zone-host) [0-9a-f-]+/g, '$1') // it has no name
    assert.doesNotMatch(told, id, run.err)
  }
})

test('trace, flows, metrics and health are printed as lines', async () => {
  await done('bridge', 'create', 'name=traced')
  await done('port', 'create', 'device=traced', 'name=in')
  const walk = await done('trace', 'traced:in', 'icmp', '10.0.1.5', '>', '10.0.2.7')
  assert.match(walk, /^packet +.*10\.0\.1\.5 > 10\.0\.2\.7/)
  assert.match(walk, /^assumed +src=/m)
  assert.match(walk, /^ {2}in {3}port /m)
  assert.match(walk, /^verdict +drop bridge\.same-port$/m)
  assert.equal(await done('flow', 'list', 'compute1'), 'no flows')
  assert.equal(await done('metrics', 'flow_hits'), 'mezzo_flow_hits_total{host="compute1"} 7')
  assert.match(await done('health'), /^status +ok$/m)
  assert.equal(await done('state', 'rotate-key'), '')
})

test('help is given for the whole and for every noun, with commands that work', async () => {
  assert.match(await done(), /mezzo NOUN VERB/)
  for (const { kind, plural } of system.models) {
    const help = await done(kind, 'help')
    assert.match(help, new RegExp(`mezzo ${kind} create`))
    assert.equal(await done('help', plural), help)
  }
  assert.match(await done('trace', '--help'), /HOST:INTERFACE/)
})

test('the exit status tells a refusal from wrong usage from silence', async () => {
  const failing: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['host', 'create'], 1, /name is missing; expected text/],
    [['host', 'create', 'name=compute1'], 1, /name is "compute1"; expected one that no other/],
    [['bridge', 'create', 'macsMax=many'], 1, /macsMax is "many"; expected a whole number/],
    [['bridge', 'create', 'nmae=x'], 2, /nmae is no field of a bridge; .*\bname\b/],
    [['rule', 'create', 'protcol=tcp'], 2, /protcol is no field .*; the nearest are protocol, \w+/],
    [['rule', 'create', 'natTargets={"from"'], 2, /\{"from" is no JSON/],
    [['bridge', 'create', '--first'], 2, /--first: a bridge has no place/],
    [['bridge', 'create', '--colour'], 2, /--colour is no option/],
    [['bridge', 'create', 'name'], 2, /"name" is no setting; expected field=value/],
    [['bridge', 'list', 'macsMax=1'], 2, /macsMax is no filter/],
    [['bridge', 'show', 'nosuch'], 2, /there is no bridge "nosuch"/],
    [['bridge', 'show'], 2, /expected one bridge/],
    [['bridge', 'paint'], 2, /paint is no verb of bridge; expected one of list, show/],
    [['nosuch', 'list'], 2, /nosuch is no noun/],
    [['--colour'], 2, /--colour is no option/],
    [['port', 'link', 'a'], 2, /expected PORT PORT/],
    [['bridge', 'list', '--api', 'nonsense'], 2, /expected a URL/],
    [['bridge', 'list', '--api', 'http://127.0.0.1:1'], 3, /does not answer/]
  ]
  for (const [words, exit, message] of failing) {
    const run = await mezzo(words)
    assert.equal(run.exit, exit, words.join(' '))
    assert.match(run.err, message)
    assert.equal(run.out, '')
  }
  const stranger = await mezzo(['bridge', 'list'], '')
  assert.equal(stranger.exit, 1)
  assert.match(stranger.err, /needs a valid token: MEZZO_TOKEN, or MEZZO_TOKEN_FILE/)
  assert.match((await mezzo(['health'], '')).out, /^status +ok$/m)
})

test('C9: a file of a token holds it in one line, and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-cli-'))
  const path = join(folder, 'token')
  const asked = () => program(['health', '--json'], { MEZZO_TOKEN: '', MEZZO_TOKEN_FILE: path })
  for (const text of [`${TOKEN}\nanother\n`, '\n']) {
    writeFileSync(path, text)
    const { exit, err } = await asked()
    assert.equal(exit, 2)
    assert.match(err, /MEZZO_TOKEN_FILE: .*token is not one line/)
    assert.ok(!err.includes(TOKEN))
  }
  writeFileSync(path, `${TOKEN}\n`)
  assert.equal((await asked()).exit, 0)
  rmSync(folder, { recursive: true })
})

test('what cannot be asked is told with its reason, not only with its id', async () => {
  await done('host', 'create', 'name=absent')
  for (const words of [
    ['flow', 'list', 'absent'],
    ['host', 'peers', 'absent']
  ]) {
    const { exit, err } = await mezzo(words)
    assert.deepEqual([exit, /the agent of host absent does not report here/.test(err)], [1, true])
  }
  await done('host', 'delete', 'absent')
})

test('C3: the command line speaks to a socket, and says whom it did not find', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-cli-'))
  const path = join(folder, 'api.sock')
  const own = await openSystem({ also: [{ socket: path }] })
  for (const api of [path, `unix:${path}`])
    assert.equal((await mezzo(['bridge', 'list', '--api', api])).out, 'no bridges\n')
  await own.close()
  const gone = await mezzo(['bridge', 'list', '--api', path])
  assert.equal(gone.exit, 3)
  assert.match(gone.err, /api\.sock does not answer/)
  rmSync(folder, { recursive: true })
})

test('D6: health that is not well is printed with its reason, exit 1', async () => {
  const own = await openSystem()
  await own.store.close()
  const sick = await mezzo(['health', '--api', own.url])
  assert.equal(sick.exit, 1)
  assert.match(sick.out, /^status +failing\nstore +the store is not available: .*closed/)
  assert.match(sick.err, /not well/)
  await own.api.close()
})

test('the program reads its environment and ends as the command did', async () => {
  assert.deepEqual(await program(['health', '--json']).then(run => [run.exit, run.err]), [0, ''])
  const silent = await program(['bridge', 'list', '--api', 'http://127.0.0.1:1'])
  assert.equal(silent.exit, 3)
  assert.match(silent.err, /^mezzo: .*does not answer/)
  assert.equal(silent.out, '')
})

test('a server that takes the connection and says nothing is named, and for how long', async () => {
  const deaf = createServer().listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  const url = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`
  const client = new Client([url], undefined)
  await assert.rejects(client.send('POST', '/demo/kill', {}, 50), {
    exit: Exit.unreachable,
    message: `${url} does not answer within 0.05 s`
  })
  deaf.close()
})
