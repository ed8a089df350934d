// INV-10: bindings are taken over by naming the host that has them, so that in whatever order, or
// at once, old and new host speak, the newest binding stands.  Two APIs, each with a session of its
// own on one file.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { type Answer, allModels, call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-bindings-'))
const systems: System[] = []
const hosts: string[] = []
let bridge: string
before(async () => {
  const options = { path: join(folder, 'store.db'), models: await allModels() }
  for (const session of ['one', 'two']) {
    const store = await openSqliteStore({ ...options, clock: new SystemClock(), session })
    systems.push(await openSystem({ store }))
  }
  bridge = await create(systems[0]!, '/bridges', { name: 'br' })
  for (const name of ['old', 'new', 'third'])
    hosts.push(await create(systems[0]!, '/hosts', { name }))
})
after(async () => {
  for (const system of systems) await system.close()
  rmSync(folder, { recursive: true, force: true })
})

const newPort = (): Promise<string> => create(systems[0]!, `/bridges/${bridge}/ports`, {})
let taps = 0
const tap = (): string => `tap${++taps}`

const bind = (port: string, body: unknown, system = systems[0]!): Promise<Answer> =>
  call(`${system.url}/ports/${port}/binding`, 'PUT', body)
const move = (port: string, body: unknown, system = systems[0]!): Promise<Answer> =>
  call(`${system.url}/ports/${port}/move`, 'POST', body)
const unbind = (port: string, host: string, system = systems[0]!): Promise<Answer> =>
  call(`${system.url}/ports/${port}/binding?host=${host}`, 'DELETE')

async function stored(port: string) {
  const { body } = await call(`${systems[1]!.url}/ports/${port}`)
  return { host: body.host, interface: body.interface, previousHost: body.previousHost }
}

async function bound(): Promise<{ port: string; there: { host: string; interface: string } }> {
  const port = await newPort()
  const there = { host: hosts[0]!, interface: tap() }
  assert.equal((await bind(port, there)).status, 200)
  return { port, there }
}

test('a port is taken over by naming the host it is on, and remembers it', async () => {
  const { port } = await bound()
  const [old, next] = hosts as [string, string]
  const to = { host: next, interface: tap() }
  const refused = await bind(port, to)
  assert.equal(refused.status, 409, 'a bound port is not free')
  const wrong = await bind(port, { ...to, previousHost: hosts[2] })
  assert.deepEqual([wrong.status, wrong.body.error.code], [409, 'CONFLICT'])
  const answer = await bind(port, { ...to, previousHost: old })
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.body, { port, ...to, previousHost: old })
  assert.deepEqual(await stored(port), { ...to, previousHost: old })
})

test('the old host cannot undo the new one: its unbind changes nothing', async () => {
  const { port } = await bound()
  const [old, next] = hosts as [string, string]
  const to = { host: next, interface: tap() }
  assert.equal((await move(port, to)).status, 200)
  const { version } = (await systems[0]!.store.read('port', port))!
  const late = await unbind(port, old)
  assert.deepEqual([late.status, late.body.error.faults[0]?.field], [409, 'host'])
  const back = await move(port, { host: hosts[2], interface: tap(), previousHost: old })
  assert.deepEqual([back.status, back.body.error.faults[0]?.field], [409, 'previousHost'])
  assert.equal((await systems[0]!.store.read('port', port))?.version, version)
  assert.deepEqual(await stored(port), { ...to, previousHost: old })
  assert.equal((await unbind(port, next)).status, 204)
})

test('a free port keeps in mind where it was, and forgets when it comes back there', async () => {
  const { port, there } = await bound()
  const [old, next] = hosts as [string, string]
  await unbind(port, old)
  const free = { host: undefined, interface: undefined, previousHost: old }
  assert.deepEqual(await stored(port), free)
  assert.equal((await move(port, { host: next, interface: tap() })).status, 404, 'nothing to move')
  assert.equal((await bind(port, there)).status, 200)
  assert.deepEqual(await stored(port), { ...there, previousHost: undefined })
  await unbind(port, old)
  const to = { host: next, interface: tap() }
  await bind(port, to)
  assert.deepEqual(await stored(port), { ...to, previousHost: old })
  const other = { host: next, interface: tap() }
  await move(port, other)
  assert.deepEqual(await stored(port), { ...other, previousHost: old }, 'same host, same memory')
  await unbind(port, next)
  await bind(port, { host: hosts[2], interface: tap(), previousHost: old })
  assert.equal((await stored(port)).previousHost, old, 'the caller knows better than we')
})

test('previousHost is written with bindings only, and goes with its host', async () => {
  const { port } = await bound()
  const system = systems[0]!
  const gone = await create(system, '/hosts', { name: 'gone' })
  await move(port, { host: gone, interface: tap() })
  await move(port, { host: hosts[1], interface: tap() })
  assert.equal((await stored(port)).previousHost, gone)
  const patch = await call(`${system.url}/ports/${port}`, 'PATCH', { previousHost: hosts[2] })
  assert.equal(patch.status, 400)
  assert.match(patch.body.error.faults[0]!.expected, /PUT \/ports/)
  assert.equal((await call(`${system.url}/hosts/${gone}`, 'DELETE')).status, 204)
  assert.equal((await stored(port)).previousHost, undefined)
  const nobody = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'
  const answer = await move(port, { host: hosts[0], interface: tap(), previousHost: nobody })
  assert.deepEqual([answer.status, answer.body.error.faults[0]?.field], [400, 'previousHost'])
})

test('INV-10 in every order of old and new host the newest binding stands', async () => {
  const [old, next] = hosts as [string, string]
  for (const order of ['bind first', 'unbind first', 'at once', 'at once, the other way']) {
    const { port } = await bound()
    const to = { host: next, interface: tap() }
    const arrives = () => bind(port, { ...to, previousHost: old }, systems[1])
    const leaves = () => unbind(port, old, systems[0])
    const steps =
      order.startsWith('bind') || order === 'at once' ? [arrives, leaves] : [leaves, arrives]
    const answers: Answer[] = []
    if (order.startsWith('at once')) answers.push(...(await Promise.all(steps.map(step => step()))))
    else for (const step of steps) answers.push(await step())
    for (const { status } of answers) assert.ok([200, 204, 409].includes(status), order)
    assert.deepEqual(await stored(port), { ...to, previousHost: old }, order)
  }
})

test('INV-10 of many hosts that take a port over from the same one, one wins', async () => {
  const { port } = await bound()
  const old = hosts[0]!
  const wishes = Array.from({ length: 8 }, (_, i) => ({
    host: hosts[1 + (i % 2)]!,
    interface: tap(),
    previousHost: old
  }))
  const answers = await Promise.all(wishes.map((wish, i) => bind(port, wish, systems[i % 2])))
  const winners = wishes.filter((_, i) => answers[i]!.status === 200)
  assert.equal(winners.length, 1, answers.map(answer => answer.status).join())
  assert.deepEqual(await stored(port), winners[0])
})

test('INV-10 a chain of moves amid late unbinds ends where the last move went', async () => {
  const { port } = await bound()
  for (let round = 0; round < 20; round++) {
    const from = hosts[round % 3]!
    const to = { host: hosts[(round + 1) % 3]!, interface: tap(), previousHost: from }
    const stale = hosts[(round + 2) % 3]!
    const [moved, ...late] = await Promise.all([
      move(port, to, systems[round % 2]),
      unbind(port, stale, systems[(round + 1) % 2]),
      move(port, { host: from, interface: tap(), previousHost: stale }, systems[(round + 1) % 2])
    ])
    assert.equal(moved.status, 200)
    // The stale host has been left, or not been reached: its word is out of date.
    for (const { status } of late) assert.equal(status, 409)
    assert.deepEqual(await stored(port), to)
  }
})
